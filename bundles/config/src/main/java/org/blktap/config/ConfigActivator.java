package org.blktap.config;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import org.blktap.api.settings.Directories;
import org.blktap.api.settings.Instance;
import org.osgi.annotation.bundle.Capability;
import org.osgi.annotation.bundle.Header;
import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceReference;
import org.osgi.service.cm.ConfigurationAdmin;

/**
 * Starts after Config Admin and before all bundles that are configured. The launcher gives it the directories as
 * framework properties, and the file through a service. The service has types of the JDK, because the launcher's own
 * classes are not those of the bundles.
 */
@Header(name = Constants.BUNDLE_ACTIVATOR, value = "${@class}")
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>='org.blktap.api.settings.Directories'",
        effective = "active")
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>='org.blktap.api.settings.Instance'",
        effective = "active")
@Capability(
        namespace = "osgi.service",
        attribute = "objectClass:List<String>='org.blktap.config.ConfiguredSettings'",
        effective = "active")
public final class ConfigActivator implements BundleActivator {
    /** The launcher's service that reads the file. */
    private static final String FILE = "(blktap.launcher=settings)";

    private ConfiguredSettings settings;

    @Override
    public void start(BundleContext context) throws Exception {
        ServiceReference<ConfigurationAdmin> admin = context.getServiceReference(ConfigurationAdmin.class);
        if (admin == null) {
            throw new BundleException("Config Admin is not active; it must start before this bundle");
        }
        Directories directories = directories(context);
        context.registerService(Directories.class, directories, null);
        context.registerService(Instance.class, instance(context, directories), null);
        settings = new ConfiguredSettings(
                context,
                context.getService(admin),
                file(context),
                path(context, "blktap.settings", Path.of("etc/blktap.json")).toString(),
                context.getProperty("blktap.image.roots"));
        settings.start();
        context.registerService(ConfiguredSettings.class, settings, null);
    }

    /** A framework that another program has launched has no file. */
    @SuppressWarnings("unchecked")
    private static Callable<Map<String, Map<String, Object>>> file(BundleContext context) throws Exception {
        ServiceReference<?>[] found = context.getAllServiceReferences(Callable.class.getName(), FILE);
        return found == null ? Map::of : (Callable<Map<String, Map<String, Object>>>) context.getService(found[0]);
    }

    private static Directories directories(BundleContext context) {
        Directories otherwise =
                Directories.of(path(context, "blktap.home", Path.of("").toAbsolutePath()));
        return new Directories(
                otherwise.home(),
                path(context, "blktap.run.dir", otherwise.run()),
                path(context, "blktap.data.dir", otherwise.data()),
                path(context, "blktap.deploy.dir", otherwise.deploy()),
                path(context, "blktap.control.dir", otherwise.control()));
    }

    /** A framework that another program has launched is the default instance. */
    private static Instance instance(BundleContext context, Directories directories) {
        String name = context.getProperty("blktap.instance");
        if (name == null || !Instance.isName(name)) {
            return Instance.ofDefault(directories);
        }
        return new Instance(
                name,
                isYes(context, "blktap.own.process"),
                isYes(context, "blktap.instance.settings"),
                path(context, "blktap.common.run.dir", directories.run()),
                path(context, "blktap.common.data.dir", directories.data()));
    }

    private static boolean isYes(BundleContext context, String property) {
        return "yes".equals(context.getProperty(property));
    }

    private static Path path(BundleContext context, String property, Path otherwise) {
        String text = context.getProperty(property);
        return text == null || text.isEmpty() ? otherwise : Path.of(text);
    }

    @Override
    public void stop(BundleContext context) {
        settings.stop();
    }
}
