package org.blktap.shell.launch;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.settings.Directories;
import org.blktap.api.settings.Instance;

/**
 * The options that the programs in {@code bin/} pass to Java as system properties. They are known before there is a
 * framework, or without one; no other class reads system properties. Bundles get the same values by injection.
 */
public final class LaunchOptions {
    private static final String HOME = "blktap.home";
    private static final String RUN = "blktap.run.dir";
    /** Passed on as they are; empty if they are not set. */
    private static final List<String> FOR_FRAMEWORK = List.of(
            "blktap.image.roots",
            "blktap.instance",
            "blktap.instance.settings",
            "blktap.own.process",
            "blktap.common.run.dir",
            "blktap.common.data.dir");

    private LaunchOptions() {}

    /** The installation, and the directories that the environment gives. */
    public static Directories directories() {
        Directories otherwise = Directories.of(path(HOME, Path.of(".")));
        return new Directories(
                otherwise.home(),
                path(RUN, otherwise.run()),
                path("blktap.data.dir", otherwise.data()),
                path("blktap.deploy.dir", otherwise.deploy()),
                path("blktap.control.dir", otherwise.control()));
    }

    /**
     * Returns the instance that this process is, or asks. A client knows for sure only the directories of the default
     * instance.
     */
    public static Instance instance() {
        Directories own = directories();
        return new Instance(
                text("blktap.instance"),
                text("blktap.own.process").equals("yes"),
                text("blktap.instance.settings").equals("yes"),
                path("blktap.common.run.dir", own.run()),
                path("blktap.common.data.dir", own.data()));
    }

    private static Path path(String property, Path otherwise) {
        String text = text(property);
        return text.isEmpty() ? otherwise : Path.of(text);
    }

    /** The file with the settings, which need not exist. */
    public static Path settings() {
        return path("blktap.settings", directories().home().resolve("etc/blktap.json"));
    }

    /** The value of {@code BLKTAP_IMAGE_ROOTS}, or an empty text. */
    public static String imageRoots() {
        return text("blktap.image.roots");
    }

    /** The type of the caller's terminal, or an empty text if there is none. */
    public static String terminal() {
        return text("blktap.terminal");
    }

    /** Rows and columns of the terminal, or 0 for both. */
    public static int[] terminalSize() {
        String[] size = text("blktap.terminal.size").split(" ");
        return size.length == 2 ? new int[] {Integer.parseInt(size[0]), Integer.parseInt(size[1])} : new int[] {0, 0};
    }

    /** The version of Java, in full. */
    public static String javaVersion() {
        return property("java.version");
    }

    /** The class of the verb that is called. */
    public static String verb() {
        return text("blktap.verb");
    }

    /** The directory of the archive of classes; null if none may be made. */
    static Path archive() {
        return path("blktap.archive.dir", null);
    }

    /** In a process that makes an archive of classes, the file for the description of its sources; else null. */
    static Path archiveTrial() {
        return path("blktap.archive.trial", null);
    }

    /**
     * The file that marks the archive of classes as used by a start that is not ready yet; null if no archive is used.
     */
    static Path archiveUnready() {
        return path("blktap.archive.unready", null);
    }

    /** Whether SIGHUP reads the settings again; at a terminal it ends the daemon. */
    static boolean reloadsOnHangUp() {
        return text("blktap.hangup").equals("reload");
    }

    /** Framework properties that pass these options to the bundle {@code config}. */
    static Map<String, String> forFramework() {
        Directories all = directories();
        Map<String, String> properties = new HashMap<>();
        for (String each : FOR_FRAMEWORK) {
            properties.put(each, text(each));
        }
        properties.put(HOME, all.home().toString());
        properties.put(RUN, all.run().toString());
        properties.put("blktap.data.dir", all.data().toString());
        properties.put("blktap.deploy.dir", all.deploy().toString());
        properties.put("blktap.control.dir", all.control().toString());
        properties.put("blktap.settings", settings().toString());
        return properties;
    }

    /**
     * Returns any system property, for code that asks by name, as bundles of a framework may; null if it is not set.
     */
    public static String property(String name) {
        return System.getProperty(name);
    }

    private static String text(String property) {
        return System.getProperty(property, "");
    }
}
