package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.Reader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The dependencies between bundles, read from the import lists of the built jars, and those inside some bundles, read
 * from their classes.
 */
class ArchitectureIT {
    /** The bundles of ours that each bundle may use besides api. */
    private static final Map<String, Set<String>> MAY_KNOW = Map.ofEntries(
            Map.entry("api", Set.of()),
            Map.entry("config", Set.of()),
            Map.entry("linux", Set.of()),
            Map.entry("events", Set.of()),
            Map.entry("core", Set.of("linux")),
            Map.entry("aio", Set.of("linux")),
            Map.entry("image", Set.of()),
            Map.entry("format-qcow", Set.of("image")),
            Map.entry("format-qcow2", Set.of("image")),
            Map.entry("format-vhd", Set.of("image")),
            Map.entry("format-vhdx", Set.of("image")),
            Map.entry("format-vmdk", Set.of("image")),
            Map.entry("format-ram", Set.of("linux")),
            Map.entry("filter-luks", Set.of("linux")),
            Map.entry("client-nbd", Set.of("tls")),
            Map.entry("client-rbd", Set.of("linux")),
            Map.entry("filter-throttle", Set.of()),
            Map.entry("jobs", Set.of("linux")),
            Map.entry("filter-fault", Set.of()),
            Map.entry("filter-tee", Set.of("linux")),
            Map.entry("filter-trace", Set.of()),
            Map.entry("metrics", Set.of()),
            Map.entry("http", Set.of("linux", "deploy", "tls")),
            Map.entry("ring", Set.of()),
            Map.entry("tls", Set.of()),
            Map.entry("node-vhost-user", Set.of("linux")),
            Map.entry("node-nbd", Set.of("linux", "tls")),
            Map.entry("node-ublk", Set.of("linux")),
            Map.entry("node-xen", Set.of("linux", "ring")),
            Map.entry("health", Set.of("linux", "deploy")),
            Map.entry("deploy", Set.of("linux")),
            Map.entry("shell", Set.of("linux", "deploy", "config")));

    private static final Set<String> EXPORTING =
            Set.of("api", "config", "deploy", "health", "http", "image", "linux", "ring", "tls");
    /** The packages of api that each package of api uses. */
    private static final Map<String, Set<String>> API_KNOWS = Map.ofEntries(
            Map.entry("memory", Set.of()),
            Map.entry("settings", Set.of()),
            Map.entry("nbd", Set.of()),
            Map.entry("event", Set.of()),
            Map.entry("health", Set.of()),
            Map.entry("metrics", Set.of()),
            Map.entry("engine", Set.of("memory")),
            Map.entry("disk", Set.of("memory", "engine")),
            Map.entry("node", Set.of("memory", "engine", "disk")),
            Map.entry("control", Set.of("disk")),
            Map.entry("filter", Set.of("memory", "engine", "disk")),
            Map.entry("command", Set.of("disk", "control")));
    /** The packages of core that each package of core uses; "" is org.blktap.core itself. */
    private static final Map<String, Set<String>> CORE_KNOWS =
            Map.of("", Set.of("gate", "copy"), "gate", Set.of(), "copy", Set.of());

    /** Bundles whose packages may use each other, but not in a circle. */
    private static final Set<String> WITHOUT_CIRCLES = Set.of("http", "jobs", "shell");
    /** Classes that may read properties of the system. */
    private static final Set<String> READING_PROPERTIES = Set.of("LaunchOptions", "Processor");
    /** Classes that may set some: where libraries find their native parts, before they are loaded. */
    private static final Set<String> SETTING_PROPERTIES = Set.of("NativeLibraries");
    /** Classes that may read the environment: what systemd and Xen define, and the options of the JVM. */
    private static final Set<String> READING_ENVIRONMENT =
            Set.of("ServiceManager", "KeptSockets", "Watchdog", "XenStoreConnection", "ClassArchive");
    /** A row of docs/reading-order.md: number, class, path below the folder of the project, what happens. */
    private static final Pattern READ_CLASS =
            Pattern.compile("(?m)^\\| (\\d+) \\| \\[`(\\w+)`]\\(\\.\\./([^)]+)\\) \\| (.*) \\|$");
    /** Methods that a row names: of the class itself, or of one with its name before. */
    private static final Pattern READ_METHOD = Pattern.compile("`(?:([A-Z]\\w*)\\.)?([a-z]\\w*)`");
    /** What the bundles of the distribution bring, besides verbs. */
    private static final Set<String> BROUGHT = Set.of(
            "type raw",
            "type aio",
            "type sync",
            "type qcow",
            "type qcow2",
            "type vhd",
            "type vhdx",
            "type vmdk",
            "type ram",
            "type nbd",
            "type rbd",
            "type empty",
            "filter luks",
            "filter throttle",
            "filter fault",
            "filter trace",
            "filter tee",
            "filter bitmap",
            "filter mirror",
            "filter fleece",
            "type fleece",
            "node vhost-user",
            "node nbd",
            "node ublk",
            "node xen",
            "engine libaio",
            "engine portable");

