package org.blktap.deploy;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Enumeration;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.felix.fileinstall.ArtifactTransformer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.blktap.linux.WholeFile;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/**
 * Checks each jar that replaces a deployed one, whoever put it there. A jar that the framework cannot resolve is
 * renamed, and the jar before takes its place again. File Install, which calls this on its own thread, updates the
 * bundle even then, with the contents that it had: its disks are parked for that moment.
 *
 * <p>A jar that replaces none is not checked: what it lacks may be put there next.
 */
@Component(service = ArtifactTransformer.class)
public final class DroppedJars implements ArtifactTransformer {
    private static final Logger LOG = System.getLogger("org.blktap.deploy");
    private static final String MANIFEST = "META-INF/MANIFEST.MF";

    private final BundleContext bundles;

    /** Receives what is refused; null while nobody keeps events. */
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile Events events;

    @Activate
    public DroppedJars(BundleContext bundles) {
        this.bundles = bundles;
    }

    @Override
    public boolean canHandle(File file) {
        return file.getName().endsWith(".jar");
    }

    /** The jar to update from: the file, or a copy of the present bundle if the file cannot be used. */
    @Override
    public File transform(File file, File temporary) throws IOException {
        Bundle current = bundles.getBundle(file.toURI().normalize().toString());
        if (current == null) {
            return file;
        }
        Path jar = file.toPath();
        try {
            Deployer.symbolicName(jar);
            TrialBundle.resolve(jar, bundles);
            return file;
        } catch (DiskException e) {
            return keep(current, jar, temporary.toPath(), e);
        }
    }

    private File keep(Bundle current, Path jar, Path temporary, DiskException why) throws IOException {
        Path copy = temporary.resolve(jar.getFileName());
        write(current, copy);
        String kept = "; " + current.getSymbolicName() + " " + current.getVersion() + " stays in its place";
        Events to = events;
        if (to != null) {
            to.publish(
                    Event.DEPLOY_REFUSED,
                    String.valueOf(current.getSymbolicName()),
                    why.getMessage() + kept,
                    Map.of(
                            "version", current.getVersion().toString(),
                            "jar", jar.getFileName().toString()));
        }
        if (why.reason() == Reason.WRONG_TYPE) {
            // perhaps not all of it has been written yet
            LOG.log(Level.ERROR, why.getMessage() + kept);
            return copy.toFile();
        }
        Path aside = jar.resolveSibling("." + jar.getFileName() + ".refused");
        // a copy: were the jar missing even for a moment, the end of the process then, or a full disk, would take the
        // bundle away; on disk before the original is replaced, since it is then the only one
        WholeFile.copy(jar, aside);
        WholeFile.copy(copy, jar);
        LOG.log(Level.ERROR, why.getMessage() + kept + ", the jar is put aside as " + aside.getFileName());
        return copy.toFile();
    }

    /** Writes a bundle's contents as a jar, with the same entries. */
    private static void write(Bundle bundle, Path target) throws IOException {
        try (OutputStream file = Files.newOutputStream(target);
                ZipOutputStream jar = new ZipOutputStream(file)) {
            // readers of a jar as a stream need it first
            write(bundle, MANIFEST, jar);
            writeAll(bundle, "/", jar);
        }
    }

    private static void writeAll(Bundle bundle, String directory, ZipOutputStream jar) throws IOException {
        Enumeration<String> paths = bundle.getEntryPaths(directory);
        for (String path : paths == null ? Collections.<String>emptyList() : Collections.list(paths)) {
            if (path.endsWith("/")) {
                writeAll(bundle, path, jar);
            } else if (!path.equals(MANIFEST)) {
                write(bundle, path, jar);
            }
        }
    }

    private static void write(Bundle bundle, String path, ZipOutputStream jar) throws IOException {
        URL entry = bundle.getEntry(path);
        jar.putNextEntry(new ZipEntry(path));
        try (InputStream content = entry.openStream()) {
            content.transferTo(jar);
        }
        jar.closeEntry();
    }
}
