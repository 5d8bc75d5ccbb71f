package org.blktap.shell.offline;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import org.blktap.config.Metatype;
import org.blktap.config.Setting;

/**
 * A bundle's jar: where its classes come from, its components, and its activator or null.
 *
 * @param name the jar's file name, for messages
 * @param symbolicName of the bundle, also the name of its section of settings
 * @param path the jar
 */
record LocalBundle(
        String name,
        String symbolicName,
        Path path,
        ClassLoader loader,
        List<Description> components,
        String activator) {
    /** A jar of the platform, which is on the class path. */
    static LocalBundle onClassPath(Path path, Description.Reader reader) throws IOException {
        try (JarFile jar = new JarFile(path.toFile())) {
            return of(path, jar, LocalBundle.class.getClassLoader(), reader);
        }
    }

    /**
     * A jar of {@code deploy/}. It stays open.
     *
     * @param loaders those of all such jars; this one is added
     */
    static LocalBundle deployed(Path path, List<BundleLoader> loaders, Description.Reader reader) throws IOException {
        JarFile jar = new JarFile(path.toFile());
        if (jar.getManifest() == null) {
            jar.close();
            throw new IOException("it has no manifest");
        }
        BundleLoader loader = new BundleLoader(jar, loaders);
        loaders.add(loader);
        return of(path, jar, loader, reader);
    }

    private static String symbolicName(Attributes headers) {
        return headers.getValue("Bundle-SymbolicName") == null
                ? ""
                : headers.getValue("Bundle-SymbolicName")
                        .replaceFirst(";.*", "")
                        .strip();
    }

    /** Returns the symbolic name of a jar's bundle; empty if the jar is not a bundle. */
    static String symbolicName(Path path) throws IOException {
        try (JarFile jar = new JarFile(path.toFile())) {
            return jar.getManifest() == null
                    ? ""
                    : symbolicName(jar.getManifest().getMainAttributes());
        }
    }

    /** Returns the settings that a jar's bundle declares. */
    static List<Setting> settings(Path path) throws IOException {
        List<Setting> all = new ArrayList<>();
        try (JarFile jar = new JarFile(path.toFile())) {
            for (JarEntry each : jar.stream()
                    .filter(e -> e.getName().matches(Metatype.FOLDER + "/[^/]+\\.xml"))
                    .toList()) {
                try (InputStream in = jar.getInputStream(each)) {
                    all.addAll(Metatype.read(in));
                }
            }
        }
        return all;
    }

    private static LocalBundle of(Path path, JarFile jar, ClassLoader loader, Description.Reader reader)
            throws IOException {
        Manifest manifest = jar.getManifest();
        Attributes headers = manifest == null ? new Attributes() : manifest.getMainAttributes();
        List<Description> components = new ArrayList<>();
        String header = headers.getValue("Service-Component");
        for (String each : header == null ? new String[0] : header.split(",")) {
            JarEntry entry = jar.getJarEntry(each.strip());
            if (entry != null) {
                try (InputStream in = jar.getInputStream(entry)) {
                    components.add(reader.read(in));
                }
            }
        }
        return new LocalBundle(
                path.getFileName().toString(),
                symbolicName(headers),
                path,
                loader,
                components,
                headers.getValue("Bundle-Activator"));
    }
}
