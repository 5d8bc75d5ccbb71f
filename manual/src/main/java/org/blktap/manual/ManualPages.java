package org.blktap.manual;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** Writes the manual pages of the pages in Markdown. Run by the build. */
public final class ManualPages {
    /** Pages of bundles that are not about a type, filter or node of a VM. */
    private static final Map<String, String> OTHER_BUNDLES = Map.of("aio", "raw", "client-nbd", "nbd");

    private ManualPages() {}

    /**
     * Writes all pages into {@code man7} and {@code man8} of a directory.
     *
     * @param arguments the top of the source tree, the directory, and the version
     */
    public static void main(String[] arguments) throws IOException {
        Path top = Path.of(arguments[0]);
        Path directory = Path.of(arguments[1]);
        ManPage.Title daemon = new ManPage.Title("blktapd", 8, arguments[2]);
        write(directory, daemon, top.resolve("distribution/README.md"));
        for (Map.Entry<String, Path> each : pages(top).entrySet()) {
            write(directory, new ManPage.Title("blktap-" + each.getKey(), 7, arguments[2]), each.getValue());
        }
    }

    private static Map<String, Path> pages(Path top) throws IOException {
        Map<String, Path> pages = new TreeMap<>();
        try (DirectoryStream<Path> bundles = Files.newDirectoryStream(top.resolve("bundles"))) {
            for (Path each : bundles) {
                String name = subject(each.getFileName().toString());
                if (name != null) {
                    pages.put(name, each.resolve("README.md"));
                }
            }
        }
        try (DirectoryStream<Path> docs = Files.newDirectoryStream(top.resolve("docs"), "*.md")) {
            for (Path each : docs) {
                pages.put(each.getFileName().toString().replaceFirst("\\.md$", ""), each);
            }
        }
        return pages;
    }

    /** What the page of a bundle is about, as part of the name of its manual page; null if it is not for users. */
    static String subject(String bundle) {
        if (bundle.startsWith("format-") || bundle.startsWith("filter-")) {
            return bundle.substring(bundle.indexOf('-') + 1);
        }
        return bundle.startsWith("node-") ? bundle : OTHER_BUNDLES.get(bundle);
    }

    private static void write(Path directory, ManPage.Title title, Path page) throws IOException {
        Path file = directory.resolve("man" + title.section()).resolve(title.name() + "." + title.section());
        Files.createDirectories(file.getParent());
        Files.writeString(file, ManPage.of(title, Files.readString(page)));
    }
}
