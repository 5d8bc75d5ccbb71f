package org.blktap.shell.offline;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.blktap.config.Environment;
import org.blktap.config.SettingsCheck;
import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Filter;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.InvalidSyntaxException;

/**
 * The services that this process needs, made of the components of the installed bundles: those of {@code deploy/} that
 * are made without being asked for, and for the rest whatever one of them refers to.
 */
final class LocalServices {
    /** Those of the platform whose components take part. */
    private static final List<String> PLATFORM = List.of("linux.jar", "core.jar");

    private final List<LocalBundle> bundles = new ArrayList<>();
    private final List<BundleLoader> loaders = new ArrayList<>();
    private final List<LocalService> present = new ArrayList<>();
    private final Map<Description, Object> made = new HashMap<>();
    /** Under way, or failed: not tried again. */
    private final Set<Description> tried = new HashSet<>();

    private final Map<String, String> failures = new LinkedHashMap<>();

    /** The configurations, by PID. */
    private final Map<String, Map<String, Object>> configured = new HashMap<>();

    private final List<String> problems = new ArrayList<>();

    /** Makes services without settings. */
    LocalServices(Path platform, Path deploy) throws IOException {
        this(platform, deploy, Map.of(), "");
    }

    /**
     * Reads the platform's bundles, which are on the class path, and those of deploy/.
     *
     * @param settings the sections of the file, by PID
     * @param imageRoots {@link Environment#IMAGE_ROOTS}
     */
    LocalServices(Path platform, Path deploy, Map<String, Map<String, Object>> settings, String imageRoots)
            throws IOException {
        Description.Reader reader = new Description.Reader();
        for (String each : PLATFORM) {
            bundles.add(LocalBundle.onClassPath(platform.resolve(each), reader));
        }
        List<LocalBundle> deployed = new ArrayList<>();
        for (Path jar : jars(deploy)) {
            try {
                deployed.add(LocalBundle.deployed(jar, loaders, reader));
            } catch (IOException e) {
                failures.put(jar.getFileName().toString(), e.getMessage());
            }
        }
        bundles.addAll(deployed);
        for (LocalBundle each : bundles) {
            configure(each, settings.get(each.symbolicName()), imageRoots);
        }
        deployed.forEach(this::start);
    }

    private void configure(LocalBundle bundle, Map<String, Object> section, String imageRoots) throws IOException {
        Map<String, Object> values = Map.of();
        if (section != null) {
            SettingsCheck check = SettingsCheck.of(bundle.symbolicName(), section, LocalBundle.settings(bundle.path()));
            values = check.values();
            problems.addAll(check.problems());
        }
        configured.put(bundle.symbolicName(), Environment.override(bundle.symbolicName(), values, imageRoots));
    }

    /** Returns the configuration of a PID. */
    Map<String, Object> configured(String pid) {
        return configured.getOrDefault(pid, Map.of());
    }

    /** Returns a line for each part of the settings that is not in force. */
    List<String> problems() {
        return problems;
    }

    static Iterable<Path> jars(Path folder) throws IOException {
        Set<Path> jars = new TreeSet<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "[!.]*.jar")) {
                files.forEach(jars::add);
            }
        }
        return jars;
    }

    private void start(LocalBundle bundle) {
        if (bundle.activator() != null) {
            try {
                BundleActivator activator = (BundleActivator) bundle.loader()
                        .loadClass(bundle.activator())
                        .getDeclaredConstructor()
                        .newInstance();
                activator.start(context(bundle));
            } catch (Exception | LinkageError e) {
                failed(bundle, e);
            }
        }
        bundle.components().stream().filter(Description::immediate).forEach(each -> make(bundle, each));
    }

    private void failed(LocalBundle bundle, Throwable e) {
        Throwable cause =
                e instanceof java.lang.reflect.InvocationTargetException && e.getCause() != null ? e.getCause() : e;
        failures.put(bundle.name(), cause.toString());
    }

    /** What of {@code deploy/} could not be made here: the jar and why. */
    Map<String, String> failures() {
        return failures;
    }

    BundleContext context(LocalBundle bundle) {
        return LocalContext.of(this, bundle.name());
    }

    LocalService register(Object service, Set<String> interfaces, Map<String, Object> properties) {
        LocalService registered = new LocalService(service, interfaces, properties, present.size());
        present.add(registered);
        return registered;
    }

    void unregister(LocalService service) {
        present.remove(service);
    }

    /** All services of a kind, those of highest ranking first. */
    List<LocalService> of(String type) {
        for (LocalBundle bundle : bundles) {
            for (Description each : bundle.components()) {
                if (each.interfaces.contains(type) && Boolean.parseBoolean(each.get("enabled", "true"))) {
                    make(bundle, each);
                }
            }
        }
        return present.stream()
                .filter(each -> each.interfaces().contains(type))
                .sorted((a, b) -> b.compareTo(a))
                .toList();
    }

    /** Returns the services that a reference asks for, those of highest ranking first. */
    List<LocalService> of(Description.Reference reference) {
        List<LocalService> all = of(reference.type());
        if (reference.get("target") == null) {
            return all;
        }
        try {
            Filter target = FrameworkUtil.createFilter(reference.get("target"));
            return all.stream()
                    .filter(each -> target.matches(each.properties()))
                    .toList();
        } catch (InvalidSyntaxException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    /** A component by its name, made if it is not there yet; null if it cannot be. */
    Object component(String name) {
        for (LocalBundle bundle : bundles) {
            for (Description each : bundle.components()) {
                if (name.equals(each.get("name", each.implementation()))) {
                    return make(bundle, each);
                }
            }
        }
        return null;
    }

    private Object make(LocalBundle bundle, Description description) {
        if (tried.add(description)) {
            try {
                ComponentMaker maker = new ComponentMaker(this, bundle, description);
                Object component = maker.make();
                if (component == null) {
                    // the service that it waits for may still be registered
                    tried.remove(description);
                } else {
                    made.put(description, component);
                    if (!description.interfaces.isEmpty()) {
                        register(component, description.interfaces, maker.properties());
                    }
                }
            } catch (ReflectiveOperationException | RuntimeException | LinkageError e) {
                failed(bundle, e);
            }
        }
        return made.get(description);
    }
}
