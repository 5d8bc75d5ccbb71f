package org.blktap.aio;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import org.blktap.api.engine.IoEngine;
import org.blktap.linux.LibAio;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/** Registers the engines that this machine can run: libaio where it is installed, the portable one always. */
@Component(service = {}, immediate = true, configurationPid = AioSettings.PID)
public final class Engines {
    private final List<ServiceRegistration<IoEngine>> registrations = new ArrayList<>();
    private LibaioEngine libaio;

    @Activate
    public Engines(BundleContext context, AioSettings settings) {
        register(context, new PortableEngine(), PortableEngine.NAME, 0);
        String missing = settings.portable() ? "left out by the setting portable of " + AioSettings.PID : LibAio.missing();
        if (missing == null) {
            libaio = new LibaioEngine();
            register(context, libaio, LibaioEngine.NAME, 100);
        } else {
            System.getLogger("org.blktap.aio").log(Level.WARNING, "libaio cannot be used (" + missing
                    + "); the slower portable engine does the I/O. Debian has it in the package libaio1 or libaio1t64");
        }
    }

    private void register(BundleContext context, IoEngine engine, String name, int ranking) {
        Hashtable<String, Object> properties = new Hashtable<>();
        properties.put("engine.name", name);
        properties.put(Constants.SERVICE_RANKING, ranking);
        registrations.add(context.registerService(IoEngine.class, engine, properties));
    }

    @Deactivate
    public void stop() {
        registrations.forEach(ServiceRegistration::unregister);
        if (libaio != null) {
            libaio.close();
        }
    }
}
