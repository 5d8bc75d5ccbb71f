package org.blktap.itests;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

/** What tests need that mount file systems which nobody else sees. */
final class Namespaces {
    private Namespaces() {}

    /** Skips a test where no namespace of mounts can be made, such as in a chroot, whose root is no mount. */
    static void assumeMounts() throws Exception {
        assumeTrue(Run.of("unshare", "-m", "true").status() == 0, "no mount namespace can be made here");
    }
}
