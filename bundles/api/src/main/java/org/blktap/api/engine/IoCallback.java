package org.blktap.api.engine;

import org.osgi.annotation.versioning.ConsumerType;

/** Told, on the loop, how an operation ended. One object may be the callback of many operations. */
@ConsumerType
@FunctionalInterface
public interface IoCallback {
    /**
     * @param error 0, or a positive Linux errno, as {@link Errno} names them
     */
    void done(int error);
}
