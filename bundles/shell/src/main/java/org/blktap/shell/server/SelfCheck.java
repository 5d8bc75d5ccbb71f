package org.blktap.shell.server;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.engine.IoQueue;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/**
 * Does once what every attachment does: starts a loop, takes native memory, opens a queue of the engine and a file by
 * it, writes and reads.
 */
final class SelfCheck {
    private static final int SECONDS = 15;
    private static final int BYTES = 4096;

    private final LoopFactory loops;
    private final NativeMemory memory;
    private final IoEngine engine;
    private final Path directory;

    /** @param directory where a file may be made */
    SelfCheck(LoopFactory loops, NativeMemory memory, IoEngine engine, Path directory) {
        this.loops = loops;
        this.memory = memory;
        this.engine = engine;
        this.directory = directory;
    }

    /** What does not work, or null. */
    String failure() throws InterruptedException {
        if (loops == null || memory == null) {
            return "the bundle linux gives no loops or memory";
        }
        if (engine == null) {
            return "no I/O engine is present; the bundle aio belongs into deploy/";
        }
        FutureTask<String> task = new FutureTask<>(this::run);
        Thread thread = new Thread(task, "blktap-check");
        thread.setDaemon(true);
        thread.start();
        try {
            return task.get(SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            return "a trial of the I/O engine has not ended within " + SECONDS + " s";
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            while (cause instanceof ExceptionInInitializerError && cause.getCause() != null) {
                cause = cause.getCause();
            }
            return "no disk could be opened: "
                    + (cause instanceof Exception && cause.getMessage() != null
                            ? cause.getMessage()
                            : cause.toString());
        }
    }

    private String run() throws Exception {
        Path path = directory.resolve(".check");
        Files.deleteIfExists(path);
        Files.createFile(path);
        try (IoLoop loop = loops.start("blktap-check");
                NativeBuffer buffer = memory.allocate(BYTES)) {
            IoQueue queue = loop.call(() -> engine.open(loop));
            try (IoFile file = queue.open(path, true)) {
                ByteBuffer written = buffer.bytes(0, BYTES);
                byte[] pattern = new byte[BYTES];
                Arrays.fill(pattern, (byte) 0x5a);
                written.put(pattern).flip();
                file.writeFully(written, 0);
                ByteBuffer read = buffer.bytes(0, BYTES);
                file.readFully(read, 0);
                return buffer.bytes(0, BYTES).get(BYTES - 1) == 0x5a
                        ? null
                        : path + ": what was read is not what was written";
            } finally {
                loop.call(() -> {
                    queue.close();
                    return null;
                });
            }
        } finally {
            Files.deleteIfExists(path);
        }
    }
}
