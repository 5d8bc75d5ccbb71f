package org.blktap.shell.offline;

import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.lang.System.Logger.Level;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.blktap.api.command.OperandKind;
import org.blktap.api.control.Images;
import org.blktap.api.disk.FileNames;
import org.blktap.api.settings.Directories;
import org.blktap.shell.client.Client;
import org.blktap.shell.client.RawArguments;
import org.blktap.shell.client.RawUtf8;
import org.blktap.shell.command.Surroundings;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.launch.LaunchOptions;
import org.blktap.shell.launch.NativeLibraries;
import org.blktap.shell.launch.SettingsFile;
import org.blktap.shell.verbs.ClassCatalog;
import org.blktap.shell.verbs.Declaration;
import org.blktap.shell.verbs.Operand;

/**
 * {@code bin/blktap} for the verbs that work on images: does the work itself, in this process, whether a daemon runs or
 * not. The locks on image files keep it from what a daemon has open. Only a disk that is no file, as memory, is the
 * daemon's if there is one.
 */
public final class ImageProgram {
    /** How long a signal waits until what was begun has been taken back. */
    private static final int UNDO_SECONDS = 10;

    private static final String COMPONENT = "org.blktap.core.ImageWork";
    private static final System.Logger LOG = System.getLogger("org.blktap.shell");

    private final Directories directories = LaunchOptions.directories();
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile boolean signalled;
    private Images images;

    private ImageProgram() {}

    public static void main(String[] given) {
        String[] arguments = RawArguments.of(given);
        Path socket = socket();
        Class<?> verb = verb();
        if (verb == null) {
            // a verb of a bundle in deploy/: its classes are in the daemon only
            Client.main(arguments);
            return;
        }
        if (heldByDaemon(Declaration.of(verb), List.of(arguments))) {
            String failure = failure(socket);
            if (failure == null) {
                Client.main(arguments);
                return;
            }
            String memory = Stream.of(arguments)
                    .filter(each -> each.startsWith("tap:ram:"))
                    .findFirst()
                    .orElse(null);
            if (failure.equals("Permission denied") && memory != null) {
                System.err.println("blktap: " + memory + " belongs to the daemon; " + socket
                        + " is for root and the daemon's user");
                Runtime.getRuntime().halt(1);
            }
        }
        new ImageProgram().run(new Verbs(new ClassCatalog(List.of(verb))), List.of(arguments));
    }

    /** The class of the verb, whose name bin/blktap has from the index; null if it is not on the class path. */
    private static Class<?> verb() {
        String name = LaunchOptions.verb();
        try {
            return Class.forName(name);
        } catch (ClassNotFoundException | LinkageError e) {
            LOG.log(Level.DEBUG, name + ": " + e);
            return null;
        }
    }

    /** Whether the disk that is read is no file, but perhaps held by a daemon, as memory is. */
    static boolean heldByDaemon(Declaration verb, List<String> arguments) {
        Operand first = verb.operand(0);
        boolean made = first != null && first.kinds().contains(OperandKind.NEW);
        // what is created is not there yet
        String spec = made
                ? ""
                : arguments.stream()
                        .filter(each -> each.startsWith("tap:"))
                        .findFirst()
                        .orElse("");
        String[] parts = spec.split(":", 3);
        return parts.length == 3 && parts[2].indexOf('/') < 0 && !Files.exists(FileNames.path(parts[2]));
    }

    /** The specs of the daemon's attachments by id; none if no daemon says. */
    private static Map<String, String> attached() {
        String list = Client.answer(socket(), List.of("list", "--json"));
        Map<String, String> all = new LinkedHashMap<>();
        if (list != null) {
            JsonParser.parseString(list)
                    .getAsJsonArray()
                    .forEach(each -> all.put(
                            each.getAsJsonObject().get("id").getAsString(),
                            each.getAsJsonObject().get("spec").getAsString()));
        }
        return all;
    }

    private static Path socket() {
        return LaunchOptions.directories().run().resolve(Client.SOCKET);
    }

    /** Why no daemon answers, or null if one does. */
    private static String failure(Path socket) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            return null;
        } catch (IOException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private void run(Verbs verbs, List<String> arguments) {
        Runtime.getRuntime().addShutdownHook(new Thread(this::takeBack, "blktap-signal"));
        PrintWriter out = RawUtf8.writer(System.out, false);
        // a bar that cannot be shown any more, or a signal, ends long work
        PrintWriter err = new PrintWriter(new OutputStreamWriter(System.err, RawUtf8.OUTPUT), true) {
            @Override
            public boolean checkError() {
                return signalled || super.checkError();
            }
        };
        int status = 1;
        try {
            Surroundings here = new Surroundings(
                    () -> null,
                    this::images,
                    null,
                    null,
                    directories,
                    RawArguments.directory(),
                    !LaunchOptions.terminal().isEmpty(),
                    null,
                    ImageProgram::attached);
            status = verbs.execute(here, arguments, out, err);
            if (out.checkError() && status == 0) {
                status = 1;
            }
        } catch (OutOfMemoryError e) {
            err.println("blktap: out of memory (" + e.getMessage() + "); BLKTAP_JAVA_OPTS=-Xmx1g gives it more");
        } finally {
            ended.countDown();
            if (!signalled) {
                // nothing is left to be tidied up
                Runtime.getRuntime().halt(status);
            }
        }
    }

    /** Runs when a signal ends the process, whose status the JVM makes of the signal. */
    private void takeBack() {
        signalled = true;
        try {
            if (!ended.await(UNDO_SECONDS, TimeUnit.SECONDS)) {
                System.err.println("blktap: ended in the middle of its work");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Makes the service when a verb first asks for it: not for a page of help or wrong usage. */
    private Images images() {
        if (images == null) {
            NativeLibraries.use(directories.home());
            Path file = LaunchOptions.settings();
            try {
                LocalServices services = new LocalServices(
                        directories.home().resolve("bundle"),
                        directories.deploy(),
                        settings(file),
                        LaunchOptions.imageRoots());
                services.problems().forEach(each -> LOG.log(Level.WARNING, file + ": " + each));
                images = (Images) services.component(COMPONENT);
                services.failures().forEach((jar, why) -> LOG.log(Level.WARNING, jar + " is not used: " + why));
            } catch (IOException e) {
                LOG.log(Level.ERROR, directories.home() + ": the bundles cannot be read: " + e.getMessage());
            }
        }
        return images;
    }

    /**
     * Reads the settings. A file that is not JSON keeps a daemon from starting, but this work goes on with the
     * defaults.
     */
    private static Map<String, Map<String, Object>> settings(Path file) {
        try {
            return SettingsFile.read(file);
        } catch (IOException e) {
            LOG.log(Level.WARNING, e.getMessage() + "; the defaults are used");
            return Map.of();
        }
    }
}
