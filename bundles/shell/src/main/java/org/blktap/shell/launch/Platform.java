package org.blktap.shell.launch;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.blktap.deploy.BundleDiagnosis;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.startlevel.BundleStartLevel;
import org.osgi.framework.wiring.FrameworkWiring;

/** The bundles of {@code bundle/}: all of them must be there, resolve and start. */
final class Platform {
    /** Property of the configuration: the start level of the platform, and with a jar's name appended, of that jar. */
    static final String LEVEL = "blktap.level";
    /** Start level of bundles that are installed and not started. */
    static final int NEVER = 1000;

    /**
     * Prefix of a location whose jar Felix opens in place. Felix copies other jars at each start, and removes the
     * copies at the next.
     */
    private static final String IN_PLACE = "reference:";

    private final BundleContext context;
    private final Map<String, String> configuration;
    private final List<Bundle> bundles = new ArrayList<>();

    Platform(BundleContext context, Map<String, String> configuration) {
        this.context = context;
        this.configuration = configuration;
    }

    /**
     * Installs and resolves them, and marks them to be started with the framework.
     *
     * @throws IOException in one line: which jar, and what is wrong with it
     */
    void install(Path folder) throws IOException {
        TreeSet<Path> jars = new TreeSet<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.jar")) {
            files.forEach(jars::add);
        }
        for (Path jar : jars) {
            try {
                Bundle bundle = context.installBundle(IN_PLACE + jar.toFile().toURI());
                bundles.add(bundle);
                String name = jar.getFileName().toString().replaceFirst("\\.jar$", "");
                bundle.adapt(BundleStartLevel.class)
                        .setStartLevel(Integer.parseInt(
                                configuration.getOrDefault(LEVEL + "." + name, configuration.get(LEVEL))));
            } catch (BundleException e) {
                throw new IOException(
                        jar + ": cannot be installed: " + (e.getCause() == null ? e : e.getCause()).getMessage(), e);
            }
        }
        context.getBundle(0).adapt(FrameworkWiring.class).resolveBundles(bundles);
        for (Bundle bundle : bundles) {
            if (bundle.getState() == Bundle.INSTALLED) {
                throw new IOException(jar(bundle) + ": cannot be used: " + BundleDiagnosis.why(bundle, context)
                        + "; the installation is not complete, or of several versions");
            }
        }
        for (Bundle bundle : bundles) {
            if (!BundleDiagnosis.isFragment(bundle)) {
                try {
                    bundle.start();
                } catch (BundleException e) {
                    throw new IOException(jar(bundle) + ": does not start: " + e.getMessage(), e);
                }
            }
        }
    }

    /** Returns the jar of a bundle, for people. */
    private static String jar(Bundle bundle) {
        return bundle.getLocation().substring(IN_PLACE.length());
    }

    /** Checks the bundles after the start of the framework. */
    void check() throws IOException {
        for (Bundle bundle : bundles) {
            if (bundle.getState() != Bundle.ACTIVE
                    && !BundleDiagnosis.isFragment(bundle)
                    && !BundleDiagnosis.isLater(bundle, context)) {
                throw new IOException(jar(bundle) + ": does not start: " + BundleDiagnosis.why(bundle, context));
            }
        }
    }
}
