package org.blktap.deploy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.WholeFile;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;

/** Puts jars into the directory that File Install watches, and takes them away. One at a time. */
public final class Deployer {
    /** File Install looks twice a second, and takes a file that it has seen unchanged in two looks. */
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    /** Time allowed for the start after an install, which follows in the same scan. */
    private static final Duration GRACE = Duration.ofSeconds(2);

    private static final int POLL_MILLIS = 20;
    private static final Object ONE_AT_A_TIME = new Object();

    private final Path directory;
    private final BundleContext bundles;
    private final JarCheck check;

    /** Checks a jar before it is deployed, and its bundle afterwards. */
    interface JarCheck {
        /**
         * @return remarks about the jar before it is started, one line each
         * @throws DiskException if the framework could not resolve the jar
         */
        List<String> resolves(Path jar) throws DiskException;

        /** Returns what has failed in a bundle although it is active, or null. */
        String failure(Bundle bundle);
    }

    /**
     * @param name the bundle's symbolic name
     * @param sinceMillis when the jar was put there
     * @param replaced a copy of the jar that was there before, or null
     */
    public record Deployed(Path target, String name, long sinceMillis, Path replaced) {}

    public Deployer(Path directory, BundleContext bundles, JarCheck check) {
        this.directory = directory.toAbsolutePath().normalize();
        this.bundles = bundles;
        this.check = check;
    }

    /**
     * Deploys a jar and waits until its bundle is active. If that fails, the jar that was there before is put back.
     *
     * @param remarks receives lines about the jar before it is started
     * @throws DiskException that says why it is not active
     */
    public Bundle deploy(Path source, Consumer<String> remarks) throws DiskException, InterruptedException {
        synchronized (ONE_AT_A_TIME) {
            Deployed deployed = put(source, remarks);
            try {
                return await(deployed);
            } catch (DiskException e) {
                throw new DiskException(e.reason(), e.getMessage() + takeBack(deployed), e);
            } finally {
                delete(deployed.replaced());
            }
        }
    }

    /** Puts a jar there as {@link #deploy} does, without waiting for its bundle. */
    public Path leave(Path source, Consumer<String> remarks) throws DiskException {
        synchronized (ONE_AT_A_TIME) {
            Deployed deployed = put(source, remarks);
            delete(deployed.replaced());
            return deployed.target();
        }
    }

    /**
     * Copies the jar under a temporary name and renames it: a jar that is still growing in deploy/ would be taken for a
     * broken one. The name has no version; a bundle that is deployed under another name keeps that name.
     *
     * @throws DiskException if it is no bundle, or one of the platform's, or cannot resolve; nothing has changed then
     */
    Deployed put(Path source, Consumer<String> remarks) throws DiskException {
        String name = symbolicName(source);
        Path target = directory.resolve(withoutVersion(source.getFileName().toString()));
        for (Bundle bundle : bundles.getBundles()) {
            if (name.equals(bundle.getSymbolicName())) {
                target = inDeploy(bundle, source.toString());
            }
        }
        check.resolves(source).forEach(remarks);
        Path replaced = Files.isRegularFile(target) ? directory.resolve("." + target.getFileName() + ".old") : null;
        long now = System.currentTimeMillis();
        try {
            if (replaced != null) {
                WholeFile.copy(target, replaced);
            }
            WholeFile.copy(source, target);
        } catch (IOException e) {
            delete(replaced);
            throw DiskException.io(target, "deploy", e);
        }
        return new Deployed(target, name, now, replaced);
    }

