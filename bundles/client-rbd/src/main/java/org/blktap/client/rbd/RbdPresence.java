package org.blktap.client.rbd;

import org.blktap.linux.CephLibraries;
import org.blktap.linux.LibRbd;
import org.blktap.linux.Prerequisite;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/** Finds out whether this machine has librbd, the prerequisite of {@link RbdDriver}; does not load it. */
@Component(
        service = {},
        immediate = true)
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>=org.osgi.service.condition.Condition",
        effective = "active")
public final class RbdPresence {
    /** The id of the prerequisite. */
    static final String ID = "org.blktap.librbd";

    private final Prerequisite librbd;

    @Activate
    public RbdPresence(BundleContext context) {
        librbd = new Prerequisite(context, ID);
        librbd.library(CephLibraries.missing(), LibRbd.PACKAGE);
    }

    @Deactivate
    public void stop() {
        librbd.close();
    }
}
