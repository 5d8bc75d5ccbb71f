package org.blktap.filter.luks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.testkit.CountedMemory;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.image.sim.SimLoop;
import org.blktap.linux.NativeMemoryService;
import org.osgi.service.condition.Condition;

/** Makes, opens and damages volumes in memory. One thread. */
final class Volumes {
    /** Bytes of data of each volume, unless said otherwise. */
    static final int DATA = 1 << 20;

    static final String PASSWORD = "open sesame";

    final CountedMemory memory = new CountedMemory(new NativeMemoryService());
    final SimLoop loop = new SimLoop(new Random(1));
    final LuksFilter filter = new LuksFilter(Condition.INSTANCE);
    final Path key;

    Volumes(Path directory) throws IOException {
        key = Files.writeString(directory.resolve("key"), PASSWORD);
    }

    /** Options {@code name=value}, with the key. */
    Map<String, String> options(String... options) {
        Map<String, String> values = new HashMap<>();
        values.put("key-file", key.toString());
        for (String option : options) {
            int equals = option.indexOf('=');
            values.put(option.substring(0, equals), option.substring(equals + 1));
        }
        return values;
    }

    TestFilterContext context(Map<String, String> options) {
        return TestFilterContext.of("vm1", loop, memory).withOptions(options);
    }

    MemoryDisk disk(long bytes) {
        return new MemoryDisk(memory, bytes, new Random(1));
    }

    MemoryDisk disk(byte[] contents) {
        MemoryDisk disk = disk(contents.length & -512);
        disk.put(0, java.util.Arrays.copyOf(contents, contents.length & -512));
        return disk;
    }

    /** Makes a volume whose key takes no time; further options win. */
    MemoryDisk make(String... options) throws DiskException {
        Map<String, String> values = options("iter-time=1", "pbkdf-memory=1M");
        values.putAll(options(options));
        MemoryDisk disk = disk(filter.sizeBelow(DATA, new Options(values)));
        filter.format(disk, context(values));
        return disk;
    }

    LuksDisk open(MemoryDisk below, String... options) throws DiskException {
        return (LuksDisk) filter.open(below, context(options(options)));
    }

    byte[] read(LuksDisk disk, long offset, int bytes) {
        try (NativeBuffer buffer = memory.allocate(bytes)) {
            check(loop.submit(disk, Operation.READ, offset, buffer.address(), bytes));
            byte[] found = new byte[bytes];
            buffer.bytes(0, bytes).get(found);
            return found;
        }
    }

    void write(LuksDisk disk, long offset, byte[] contents) {
        try (NativeBuffer buffer = memory.allocate(contents.length)) {
            buffer.bytes(0, contents.length).put(contents);
            check(loop.submit(disk, Operation.WRITE, offset, buffer.address(), contents.length));
        }
    }

    private static void check(int error) {
        if (error != 0) {
            throw new UncheckedIOException(new IOException("error " + error));
        }
    }

    /** The metadata of a volume of version 2. */
    static String json(MemoryDisk disk) {
        byte[] area = disk.bytes(Luks2Header.BYTES, Luks2Header.SIZE_MIN - Luks2Header.BYTES);
        String text = new String(area, StandardCharsets.UTF_8);
        return text.substring(0, text.indexOf('\0'));
    }

    /** Changes the metadata of both headers, and their checksums. */
    static void json(MemoryDisk disk, UnaryOperator<String> change) {
        byte[] json = change.apply(json(disk)).getBytes(StandardCharsets.UTF_8);
        for (long offset = 0; offset <= Luks2Header.SIZE_MIN; offset += Luks2Header.SIZE_MIN) {
            ByteBuffer header = ByteBuffer.wrap(disk.bytes(offset, Luks2Header.SIZE_MIN));
            header.put(Luks2Header.BYTES, new byte[Luks2Header.SIZE_MIN - Luks2Header.BYTES]);
            header.put(Luks2Header.BYTES, json, 0, Math.min(json.length, Luks2Header.SIZE_MIN - Luks2Header.BYTES));
            header.put(Luks2Header.CSUM, Luks2Header.checksum(HashSpec.SHA256, header));
            disk.put(offset, header.array());
        }
    }

    /** Overwrites bytes. */
    static void poke(MemoryDisk disk, long offset, int... bytes) {
        byte[] values = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            values[i] = (byte) bytes[i];
        }
        disk.put(offset, values);
    }
}