    /** Waits until the deployed bundle is active; if it does not become active, throws the reason. */
    Bundle await(Deployed deployed) throws DiskException, InterruptedException {
        long begin = System.nanoTime();
        long installed = 0;
        while (true) {
            Bundle bundle = fresh(deployed);
            if (bundle != null && bundle.getState() == Bundle.ACTIVE) {
                String failure = check.failure(bundle);
                if (failure != null) {
                    throw new DiskException(
                            Reason.UNSUPPORTED, deployed.target() + ": " + deployed.name() + ": " + failure);
                }
                return bundle;
            }
            long now = System.nanoTime();
            installed = bundle == null ? 0 : installed == 0 ? now : installed;
            if (installed != 0 && now - installed > GRACE.toNanos()) {
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        deployed.target() + ": " + deployed.name() + " does not start: "
                                + BundleDiagnosis.why(bundle, bundles));
            }
            if (now - begin > PATIENCE.toNanos()) {
                throw new DiskException(
                        Reason.IO,
                        deployed.target() + ": " + deployed.name()
                                + " was put there, but is not installed; the daemon's log says why");
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    /** Puts back the jar that was there before; returns what to report about that. */
    private String takeBack(Deployed failed) throws InterruptedException {
        try {
            if (failed.replaced() == null) {
                WholeFile.remove(failed.target());
                awaitGone(failed.target(), failed.name());
                return "; it is not deployed";
            }
            long now = System.currentTimeMillis();
            WholeFile.copy(failed.replaced(), failed.target());
            Bundle before = await(new Deployed(failed.target(), failed.name(), now, null));
            return "; " + before.getSymbolicName() + " " + before.getVersion() + " is back in its place";
        } catch (IOException | DiskException e) {
            return "; and what was there before does not come back: " + e.getMessage();
        }
    }

    private static void delete(Path copy) throws DiskException {
        try {
            if (copy != null) {
                Files.deleteIfExists(copy);
            }
        } catch (IOException e) {
            throw DiskException.io(copy, "delete", e);
        }
    }

    /**
     * Takes a bundle out of deploy/ and waits until it is gone. Disks that it serves are parked.
     *
     * @param name its symbolic name, without {@code org.blktap.} if it is ours, or its jar's name
     */
    public Bundle undeploy(String name) throws DiskException, InterruptedException {
        synchronized (ONE_AT_A_TIME) {
            for (Bundle bundle : bundles.getBundles()) {
                String symbolic = bundle.getSymbolicName();
                Path jar = jarOf(bundle);
                if (name.equals(symbolic)
                        || ("org.blktap." + name).equals(symbolic)
                        || jar != null
                                && (name.equals(jar.getFileName().toString())
                                        || jar.equals(directory.resolve(name + ".jar"))
                                        || name.equals(jar.toString()))) {
                    Path deployed = inDeploy(bundle, name);
                    try {
                        WholeFile.remove(deployed);
                    } catch (IOException e) {
                        throw DiskException.io(deployed, "delete", e);
                    }
                    awaitGone(deployed, symbolic);
                    return bundle;
                }
            }
            throw new DiskException(
                    Reason.NOT_FOUND,
                    name + ": no bundle of this name is deployed; blktap drivers and blktap engines name those in use");
        }
    }

    private void awaitGone(Path jar, String name) throws DiskException, InterruptedException {
        long begin = System.nanoTime();
        while (Arrays.stream(bundles.getBundles()).anyMatch(each -> jar.equals(jarOf(each)))) {
            if (System.nanoTime() - begin > PATIENCE.toNanos()) {
                throw new DiskException(
                        Reason.BUSY,
                        name + ": its jar is deleted, but it is still being stopped; the daemon's log says why");
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    /** The bundle as of this deployment, not the one that it replaces. */
    private Bundle fresh(Deployed deployed) {
        for (Bundle bundle : bundles.getBundles()) {
            if (deployed.name().equals(bundle.getSymbolicName())
                    && bundle.getLastModified() >= deployed.sinceMillis()) {
                return bundle;
            }
        }
        return null;
    }

    private Path inDeploy(Bundle bundle, String what) throws DiskException {
        Path jar = jarOf(bundle);
        if (jar == null) {
            throw new DiskException(
                    Reason.EXISTS,
                    what + ": " + bundle.getSymbolicName()
                            + " belongs to the platform (bundle/), which is changed while the daemon is down");
        }
        return jar;
    }

    /** The bundles of the deploy directory, each with its jar. */
    public Map<Bundle, Path> deployed() {
        Map<Bundle, Path> all = new LinkedHashMap<>();
        for (Bundle bundle : bundles.getBundles()) {
            Path jar = jarOf(bundle);
            if (jar != null) {
                all.put(bundle, jar);
            }
        }
        return all;
    }

    /** The jar in the deploy directory from which a bundle was installed, or null. */
    private Path jarOf(Bundle bundle) {
        // as File Install makes it: file:/..., with one slash
        String prefix = directory.toFile().toURI().toString();
        String location = bundle.getLocation();
        String file = location.substring(location.lastIndexOf('/') + 1);
        return location.startsWith(prefix) && location.length() == prefix.length() + file.length()
                ? directory.resolve(file)
                : null;
    }

    static String withoutVersion(String file) {
        return file.replaceFirst("-[0-9][^/]*\\.jar$", ".jar");
    }

    /**
     * Returns the symbolic name of a jar that can be deployed.
     *
     * @throws DiskException if it is none
     */
    public static String symbolicName(Path source) throws DiskException {
        if (!Files.isRegularFile(source)) {
            throw new DiskException(
                    Files.exists(source) ? Reason.WRONG_TYPE : Reason.NOT_FOUND,
                    source + (Files.exists(source) ? ": not a file" : ": no such file"));
        }
        if (!source.toString().endsWith(".jar")) {
            throw new DiskException(Reason.WRONG_TYPE, source + ": not a jar: its name does not end in .jar");
        }
        try (JarFile jar = new JarFile(source.toFile())) {
            Manifest manifest = jar.getManifest();
            String name = manifest == null ? null : manifest.getMainAttributes().getValue("Bundle-SymbolicName");
            if (name == null) {
                throw new DiskException(
                        Reason.WRONG_TYPE, source + ": not a bundle: its manifest has no Bundle-SymbolicName");
            }
            if (manifest.getMainAttributes().getValue("Fragment-Host") != null) {
                // an extension of the framework would even end it, at each start
                throw new DiskException(
                        Reason.UNSUPPORTED,
                        source + ": a fragment (Fragment-Host: "
                                + manifest.getMainAttributes().getValue("Fragment-Host")
                                + "), which cannot be deployed");
            }
            return name.split(";")[0].strip();
        } catch (IOException e) {
            throw new DiskException(Reason.WRONG_TYPE, source + ": not a jar: " + e.getMessage(), e);
        }
    }
}
