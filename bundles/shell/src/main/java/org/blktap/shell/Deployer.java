package org.blktap.shell;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;

/** Puts jars into the directory that File Install watches. */
public final class Deployer {
    /** File Install looks twice a second, and takes a file that it has seen unchanged in two looks. */
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    /** After an install the start follows in the same look. */
    private static final Duration GRACE = Duration.ofSeconds(2);
    private static final int POLL_MILLIS = 20;

    private final Path directory;
    private final BundleContext bundles;

    /**
     * @param name the bundle's symbolic name
     * @param sinceMillis when the jar was put there
     */
    public record Deployed(Path target, String name, long sinceMillis) {
    }

    public Deployer(Path directory, BundleContext bundles) {
        this.directory = directory.toAbsolutePath().normalize();
        this.bundles = bundles;
    }

    /**
     * Copies beside the target and renames: a jar that grows in deploy/ would be taken for a broken one. Its name has no
     * version; a bundle that is deployed under another name keeps that.
     *
     * @throws DiskException if it is no bundle, or one of the platform's
     */
    public Deployed put(Path source) throws DiskException {
        String name = symbolicName(source);
        Path target = directory.resolve(withoutVersion(source.getFileName().toString()));
        for (Bundle bundle : bundles.getBundles()) {
            if (name.equals(bundle.getSymbolicName())) {
                Path present = jarOf(bundle);
                if (present == null) {
                    throw new DiskException(Reason.EXISTS, source + ": " + name
                            + " belongs to the platform (bundle/), which is replaced while the daemon is down");
                }
                target = present;
            }
        }
        Path temporary = directory.resolve("." + target.getFileName() + ".new");
        long now = System.currentTimeMillis();
        try {
            try {
                Files.copy(source, temporary, StandardCopyOption.REPLACE_EXISTING);
                try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
                Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (IOException e) {
            throw DiskException.io(target, "deploy", e);
        }
        return new Deployed(target, name, now);
    }

    /** Waits until what was deployed is active; if it does not become so, says why. */
    public Bundle await(Deployed deployed) throws DiskException, InterruptedException {
        long begin = System.nanoTime();
        long installed = 0;
        while (true) {
            Bundle bundle = fresh(deployed);
            if (bundle != null && bundle.getState() == Bundle.ACTIVE) {
                return bundle;
            }
            long now = System.nanoTime();
            installed = bundle == null ? 0 : installed == 0 ? now : installed;
            if (installed != 0 && now - installed > GRACE.toNanos()) {
                throw new DiskException(Reason.UNSUPPORTED, deployed.target() + ": " + deployed.name() + " is installed but not active: "
                        + BundleDiagnosis.why(bundle, bundles));
            }
            if (now - begin > PATIENCE.toNanos()) {
                throw new DiskException(Reason.IO, deployed.target() + ": " + deployed.name()
                        + " was put there, but is not installed; the daemon's log tells why");
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    /** The bundle as of this deployment, not the one that it replaces. */
    private Bundle fresh(Deployed deployed) {
        for (Bundle bundle : bundles.getBundles()) {
            if (deployed.name().equals(bundle.getSymbolicName()) && bundle.getLastModified() >= deployed.sinceMillis()) {
                return bundle;
            }
        }
        return null;
    }

    /** Where in the deploy directory a bundle was installed from, or null if it was not. */
    private Path jarOf(Bundle bundle) {
        // as File Install makes it: file:/..., with one slash
        String prefix = directory.toFile().toURI().toString();
        String location = bundle.getLocation();
        String file = location.substring(location.lastIndexOf('/') + 1);
        return location.startsWith(prefix) && location.length() == prefix.length() + file.length() ? directory.resolve(file) : null;
    }

    static String withoutVersion(String file) {
        return file.replaceFirst("-[0-9][^/]*\\.jar$", ".jar");
    }

    static String symbolicName(Path source) throws DiskException {
        if (!Files.isRegularFile(source)) {
            throw new DiskException(Files.exists(source) ? Reason.WRONG_TYPE : Reason.NOT_FOUND, source
                    + (Files.exists(source) ? ": not a file" : ": no such file"));
        }
        if (!source.toString().endsWith(".jar")) {
            throw new DiskException(Reason.WRONG_TYPE, source + ": not a jar: its name does not end in .jar");
        }
        try (JarFile jar = new JarFile(source.toFile())) {
            Manifest manifest = jar.getManifest();
            String name = manifest == null ? null : manifest.getMainAttributes().getValue("Bundle-SymbolicName");
            if (name == null) {
                throw new DiskException(Reason.WRONG_TYPE, source + ": not a bundle: its manifest has no Bundle-SymbolicName");
            }
            return name.split(";")[0].strip();
        } catch (IOException e) {
            throw new DiskException(Reason.WRONG_TYPE, source + ": not a jar: " + e.getMessage(), e);
        }
    }
}
