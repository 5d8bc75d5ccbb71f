package org.blktap.filter.luks;

import java.lang.System.Logger.Level;
import org.blktap.linux.LibCrypto;
import org.blktap.linux.Prerequisite;
import org.osgi.annotation.bundle.Capability;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/** Finds out whether this machine has libcrypto, the prerequisite of {@link LuksFilter}. */
@Component(
        service = {},
        immediate = true)
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>=org.osgi.service.condition.Condition",
        effective = "active")
public final class LibCryptoPresence {
    /** The id of the prerequisite. */
    static final String ID = "org.blktap.libcrypto";

    private final Prerequisite libcrypto;

    @Activate
    public LibCryptoPresence(BundleContext context) {
        libcrypto = new Prerequisite(context, ID);
        String missing = LibCrypto.missing();
        libcrypto.library(missing, LibCrypto.PACKAGE);
        if (missing != null) {
            System.getLogger("org.blktap.filter.luks")
                    .log(Level.INFO, "there is no filter luks: libcrypto cannot be used (" + missing + ")");
        }
    }

    @Deactivate
    public void stop() {
        libcrypto.close();
    }
}
