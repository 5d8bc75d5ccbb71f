package org.blktap.jobs.mirror;

import org.blktap.api.disk.Operation;

/** The first failure of a mirror since it was started or tried again. Loop only. */
final class MirrorFailures {
    private final String target;
    private MirrorFailure failure;

    /** @param target its name, for messages */
    MirrorFailures(String target) {
        this.target = target;
    }

    boolean any() {
        return failure != null;
    }

    /** Returns the first failure, or null. */
    MirrorFailure first() {
        return failure;
    }

    void forget() {
        failure = null;
    }

    void source(Operation operation, long offset, int error) {
        add(MirrorFailure.of("the disk", operation, offset, error));
    }

    void target(Operation operation, long offset, int error) {
        add(MirrorFailure.of(target, operation, offset, error));
    }

    /** Records that a disk has thrown. */
    void threw(Throwable thrown) {
        add(MirrorFailure.internal(target, thrown));
    }

    void add(MirrorFailure with) {
        if (failure == null) {
            failure = with;
        }
    }
}
