package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** A guest of Debian's kernel in QEMU, emulated, with a vhost-user disk, /dev/vda. */
final class QemuGuest implements AutoCloseable {
    private static final String PROGRAM = System.getProperty("project.root") + "/itests/guest/qemu";

    private final Process process;
    private final List<Path> output;

    /** @param output files that get what the guest prints, and what QEMU does */
    QemuGuest(Process process, Path... output) {
        this.process = process;
        this.output = List.of(output);
    }

    /**
     * Starts a guest that runs a script.
     *
     * @param directory for the script and the console's output
     * @param socket of the disk, which listens
     */
    static QemuGuest start(Path directory, String name, String script, Path socket, int queues, String memory)
            throws IOException {
        Path file = Files.writeString(directory.resolve(name + ".sh"), script);
        Path console = directory.resolve(name + ".console");
        ProcessBuilder builder = new ProcessBuilder(
                        PROGRAM, socket.toString(), Integer.toString(queues), file.toString())
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(console.toFile())
                .redirectErrorStream(true);
        builder.environment().put("QEMU_MEMORY", memory);
        return new QemuGuest(builder.start(), console);
    }

    /** As above, with one queue and little memory. */
    static QemuGuest start(Path directory, String name, String script, Path socket) throws IOException {
        return start(directory, name, script, socket, 1, "256M");
    }

    /** Makes the files {@code vmlinuz} and {@code initrd.gz} of a guest that others start. */
    static void image(Path directory, String script) throws Exception {
        Path file = Files.writeString(directory.resolve("script.sh"), script);
        Run.of(PROGRAM, "--image", directory.toString(), file.toString()).ok();
    }

    String console() {
        return output.stream().filter(Files::exists).map(QemuGuest::console).collect(Collectors.joining());
    }

    static String console(Path file) {
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** Waits until the guest has printed a text; it must not have ended. */
    void prints(String text) throws Exception {
        Wait.until("the guest prints " + text, () -> {
            String now = console();
            assertTrue(now.contains(text) || process.isAlive() && !now.contains("guest exit status"), this::console);
            return now.contains(text);
        });
    }

    /** Waits for the guest's end. Fails the test unless its script succeeded, and no request has failed. */
    String succeed() throws Exception {
        assertTrue(process.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), () -> "the guest does not end:\n" + console());
        String text = console();
        assertTrue(text.contains("guest exit status 0") && !text.contains("I/O error"), text);
        return text;
    }

    /** Ends it, and the emulator of which it is the script. */
    @Override
    public void close() throws InterruptedException {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
    }
}
