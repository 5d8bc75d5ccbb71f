package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** What tests do with a daemon, as operators and clients of it. */
abstract class DaemonUser {
    Daemon daemon;

    void io(String id, String... commands) throws Exception {
        Qemu.io("raw", daemon.nbd(id), commands);
    }

    void refused(String says, String... command) throws Exception {
        Run run = daemon.blktap(command);
        assertTrue(run.status() != 0 && (run.out() + run.err()).contains(says), run::toString);
    }

    /** The milliseconds of a pause that a verb has printed last. */
    static long paused(Run run) {
        String[] lines = run.ok().out().strip().split("\n");
        String text = lines[lines.length - 1];
        assertTrue(text.matches("paused \\d+ ms"), run::toString);
        return Long.parseLong(text.replaceAll("\\D", ""));
    }

    /** A client that writes 48 MiB at depth 32 and verifies what it has written. */
    Process verifies(String id, Path log) throws Exception {
        long before = writes(id);
        Process fio = new ProcessBuilder(
                        "fio",
                        "--name=v",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd(id),
                        "--rw=randwrite",
                        "--bs=4k",
                        "--iodepth=32",
                        "--size=48m",
                        "--verify=crc32c",
                        "--verify_fatal=1",
                        "--rate_iops=600")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        Wait.until("fio writes", () -> writes(id) > before);
        return fio;
    }

    long writes(String id) throws Exception {
        JsonObject operations = daemon.stats(id).getAsJsonObject("operations");
        return operations.has("write")
                ? operations.getAsJsonObject("write").get("count").getAsLong()
                : 0;
    }

    static void verified(Process fio, Path log) throws Exception {
        assertTrue(fio.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS), "fio ends");
        assertEquals(0, fio.exitValue(), Files.readString(log));
    }
}
