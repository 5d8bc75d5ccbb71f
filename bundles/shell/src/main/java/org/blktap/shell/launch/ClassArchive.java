package org.blktap.shell.launch;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.TreeSet;
import org.blktap.api.settings.Directories;

/**
 * The archive of classes (class data sharing): the JVM takes classes from it that it would otherwise read from jars,
 * parse and verify at each start. A separate process, {@code bin/blktapd --archive}, makes it: it starts the bundles in
 * scratch directories and ends once they are ready. The JVM itself decides whether the archive fits, by its own build,
 * the jars of the class path, and the bytes of the classes of bundles. It does not notice damage, so
 * {@code bin/blktapd} does not use an archive again with which a start did not become ready. This class decides when to
 * make a new archive.
 */
public final class ClassArchive {
    /** The file beside an archive that describes what it was made from, or could not be made from. */
    static final String DESCRIPTION = "classes.txt";

    private static final Logger LOG = System.getLogger("org.blktap");
    /** Time after which a trial that is not ready ends. */
    private static final int TRIAL_MILLIS = 900_000;

    private final Path home;
    private final Path deploy;

    ClassArchive(Path home, Path deploy) {
        this.home = home;
        this.deploy = deploy;
    }

    /** The daemon's own. */
    public static ClassArchive of(Directories directories) {
        return new ClassArchive(directories.home(), directories.deploy());
    }

    /** Whether this process only makes an archive. It serves no disks, and must not be taken for a daemon. */
    static boolean trial() {
        return LaunchOptions.archiveTrial() != null;
    }

    /**
     * Called when a start has become ready, or has failed for a reason of its own: {@code bin/blktapd} may use the
     * archive again.
     */
    public static void proven() {
        Path mark = LaunchOptions.archiveUnready();
        if (mark == null) {
            return;
        }
        try {
            Files.deleteIfExists(mark);
        } catch (IOException e) {
            LOG.log(Level.INFO, "the next start will not use the archive of classes: " + e);
        }
    }

    /** Ends a trial that hangs. */
    static void limitTrial() {
        Thread limit = new Thread(
                () -> {
                    try {
                        Thread.sleep(TRIAL_MILLIS);
                        Runtime.getRuntime().halt(1);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                },
                "blktap-limit");
        limit.setDaemon(true);
        limit.start();
    }

    /**
     * Called when everything is ready. A trial ends here, with its classes loaded. A daemon starts a process that makes
     * an archive, if there is none for the jars that it runs.
     *
     * @return the process that makes an archive, to be ended with the daemon; or null
     */
    public Process ready() {
        proven();
        Path directory = LaunchOptions.archive();
        try {
            if (trial()) {
                describe(LaunchOptions.archiveTrial());
                // the framework is not stopped first: that would unload the classes
                Runtime.getRuntime().halt(0);
            } else if (directory != null && !isCurrent(directory)) {
                return make();
            }
        } catch (IOException e) {
            LOG.log(Level.INFO, "no archive of classes is made, later starts will take longer: " + e);
        }
        return null;
    }

    /** Called when a trial begins, before it has read any jar. */
    void begin(Path trial) throws IOException {
        Files.writeString(atBegin(trial), description());
    }

    /**
     * Writes the description of what a trial was made from, unless that has changed meanwhile: then a later start tries
     * again.
     */
    void describe(Path trial) throws IOException {
        String description = description();
        if (Files.readString(atBegin(trial)).equals(description)) {
            Files.writeString(trial, description);
        }
    }

    private static Path atBegin(Path trial) {
        return trial.resolveSibling("begin");
    }

    private Process make() throws IOException {
        Process process = new ProcessBuilder(
                        "nice", "-n", "19", home.resolve("bin/blktapd").toString(), "--archive")
                .redirectErrorStream(true)
                .redirectInput(Path.of("/dev/null").toFile())
                .start();
        Thread reporter = new Thread(() -> report(process), "blktap-archive");
        reporter.setDaemon(true);
        reporter.start();
        return process;
    }

    private static void report(Process process) {
        try {
            List<String> said = process.inputReader().lines().toList();
            if (process.waitFor() == 0) {
                LOG.log(Level.DEBUG, "an archive of classes has been made");
            } else if (process.exitValue() < 128) {
                LOG.log(
                        Level.INFO,
                        "no archive of classes could be made, starts take longer: "
                                + (said.isEmpty() ? "no reason given" : said.get(said.size() - 1)));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (java.io.UncheckedIOException e) {
            LOG.log(Level.DEBUG, "the archive's maker was ended: " + e.getMessage());
        }
    }

    /** Whether an archive has been made from these jars, or could not be made. */
    boolean isCurrent(Path directory) throws IOException {
        Path file = directory.resolve(DESCRIPTION);
        return Files.isRegularFile(file) && Files.readString(file).equals(description());
    }

    /** Describes the sources of classes: this Java, its options, and the jars by name, size and time. */
    String description() throws IOException {
        StringBuilder text = new StringBuilder();
        for (String property : new String[] {"java.home", "java.vm.name", "java.vm.version"}) {
            text.append(LaunchOptions.property(property)).append('\n');
        }
        text.append(System.getenv().getOrDefault("BLKTAP_JAVA_OPTS", "")).append('\n');
        for (Path folder : List.of(home.resolve("lib"), home.resolve("bundle"), deploy)) {
            TreeSet<Path> jars = new TreeSet<>();
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.jar")) {
                files.forEach(jars::add);
            }
            for (Path jar : jars) {
                BasicFileAttributes is = Files.readAttributes(jar, BasicFileAttributes.class);
                // the JVM compares the paths of the class path only, so that deploy/ may be elsewhere
                text.append(folder.equals(deploy) ? jar.getFileName() : jar)
                        .append(' ')
                        .append(is.size())
                        .append(' ')
                        .append(is.lastModifiedTime().toMillis())
                        .append('\n');
            }
        }
        return text.toString();
    }
}
