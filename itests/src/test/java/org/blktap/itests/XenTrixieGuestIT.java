package org.blktap.itests;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The tests for Xen 4.19 and newer, on the hypervisor, kernel and xl of Debian 13, which {@code itests/xen/debian-root}
 * downloads: only with {@code ./test --xen-trixie}. Consoles and logs are in {@code itests/target/xen-trixie}.
 */
class XenTrixieGuestIT {
    @TestFactory
    Stream<DynamicTest> suite() throws Exception {
        if (System.getenv("BLKTAP_XEN_TRIXIE") == null) {
            return Stream.empty();
        }
        return new XenSuite("xen-trixie", List.of("--release", "trixie"), List.of("--tap")).tests();
    }
}
