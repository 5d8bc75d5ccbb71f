package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The arrows between the rooms, read from the import lists of the built bundles. */
class ArchitectureIT {
    /** Whom each bundle may know of ours, besides api. */
    private static final Map<String, Set<String>> MAY_KNOW = Map.ofEntries(
            Map.entry("api", Set.of()),
            Map.entry("linux", Set.of()),
            Map.entry("core", Set.of("linux")),
            Map.entry("aio", Set.of("linux")),
            Map.entry("image", Set.of()),
            Map.entry("format-qcow", Set.of("image")),
            Map.entry("format-qcow2", Set.of("image")),
            Map.entry("format-vhd", Set.of("image")),
            Map.entry("format-vhdx", Set.of("image")),
            Map.entry("format-vmdk", Set.of("image")),
            Map.entry("format-ram", Set.of()),
            Map.entry("client-nbd", Set.of()),
            Map.entry("ring", Set.of()),
            Map.entry("node-vhost-user", Set.of("linux")),
            Map.entry("node-nbd", Set.of("linux")),
            Map.entry("node-xen", Set.of("linux", "ring")),
            Map.entry("deploy", Set.of()),
            Map.entry("shell", Set.of("linux", "deploy")));
    private static final Set<String> EXPORTING = Set.of("api", "deploy", "image", "linux", "ring");

    @TempDir
    Path directory;

    @Test
    void bundlesKnowOnlyWhomTheyMay() throws Exception {
        Path tar;
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("distribution.directory")))) {
            tar = files.filter(f -> f.getFileName().toString().endsWith(".tar.gz")).findFirst().orElseThrow();
        }
        Run.of("tar", "xf", tar.toString(), "--strip-components=1", "-C", directory.toString()).ok();
        Set<String> seen = new TreeSet<>();
        for (String folder : List.of("bundle", "deploy")) {
            List<Path> jars;
            try (Stream<Path> files = Files.list(directory.resolve(folder))) {
                jars = files.filter(f -> f.toString().endsWith(".jar")).toList();
            }
            for (Path jar : jars) {
                try (JarFile file = new JarFile(jar.toFile())) {
                    var manifest = file.getManifest().getMainAttributes();
                    String name = manifest.getValue("Bundle-SymbolicName");
                    if (name.startsWith("org.blktap.")) {
                        seen.add(name.substring(11));
                        check(name.substring(11), manifest.getValue("Import-Package"), manifest.getValue("Export-Package"));
                    }
                }
            }
        }
        assertEquals(new TreeSet<>(MAY_KNOW.keySet()), seen);
    }

    private static void check(String bundle, String imports, String exports) {
        assertTrue(imports == null || !imports.contains("resolution:=optional"), bundle + " has an optional import");
        assertEquals(EXPORTING.contains(bundle), exports != null, bundle + " exports: " + exports);
        Matcher ours = Pattern.compile("org\\.blktap\\.([a-z]+)").matcher(imports == null ? "" : imports);
        while (ours.find()) {
            String room = ours.group(1);
            assertTrue(room.equals("api") || MAY_KNOW.get(bundle).contains(room),
                    bundle + " imports " + ours.group());
        }
        assertTrue(bundle.equals("linux") || imports == null || !imports.contains("com.sun.jna"), bundle + " uses JNA");
    }
}
