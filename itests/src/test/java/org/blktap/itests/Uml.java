package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A User-Mode Linux guest: a real kernel, on the host's own files, with vhost-user disks. */
final class Uml implements AutoCloseable {
    private final Process process;
    private final Path console;

    private Uml(Process process, Path console) {
        this.process = process;
        this.console = console;
    }

    /**
     * Starts a guest that runs a script.
     *
     * @param directory for the script and the console's output; shared with the guest, writable, as /mnt/share
     * @param sockets the disks, /dev/vda and on; their sockets listen
     */
    static Uml start(Path directory, String name, String script, Path... sockets) throws IOException {
        return start(directory, name, script, List.of(), sockets);
    }

    /** As above, with more arguments for the kernel. */
    static Uml start(Path directory, String name, String script, List<String> arguments, Path... sockets)
            throws IOException {
        Path file = directory.resolve(name + ".sh");
        Path console = directory.resolve(name + ".console");
        Files.writeString(file, script);
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("project.root") + "/itests/guest/uml",
                "blktap.script=" + file,
                "blktap.share=" + directory));
        for (Path socket : sockets) {
            command.add("virtio_uml.device=" + socket + ":2");
        }
        command.addAll(arguments);
        Process process = new ProcessBuilder(command)
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(console.toFile())
                .redirectErrorStream(true)
                .start();
        return new Uml(process, console);
    }

    /** Runs a guest to its end; fails the test unless its script succeeded. */
    static String run(Path directory, String name, String script, Path... sockets) throws Exception {
        try (Uml guest = start(directory, name, script, sockets)) {
            return guest.succeed();
        }
    }

    String console() throws IOException {
        return new String(Files.readAllBytes(console), java.nio.charset.StandardCharsets.ISO_8859_1);
    }

    /** Waits for the guest's end; its console's output. Fails the test unless its script succeeded. */
    String succeed() throws Exception {
        assertTrue(
                process.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS),
                () -> "the guest does not end:\n" + safeConsole());
        String text = console();
        assertTrue(text.contains("guest exit status 0"), text);
        assertTrue(!text.contains("I/O error"), text);
        return text;
    }

    private String safeConsole() {
        try {
            return console();
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** Waits until the guest has printed a text. */
    void prints(String text) throws Exception {
        Wait.until("the guest prints " + text, () -> {
            assertTrue(process.isAlive() || console().contains(text), () -> "the guest ended:\n" + safeConsole());
            return console().contains(text);
        });
    }

    /** Ends it as a power cut would: the kernel is one process with threads, and its guest processes die with it. */
    void kill() throws InterruptedException {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() throws InterruptedException {
        if (process.isAlive()) {
            kill();
        }
    }
}
