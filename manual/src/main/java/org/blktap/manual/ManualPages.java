package org.blktap.manual;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Writes the manual pages of the pages in Markdown. Run by the build. */
public final class ManualPages {
    private static final int SECTION = 7;

    /** Pages of bundles that are not about a type, filter or node of a VM. */
    private static final Map<String, String> OTHER_BUNDLES =
            Map.of("aio", "raw", "client-nbd", "nbd", "client-rbd", "rbd");

    /** Types and filters that are a section of a bundle's page: that page, and the heading. */
    private static final Map<String, String> SECTIONS = Map.of("empty", "core#Drives", "bitmap", "jobs#Bitmaps");

    /** Other names of pages: what a reader types who knows the type or the kind of node. */
    private static final Map<String, String> ALIASES = Map.of(
            "aio", "raw",
            "sync", "raw",
            "fleece", "backup",
            "mirror", "move-and-snapshot",
            "vhost-user", "node-vhost-user");

    /** Programs that are verbs, which blktap(8) explains. */
    private static final String[] PROGRAMS = {"qcow-create", "img2qcow", "qcow2raw"};

    private final Path directory;
    private final String version;
    private final Map<Path, ManPage.Title> titles = new TreeMap<>();

    private ManualPages(Path directory, String version) {
        this.directory = directory;
        this.version = version;
    }

    /**
     * Writes all pages into {@code man1}, {@code man7} and {@code man8} of a directory.
     *
     * @param arguments the top of the source tree, the directory, and the version
     */
    public static void main(String[] arguments) throws IOException {
        Path top = Path.of(arguments[0]).toRealPath();
        ManualPages pages = new ManualPages(Path.of(arguments[1]), arguments[2]);
        pages.find(top);
        for (Map.Entry<Path, ManPage.Title> each : pages.titles.entrySet()) {
            pages.write(each.getValue(), each.getKey(), Files.readString(each.getKey()));
        }
        for (Map.Entry<String, String> each : SECTIONS.entrySet()) {
            String[] place = each.getValue().split("#");
            Path page = top.resolve("bundles").resolve(place[0]).resolve("README.md");
            pages.write(pages.title(each.getKey()), page, section(Files.readString(page), place[1], each.getKey()));
        }
        for (Map.Entry<String, String> each : ALIASES.entrySet()) {
            pages.alias("man7/blktap-" + each.getKey() + ".7", "man7/blktap-" + each.getValue() + ".7");
        }
        for (String each : PROGRAMS) {
            pages.alias("man1/" + each + ".1", "man8/blktap.8");
        }
    }

    private ManPage.Title title(String name) {
        return new ManPage.Title("blktap-" + name, SECTION, version);
    }

    private void find(Path top) throws IOException {
        titles.put(top.resolve("distribution/README.md"), new ManPage.Title("blktapd", 8, version));
        try (DirectoryStream<Path> bundles = Files.newDirectoryStream(top.resolve("bundles"))) {
            for (Path each : bundles) {
                String name = subject(each.getFileName().toString());
                if (name != null) {
                    titles.put(each.resolve("README.md"), title(name));
                }
            }
        }
        try (DirectoryStream<Path> docs = Files.newDirectoryStream(top.resolve("docs"), "*.md")) {
            for (Path each : docs) {
                titles.put(each, title(each.getFileName().toString().replaceFirst("\\.md$", "")));
            }
        }
    }

    /** What the page of a bundle is about, as part of the name of its manual page; null if it is not for users. */
    static String subject(String bundle) {
        if (bundle.startsWith("format-") || bundle.startsWith("filter-")) {
            return bundle.substring(bundle.indexOf('-') + 1);
        }
        return bundle.startsWith("node-") ? bundle : OTHER_BUNDLES.get(bundle);
    }

    /**
     * A section of a page as a page of its own.
     *
     * @param heading of the section, of the second level
     * @param name what the page is about
     */
    static String section(String markdown, String heading, String name) {
        String section =
                (markdown + "\n## ").split("(?m)^## " + heading + "\n", 2)[1].split("(?m)^## ", 2)[0];
        return "# " + name + ": " + heading.toLowerCase(java.util.Locale.ROOT) + "\n\n"
                + section.strip()
                        .lines()
                        .map(line -> line.startsWith("###") ? line.substring(1) : line)
                        .collect(Collectors.joining("\n"));
    }

    private void write(ManPage.Title title, Path page, String markdown) throws IOException {
        write(
                "man" + title.section() + "/" + title.name() + "." + title.section(),
                ManPage.of(
                        title,
                        markdown,
                        link -> titles.get(page.resolveSibling(link).normalize())));
    }

    private void alias(String name, String page) throws IOException {
        write(name, ".so " + page + "\n");
    }

    private void write(String name, String text) throws IOException {
        Path file = directory.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }
}
