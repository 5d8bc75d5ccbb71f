package org.blktap.shell.offline;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.MalformedURLException;
import java.net.URL;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarInputStream;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Loads the classes of one jar of {@code deploy/}: what the jar imports comes from the platform, or else from another
 * jar that exports it; everything else comes from the jar itself, with the jars in it that its Bundle-ClassPath names.
 */
final class BundleLoader extends ClassLoader {
    private static final int CHUNK = 8192;
    /** One clause of a header: its paths, without attributes; commas may stand within quotes. */
    private static final Pattern CLAUSE = Pattern.compile("(?:[^,\"]|\"[^\"]*\")+");

    private final JarFile jar;
    private final Set<String> imported;
    private final Set<String> exported;
    /** What the jars within this one hold, by path. */
    private final Map<String, byte[]> nested = new HashMap<>();

    private final List<BundleLoader> others;

    /** @param others the loaders of all jars, which may be added to later */
    BundleLoader(JarFile jar, List<BundleLoader> others) throws IOException {
        super(BundleLoader.class.getClassLoader());
        this.jar = jar;
        this.others = others;
        Attributes headers = jar.getManifest().getMainAttributes();
        imported = names(headers.getValue("Import-Package"));
        exported = names(headers.getValue("Export-Package"));
        for (String path : names(headers.getValue("Bundle-ClassPath"))) {
            JarEntry entry = path.equals(".") ? null : jar.getJarEntry(path);
            if (entry != null && !entry.isDirectory()) {
                unpack(jar.getInputStream(entry));
            }
        }
    }

    /** The names in a header, without their attributes. */
    static Set<String> names(String header) {
        Set<String> names = new HashSet<>();
        Matcher clauses = CLAUSE.matcher(header == null ? "" : header);
        while (clauses.find()) {
            for (String part : clauses.group().split(";")) {
                if (part.indexOf('=') < 0) {
                    names.add(part.strip());
                }
            }
        }
        return names;
    }

    private void unpack(InputStream from) throws IOException {
        try (JarInputStream entries = new JarInputStream(from)) {
            for (JarEntry each = entries.getNextJarEntry(); each != null; each = entries.getNextJarEntry()) {
                ByteArrayOutputStream bytes = new ByteArrayOutputStream(CHUNK);
                entries.transferTo(bytes);
                nested.putIfAbsent(each.getName(), bytes.toByteArray());
            }
        }
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            if (loaded != null) {
                return loaded;
            }
            String inPackage = name.substring(0, Math.max(0, name.lastIndexOf('.')));
            if (!name.startsWith("java.") && !imported.contains(inPackage)) {
                Class<?> own = own(name);
                if (own != null) {
                    return own;
                }
            }
            try {
                return super.loadClass(name, resolve);
            } catch (ClassNotFoundException e) {
                for (BundleLoader other : new ArrayList<>(others)) {
                    Class<?> found = other.exported.contains(inPackage) ? other.own(name) : null;
                    if (found != null) {
                        return found;
                    }
                }
                throw e;
            }
        }
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
        Class<?> found = own(name);
        if (found == null) {
            throw new ClassNotFoundException(name + ", in " + jar.getName());
        }
        return found;
    }

    /** A class of this jar, or null. */
    private Class<?> own(String name) {
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            if (loaded != null) {
                return loaded;
            }
            try (InputStream in = own(name.replace('.', '/') + ".class", jar)) {
                if (in == null) {
                    return null;
                }
                byte[] bytes = in.readAllBytes();
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new NoClassDefFoundError(name + ": " + jar.getName() + ": " + e.getMessage());
            }
        }
    }

    private InputStream own(String path, JarFile from) throws IOException {
        JarEntry entry = from.getJarEntry(path);
        if (entry != null) {
            return from.getInputStream(entry);
        }
        byte[] bytes = nested.get(path);
        return bytes == null ? null : new ByteArrayInputStream(bytes);
    }

    @Override
    protected URL findResource(String path) {
        try {
            return jar.getJarEntry(path) == null ? null : new URL("jar:file:" + jar.getName() + "!/" + path);
        } catch (MalformedURLException e) {
            return null;
        }
    }

    @Override
    public InputStream getResourceAsStream(String path) {
        try {
            InputStream in = own(path, jar);
            return in == null ? super.getResourceAsStream(path) : in;
        } catch (IOException e) {
            return null;
        }
    }
}
