package org.blktap.api.engine;

import org.osgi.annotation.versioning.ConsumerType;

/** Called on the loop when an operation completes. One object may serve many operations. */
@ConsumerType
@FunctionalInterface
public interface IoCallback {
    /** @param error 0, or a positive Linux errno, as {@link Errno} names them */
    void done(int error);
}
