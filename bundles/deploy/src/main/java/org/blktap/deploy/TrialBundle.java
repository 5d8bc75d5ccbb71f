package org.blktap.deploy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.List;
import java.util.Locale;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.wiring.FrameworkWiring;

/**
 * Asks the framework whether a jar would resolve, without touching the bundle that the jar would replace: a copy under
 * another symbolic name is installed, resolved, never started, and uninstalled.
 */
final class TrialBundle {
    /** Prefix of the locations of copies. */
    static final String LOCATION = "trial:";

    private static final String SUFFIX = ".trial";
    /** Limit of the jar's size: it is read into memory for the trial. */
    private static final long MAX_JAR = 256L << 20;

    private TrialBundle() {}

    /**
     * One at a time, as two trials of one jar would be in each other's way.
     *
     * @return a line for each thing that it brings and another bundle brings too
     * @throws DiskException that says what the jar lacks
     */
    static synchronized List<String> resolve(Path jar, BundleContext bundles) throws DiskException {
        Bundle trial = null;
        try {
            trial = bundles.installBundle(LOCATION + jar.toUri(), new ByteArrayInputStream(copy(jar)));
            FrameworkWiring wiring =
                    bundles.getBundle(Constants.SYSTEM_BUNDLE_LOCATION).adapt(FrameworkWiring.class);
            if (!wiring.resolveBundles(List.of(trial))) {
                throw new DiskException(
                        Reason.UNSUPPORTED, jar + ": cannot be used here: " + BundleDiagnosis.why(trial, bundles));
            }
            return Contribution.broughtTwice(
                    trial,
                    trial.getSymbolicName().substring(0, trial.getSymbolicName().length() - SUFFIX.length()),
                    bundles);
        } catch (BundleException e) {
            throw new DiskException(Reason.WRONG_TYPE, jar + ": the framework refuses it: " + e.getMessage(), e);
        } catch (IOException | IllegalArgumentException e) {
            throw new DiskException(Reason.WRONG_TYPE, jar + ": not a jar: " + e.getMessage(), e);
        } finally {
            uninstall(trial);
        }
    }

    private static void uninstall(Bundle trial) throws DiskException {
        try {
            if (trial != null) {
                trial.uninstall();
            }
        } catch (BundleException e) {
            throw new DiskException(Reason.IO, trial.getLocation() + ": cannot be uninstalled: " + e.getMessage(), e);
        }
    }

    /** Copies the jar under another symbolic name; reads all of it, so that a damaged one is found. */
    private static byte[] copy(Path path) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JarFile jar = new JarFile(path.toFile())) {
            Manifest manifest = new Manifest(jar.getManifest());
            Attributes headers = manifest.getMainAttributes();
            headers.putValue(
                    Constants.BUNDLE_SYMBOLICNAME,
                    headers.getValue(Constants.BUNDLE_SYMBOLICNAME)
                                    .split(";")[0]
                                    .strip()
                            + SUFFIX);
            long total = 0;
            try (JarOutputStream out = new JarOutputStream(bytes, manifest)) {
                out.setLevel(0);
                for (Enumeration<JarEntry> entries = jar.entries(); entries.hasMoreElements(); ) {
                    JarEntry entry = entries.nextElement();
                    byte[] content = jar.getInputStream(entry)
                            .readNBytes((int) Math.min(Integer.MAX_VALUE, MAX_JAR - total + 1));
                    total += content.length;
                    if (total > MAX_JAR) {
                        throw new IOException("more than " + (MAX_JAR >> 20) + " MiB" + " when unpacked");
                    }
                    if (!entry.getName()
                            .toUpperCase(Locale.ROOT)
                            .matches(JarFile.MANIFEST_NAME + "|META-INF/[^/]*\\.(SF|RSA|DSA|EC)")) {
                        out.putNextEntry(new JarEntry(entry.getName()));
                        out.write(content);
                    }
                }
            }
        }
        return bytes.toByteArray();
    }
}
