package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.linux.Mapping;

/**
 * Opens an image, which may be damaged, uses it and checks it. All of this must end, throw nothing but
 * {@link DiskException}, take at most {@link #MOST_MEMORY} of native memory, and leave no memory allocated and no file
 * open.
 */
final class DamagedImage {
    /** Most bytes of native memory, whatever the image contains. */
    static final long MOST_MEMORY = 256 << 20;

    private static final int REQUESTS = 40;
    private static final int LONGEST = 256;

    private DamagedImage() {}

    /** Tries an image. Returns whether it could be opened. */
    static boolean tried(DiskDriver driver, String image, SimContext context, boolean readOnly, Random random) {
        renew(context);
        context.memory.limit(MOST_MEMORY);
        boolean opened = false;
        try {
            VirtualDisk disk = driver.open(image, readOnly ? context.forReading() : context);
            opened = true;
            use(disk, context, random, LONGEST);
            disk.close();
        } catch (DiskException e) {
            assertTrue(e.getMessage() != null && !e.getMessage().isEmpty());
        }
        nothingIsLeft(context, "behind");
        renew(context);
        try {
            driver.check(image, context.forReading());
        } catch (DiskException e) {
            assertTrue(e.getMessage() != null && !e.getMessage().isEmpty());
        }
        nothingIsLeft(context, "behind by a check");
        return opened;
    }

    private static void nothingIsLeft(SimContext context, String where) {
        assertEquals(0, context.memory.inUse(), "native memory was left " + where);
        assertEquals(
                List.of(),
                context.files.values().stream()
                        .filter(SimFile::isOpen)
                        .map(SimFile::path)
                        .toList(),
                "files were left open " + where);
    }

    /** Puts the files into the state in which the next process finds them. */
    static void renew(SimContext context) {
        for (Path each : new ArrayList<>(context.files.keySet())) {
            context.put(each.toString(), context.files.get(each).bytes());
        }
    }

    /** Submits some requests, all of which must end, with or without an error. */
    static void use(VirtualDisk disk, SimContext context, Random random, int longest) {
        long sectors = disk.info().sizeBytes() / 512;
        if (sectors == 0) {
            return;
        }
        int[] ended = {0};
        try (NativeBuffer memory = Mapping.anonymous(longest * 512L)) {
            for (int i = 0; i < REQUESTS; i++) {
                int length = (int) Math.min(sectors, 1 + random.nextInt(longest));
                long first = random.nextInt(3) == 0
                        ? 0
                        : random.nextInt(3) == 0
                                ? sectors - length
                                : (random.nextLong() >>> 1) % (sectors - length + 1);
                Operation operation = disk.info().readOnly()
                        ? random.nextBoolean() ? Operation.READ : Operation.MAP
                        : Operation.values()[random.nextInt(Operation.values().length)];
                Request request = new Request(done -> ended[0]++, 1);
                if (operation == Operation.READ || operation == Operation.WRITE) {
                    request.data().add(memory.address(), length * 512);
                }
                if (operation == Operation.MAP) {
                    request.setMap(first * 512, length * 512L, new ExtentList());
                } else if (operation == Operation.FLUSH) {
                    request.set(operation, 0, 0, 0);
                } else {
                    request.set(
                            operation,
                            first * 512,
                            length * 512L,
                            operation == Operation.WRITE_ZEROES && random.nextBoolean() ? Request.NO_UNMAP : 0);
                }
                disk.submit(request);
                if (random.nextInt(4) == 0) {
                    context.loop.drain();
                }
            }
            context.loop.drain();
        }
        assertEquals(REQUESTS, ended[0], "requests that ended");
    }
}
