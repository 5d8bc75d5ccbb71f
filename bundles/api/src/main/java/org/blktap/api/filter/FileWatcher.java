package org.blktap.api.filter;

import org.blktap.api.engine.IoCallback;
import org.osgi.annotation.versioning.ConsumerType;

/** Sees the operations that a disk does on its files: see {@link FilterContext#watchFiles}. Loop only. */
@ConsumerType
@FunctionalInterface
public interface FileWatcher {
    /**
     * Called when an operation is given to the engine.
     *
     * @param done the callback of the operation
     * @return what the engine calls in its place when the operation ends; it calls {@code done} with the same error
     */
    IoCallback begins(IoCallback done);
}
