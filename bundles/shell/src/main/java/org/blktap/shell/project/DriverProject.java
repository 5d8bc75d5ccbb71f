package org.blktap.shell.project;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A Maven project for a driver: its files with their texts, written to a directory that does not exist or is empty. */
public final class DriverProject {
    private static final Pattern TYPE = Pattern.compile("[a-z][a-z0-9_-]{0,31}");
    private static final Pattern GROUP = Pattern.compile("[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*");
    /** What no part of a package's name may be (Java Language Specification, 3.9). */
    private static final Set<String> KEYWORDS = Set.of(
            "abstract",
            "assert",
            "boolean",
            "break",
            "byte",
            "case",
            "catch",
            "char",
            "class",
            "const",
            "continue",
            "default",
            "do",
            "double",
            "else",
            "enum",
            "extends",
            "false",
            "final",
            "finally",
            "float",
            "for",
            "goto",
            "if",
            "implements",
            "import",
            "instanceof",
            "int",
            "interface",
            "long",
            "native",
            "new",
            "null",
            "package",
            "private",
            "protected",
            "public",
            "return",
            "short",
            "static",
            "strictfp",
            "super",
            "switch",
            "synchronized",
            "this",
            "throw",
            "throws",
            "transient",
            "true",
            "try",
            "void",
            "volatile",
            "while");

    private static final Pattern PLACEHOLDER = Pattern.compile("@([a-z]+)@");

    private final Map<String, String> values = new HashMap<>();
    private final String folder;

    /**
     * A project.
     *
     * @param type the type of tap spec, which {@link #isType} accepts
     * @param group the Maven group and first part of the Java package, which {@link #isGroup} accepts
     * @param repository the Maven repository of a distribution
     */
    public DriverProject(String type, String group, Path repository) throws IOException {
        // with "tap" before it, because a type may be a keyword of Java
        String pack = group + ".tap" + type.replaceAll("[_-]", "");
        folder = pack.replace('.', '/');
        Properties versions = new Properties();
        try (InputStream in = DriverProject.class.getResourceAsStream("versions.properties")) {
            versions.load(in);
        }
        versions.stringPropertyNames().forEach(each -> values.put(each, versions.getProperty(each)));
        values.put("type", type);
        values.put("group", group);
        values.put("package", pack);
        values.put("class", className(type));
        values.put("source", source("main", ""));
        // an absolute path as file:///…; what XML and Maven take for their own signs is escaped
        values.put(
                "repository",
                repository
                        .toUri()
                        .toString()
                        .replaceAll("/$", "")
                        .replace("&", "%26")
                        .replace("$", "%24"));
    }

    /** Whether a text is a type of tap specs from which the name of a class can be made. */
    public static boolean isType(String text) {
        return TYPE.matcher(text).matches();
    }

    /** Whether a text is a valid name of a Maven group and a Java package. */
    public static boolean isGroup(String text) {
        return GROUP.matcher(text).matches() && Collections.disjoint(KEYWORDS, List.of(text.split("\\.")));
    }

    /** {@code MyDiskDriver} of {@code my-disk}. */
    private static String className(String type) {
        StringBuilder name = new StringBuilder();
        for (String part : type.split("[_-]+")) {
            if (!part.isEmpty()) {
                name.append(Character.toUpperCase(part.charAt(0))).append(part, 1, part.length());
            }
        }
        return name.append("Driver").toString();
    }

    private String source(String kind, String suffix) {
        return "src/" + kind + "/java/" + folder + "/" + values.get("class") + suffix + ".java";
    }

    /**
     * Writes the files.
     *
     * @return the files written, in the order for a reader
     */
    public List<Path> write(Path directory) throws IOException {
        List<Path> written = List.of(
                directory.resolve("README.md"),
                directory.resolve("pom.xml"),
                directory.resolve(source("main", "")),
                directory.resolve(source("test", "Test")),
                directory.resolve(".gitignore"));
        List<String> texts = List.of(
                text("README.md"), text("pom.xml"), text("Driver.java.txt"), text("DriverTest.java.txt"), "target/\n");
        for (int i = 0; i < texts.size(); i++) {
            Files.createDirectories(written.get(i).getParent());
            Files.writeString(written.get(i), texts.get(i));
        }
        return written;
    }

    private String text(String resource) throws IOException {
        try (InputStream in = DriverProject.class.getResourceAsStream(resource)) {
            String template = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            // a placeholder ends with a second @, which Java's annotations do not have
            return PLACEHOLDER
                    .matcher(template)
                    .replaceAll(found -> Matcher.quoteReplacement(values.get(found.group(1))));
        }
    }
}
