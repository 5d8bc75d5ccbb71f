package org.blktap.node.xen;

import java.io.IOException;

/** What a device needs of Xen besides XenStore. Any thread. */
interface Hypervisor {
    /** A handle of a device's own: what it has mapped goes with it. */
    GrantTable openGrants() throws IOException;

    /** A handle of a device's own: what it has bound goes with it. */
    EventChannels openEvents() throws IOException;
}