    @TempDir
    Path directory;

    private interface Visitor {
        void visit(String bundle, Path jar) throws Exception;
    }

    /** Visits our bundles of the distribution; returns their names below {@code org.blktap}. */
    private Set<String> ours(Visitor visitor) throws Exception {
        Path tar;
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("distribution.directory")))) {
            tar = files.filter(f -> f.getFileName().toString().endsWith(".tar.gz"))
                    .findFirst()
                    .orElseThrow();
        }
        Run.of("tar", "xf", tar.toString(), "--strip-components=1", "-C", directory.toString())
                .ok();
        Set<String> seen = new TreeSet<>();
        for (String folder : List.of("bundle", "deploy", "optional")) {
            List<Path> jars;
            try (Stream<Path> files = Files.list(directory.resolve(folder))) {
                jars = files.filter(f -> f.toString().endsWith(".jar")).toList();
            }
            for (Path jar : jars) {
                try (JarFile file = new JarFile(jar.toFile())) {
                    String name = file.getManifest().getMainAttributes().getValue("Bundle-SymbolicName");
                    if (name.startsWith("org.blktap.")) {
                        seen.add(name.substring(11));
                        visitor.visit(name.substring(11), jar);
                    }
                }
            }
        }
        return seen;
    }

    @Test
    void bundlesKnowOnlyWhomTheyMay() throws Exception {
        Set<String> seen = ours((bundle, jar) -> {
            try (JarFile file = new JarFile(jar.toFile())) {
                var manifest = file.getManifest().getMainAttributes();
                check(bundle, manifest.getValue("Import-Package"), manifest.getValue("Export-Package"));
            }
        });
        assertEquals(new TreeSet<>(MAY_KNOW.keySet()), seen);
    }

    @Test
    void manifestsSayWhatComponentsBring() throws Exception {
        Set<String> all = new TreeSet<>();
        ours((bundle, jar) -> {
            try (JarFile file = new JarFile(jar.toFile())) {
                String capabilities = file.getManifest().getMainAttributes().getValue("Provide-Capability");
                Set<String> declared = found("org\\.blktap\\.(type|node|filter|engine)=\"?([^;,\"]+)", capabilities);
                declared.addAll(found("org\\.blktap\\.(verb);class=\"[^\"]+\";name=\"?([^;,\"]+)", capabilities));
                Set<String> components = new TreeSet<>();
                for (var entry : Collections.list(file.entries())) {
                    if (entry.getName().matches("OSGI-INF/.*\\.xml")) {
                        String text = new String(file.getInputStream(entry).readAllBytes(), StandardCharsets.UTF_8);
                        components.addAll(found(
                                "<property name=\"(tap\\.type|node\\.kind|filter\\.type|engine\\.name|verb\\.name)\"[^>]* value=\"([^\"]+)",
                                text));
                    }
                }
                assertEquals(components, declared, bundle);
                all.addAll(declared);
            }
        });
        all.removeIf(each -> each.startsWith("verb "));
        assertEquals(new TreeSet<>(BROUGHT), all);
        for (String each : all) {
            if (!each.startsWith("engine ")) {
                String page =
                        "blktap-" + each.replaceFirst("(type|filter) ", "").replace(' ', '-') + ".7";
                assertTrue(Files.exists(directory.resolve("share/man/man7").resolve(page)), page);
            }
        }
    }

    /** The kinds and names that a pattern finds. */
    private static Set<String> found(String pattern, String text) {
        Set<String> found = new TreeSet<>();
        Matcher each = Pattern.compile(pattern).matcher(text == null ? "" : text);
        while (each.find()) {
            String kind = each.group(1).replaceFirst("tap\\.|\\.(kind|type|name)", "");
            found.add(kind + " " + each.group(2));
        }
        return found;
    }

    /** The packages of api and core. Image has one package, whose classes have no circles: LayersTest. */
    @Test
    void packagesKnowOnlyWhomTheyMay() throws Exception {
        Map<String, Map<String, Set<String>>> all = new TreeMap<>();
        ours((bundle, jar) -> {
            if (bundle.equals("api") || bundle.equals("core")) {
                all.put(bundle, arrows(bundle, jar));
            }
        });
        assertEquals(Map.of("api", API_KNOWS, "core", CORE_KNOWS), all);
    }

    @Test
    void packagesDoNotKnowEachOtherInACircle() throws Exception {
        ours((bundle, jar) -> {
            if (WITHOUT_CIRCLES.contains(bundle)) {
                Map<String, Set<String>> arrows = arrows(bundle, jar);
                // removes packages that use none of the rest, until no such package is left; a circle remains
                Set<String> left = new TreeSet<>(arrows.keySet());
                while (left.removeIf(each -> arrows.get(each).stream().noneMatch(left::contains))) {
                    assertTrue(left.size() < arrows.size());
                }
                assertEquals(Set.of(), left, bundle + ": these packages know each other in a circle");
            }
        });
    }

    /**
     * Settings are injected. What the JVM knows of its machine, what other programs define, and what is needed before a
     * framework, are the exceptions.
     */
    @Test
    void propertiesAndEnvironmentAreReadInFewPlaces() throws Exception {
        Map<Pattern, Set<String>> allowed = Map.of(
                Pattern.compile("System\\.getPropert|(Integer\\.getInteger|Long\\.getLong|Boolean\\.getBoolean)\\("),
                READING_PROPERTIES,
                Pattern.compile("System\\.(setPropert|clearProperty)"),
                SETTING_PROPERTIES,
                Pattern.compile("System\\.getenv"),
                READING_ENVIRONMENT);
        Map<Pattern, Set<String>> found = new HashMap<>();
        for (Path file : sources("bundles")) {
            if (file.toString().contains("/src/main/java/")) {
                String text = Files.readString(file);
                for (Pattern each : allowed.keySet()) {
                    if (each.matcher(text).find()) {
                        found.computeIfAbsent(each, any -> new TreeSet<>()).add(simpleName(file));
                    }
                }
            }
        }
        allowed.forEach((each, classes) -> assertEquals(new TreeSet<>(classes), found.get(each), each.pattern()));
    }

    /** The classes of the project's tree, of tests and examples, too. */
    private static List<Path> sources(String... folders) throws Exception {
        List<Path> found = new ArrayList<>();
        for (String folder : folders) {
            try (Stream<Path> files = Files.walk(Path.of(System.getProperty("project.root"), folder))) {
                files.filter(each -> each.toString().contains("/src/")
                                && each.toString().endsWith(".java")
                                && !each.endsWith("package-info.java"))
                        .forEach(found::add);
            }
        }
        return found;
    }

    private static String simpleName(Path source) {
        return source.getFileName().toString().replace(".java", "");
    }

    @Test
    void aSimpleNameOccursOnce() throws Exception {
        Map<String, Path> places = new TreeMap<>();
        for (Path file : sources("bundles", "itests", "examples", "benchmarks", "manual")) {
            Path other = places.put(simpleName(file), file);
            assertNull(other, () -> file + " has a name that another class has: " + other);
        }
    }

    /** ApiPageTest has those of api, in more detail; http and health export what is Felix's. */
    @Test
    void pagesNameThePublicTypesThatOtherBundlesUse() throws Exception {
        Set<String> missing = new TreeSet<>();
        for (String bundle : EXPORTING) {
            Path page = Path.of(System.getProperty("project.root"), "bundles", bundle, "README.md");
            String text = Files.readString(page);
            for (Path file : sources("bundles/" + bundle)) {
                String name = simpleName(file);
                if (file.toString().contains("/src/main/")
                        && !Set.of("http", "health").contains(bundle)
                        && !name.endsWith("Verb")
                        && Pattern.compile("(?m)^public .*\\b" + name + "\\b")
                                .matcher(Files.readString(file))
                                .find()
                        && !text.contains("`" + name + "`")) {
                    missing.add(bundle + " " + name);
                }
            }
        }
        assertEquals(Set.of(), missing, "public types that the bundle's page does not name");
    }

    @Test
    void theReadingOrderLeadsThroughTheClassesOfToday() throws Exception {
        Path root = Path.of(System.getProperty("project.root"));
        String page = Files.readString(root.resolve("docs/reading-order.md"));
        Map<String, Path> classes = new TreeMap<>();
        for (Path file : sources("bundles")) {
            classes.put(simpleName(file), file);
        }
        int number = 0;
        Matcher row = READ_CLASS.matcher(page);
        while (row.find()) {
            assertEquals(Integer.toString(++number), row.group(1));
            assertEquals(root.resolve(row.group(3)), classes.get(row.group(2)), row.group(2));
            Matcher method = READ_METHOD.matcher(row.group(4));
            while (method.find()) {
                String owner = method.group(1) == null ? row.group(2) : method.group(1);
                assertTrue(
                        Pattern.compile("\\b" + method.group(2) + "\\(")
                                .matcher(Files.readString(classes.get(owner)))
                                .find(),
                        () -> owner + " has no method " + method.group(2));
            }
            // a mapped write; what follows is for one that allocates
            assertTrue(number <= 20 || row.start() > page.indexOf("## If the cluster is new"), row::group);
        }
        assertTrue(number > 10, page);
    }

    /**
     * A guest's disk does not wait for what only people need; a bundle without a level of its own is one that a disk
     * may need.
     */
    @Test
    void disksAreOpenedBeforeWhatOnlyPeopleNeed() throws Exception {
        Properties levels = new Properties();
        try (Reader reader = Files.newBufferedReader(
                Path.of(System.getProperty("project.root"), "distribution/conf/config.properties"))) {
            levels.load(reader);
        }
        int disks = level(levels, "core");
        for (String needed : List.of("", "org.apache.felix.configadmin", "config", "org.apache.felix.fileinstall")) {
            assertTrue(level(levels, needed) < disks, needed);
        }
        for (String later :
                List.of("health", "shell", "metrics", "org.apache.felix.gogo.runtime", "org.apache.felix.gogo.shell")) {
            assertTrue(level(levels, later) > disks, later);
        }
    }

    private static int level(Properties levels, String jar) {
        return Integer.parseInt(levels.getProperty("blktap.level" + (jar.isEmpty() ? "" : "." + jar)));
    }

    /**
     * For each package of a bundle, the other packages of it that it uses, by their names below the bundle's; read from
     * the classes.
     */
    private static Map<String, Set<String>> arrows(String bundle, Path jar) {
        StringWriter out = new StringWriter();
        PrintWriter writer = new PrintWriter(out);
        assertEquals(
                0,
                ToolProvider.findFirst("jdeps")
                        .orElseThrow()
                        .run(
                                writer,
                                writer,
                                "-verbose:package",
                                "--ignore-missing-deps",
                                "--multi-release",
                                "17",
                                jar.toString()),
                out::toString);
        Map<String, Set<String>> arrows = new TreeMap<>();
        String root = "org\\.blktap\\." + bundle + "\\.?";
        Matcher arrow = Pattern.compile("(?m)^ +" + root + "(\\S*) +-> +(?:" + root + "(\\S*) |\\S)")
                .matcher(out.toString());
        while (arrow.find()) {
            Set<String> known = arrows.computeIfAbsent(arrow.group(1), any -> new TreeSet<>());
            if (arrow.group(2) != null) {
                known.add(arrow.group(2));
            }
        }
        assertFalse(arrows.isEmpty(), out::toString);
        return arrows;
    }

    private static void check(String bundle, String imports, String exports) {
        assertTrue(imports == null || !imports.contains("resolution:=optional"), bundle + " has an optional import");
        assertEquals(EXPORTING.contains(bundle), exports != null, bundle + " exports: " + exports);
        Matcher ours = Pattern.compile("org\\.blktap\\.([a-z]+)").matcher(imports == null ? "" : imports);
        while (ours.find()) {
            String room = ours.group(1);
            assertTrue(room.equals("api") || MAY_KNOW.get(bundle).contains(room), bundle + " imports " + ours.group());
        }
        assertTrue(bundle.equals("linux") || imports == null || !imports.contains("com.sun.jna"), bundle + " uses JNA");
    }
}
