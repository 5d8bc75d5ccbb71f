package org.blktap.itests;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Real domains of a real Xen: {@code itests/xen/suite}, which runs in dom0 of the lab, in one boot for all of its
 * tests. The consoles of the hypervisor, of dom0 and of all guests, and the daemon's log, are in
 * {@code itests/target/xen}.
 */
class XenGuestIT {
    @TestFactory
    Stream<DynamicTest> suite() throws Exception {
        return new XenSuite("xen", List.of(), List.of()).tests();
    }
}
