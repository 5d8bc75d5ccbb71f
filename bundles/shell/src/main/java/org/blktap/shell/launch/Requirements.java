package org.blktap.shell.launch;

import java.io.IOException;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the daemon needs of its machine before anything else is started: each is tried, not asked for. */
final class Requirements {
    /**
     * Multiple of the size of the jars in {@code deploy/}: the framework's copies, and as much again for jars that are
     * replaced while it runs.
     */
    private static final int COPIES = 2;

    /** Records of attachments and jobs, and room for more. */
    private static final int RECORDS = 1 << 20;

    private static final int CHUNK = 64 << 10;
    /** One disk takes about ten descriptors, the JVM and the platform about a hundred. */
    static final int LEAST_FILES = 256;

    private static final Pattern FILES = Pattern.compile("Max open files\\s+(\\d+|unlimited)");

    private final Path home;
    private final Path data;
    private final Path run;
    private final Path deploy;

    Requirements(Path home, Path data, Path run, Path deploy) {
        this.home = home;
        this.data = data;
        this.run = run;
        this.deploy = deploy;
    }

    /** @throws IOException with one line for the user: what is not met */
    void check() throws IOException {
        files(Files.readString(Path.of("/proc/self/limits")));
        if (jars(home.resolve("bundle")) == 0) {
            throw new IOException(home.resolve("bundle") + ": no jars; the installation is not complete");
        }
        space(jars(deploy) * COPIES + RECORDS);
        socket();
    }

    static void files(String limits) throws IOException {
        Matcher found = FILES.matcher(limits);
        if (found.find() && !found.group(1).equals("unlimited") && Long.parseLong(found.group(1)) < LEAST_FILES) {
            throw new IOException("the limit of open files (ulimit -n) is " + found.group(1) + "; at least "
                    + LEAST_FILES + " are needed, and ten a disk");
        }
    }

    private static long jars(Path folder) throws IOException {
        long bytes = 0;
        try (DirectoryStream<Path> jars = Files.newDirectoryStream(folder, "*.jar")) {
            for (Path jar : jars) {
                bytes += Files.size(jar);
            }
        } catch (FileSystemException e) {
            throw new IOException(folder + ": cannot be read: " + reason(e), e);
        }
        return bytes;
    }

    /** Tested by writing, since no figure of the file system includes a quota. */
    private void space(long bytes) throws IOException {
        Path trial = data.resolve("tmp/.space");
        try {
            Files.deleteIfExists(trial);
            try (OutputStream out = Files.newOutputStream(trial)) {
                for (long done = 0; done < bytes; done += CHUNK) {
                    out.write(new byte[CHUNK]);
                }
            } finally {
                Files.deleteIfExists(trial);
            }
        } catch (IOException e) {
            throw new IOException(
                    "BLKTAP_DATA_DIR=" + data + ": cannot hold the " + (bytes >> 20) + " MiB that the daemon needs: "
                            + reason(e),
                    e);
        }
    }

    private void socket() throws IOException {
        Path trial = run.resolve(".trial.sock");
        try (ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            Files.deleteIfExists(trial);
            channel.bind(UnixDomainSocketAddress.of(trial));
            Files.delete(trial);
        } catch (IOException e) {
            throw new IOException("BLKTAP_RUN_DIR=" + run + ": no socket can be made there: " + reason(e), e);
        }
    }

    private static String reason(IOException e) {
        String reason =
                e instanceof FileSystemException file && file.getReason() != null ? file.getReason() : e.getMessage();
        return reason == null
                ? e.getClass()
                        .getSimpleName()
                        .replaceAll("([a-z])([A-Z])", "$1 $2")
                        .replaceAll(" Exception$", "")
                        .toLowerCase(java.util.Locale.ROOT)
                : reason;
    }
}
