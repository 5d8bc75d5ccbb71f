package org.blktap.aio;

import java.lang.System.Logger.Level;
import org.blktap.linux.LibAio;
import org.blktap.linux.Prerequisite;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/** Finds out whether this machine has libaio, the prerequisite of {@link LibaioEngine}. */
@Component(
        service = {},
        immediate = true,
        configurationPid = AioSettings.PID)
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>=org.osgi.service.condition.Condition",
        effective = "active")
public final class LibaioPresence {
    /** The id of the prerequisite. */
    static final String ID = "org.blktap.libaio";

    private final Prerequisite libaio;

    @Activate
    public LibaioPresence(BundleContext context, AioSettings settings) {
        libaio = new Prerequisite(context, ID);
        String missing =
                settings.portable() ? "left out by the setting portable of " + AioSettings.PID : LibAio.missing();
        if (missing == null) {
            libaio.present();
        } else {
            libaio.absent(missing);
            System.getLogger("org.blktap.aio")
                    .log(
                            Level.WARNING,
                            "libaio cannot be used (" + missing
                                    + "); the slower portable engine does the I/O. Debian has it in the package libaio1 or libaio1t64");
        }
    }

    @Deactivate
    public void stop() {
        libaio.close();
    }
}
