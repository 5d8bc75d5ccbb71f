package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntToLongFunction;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.NativeBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The data path of a format allocates no Java object per request, once its tables are loaded and its pools are filled.
 * A subclass makes the image.
 */
@Timeout(600)
public abstract class FormatAllocationTest {
    private static final int MANY = 100_000;
    private static final int WARM_UP = 20_000;
    private static final int PIECE = 4096;
    private static final int CHUNK = 1 << 16;
    /** Bytes that are mapped at the beginning of the disk; the rest is empty. */
    private static final int MAPPED = 16 << 20;

    private static final long SIZE = 8L << 30;
    private static final int ALLOCATING = 10_000;
    /** Bytes allowed for all requests together: for the counting itself, or a list that grows once. */
    private static final long ONCE = 64 << 10;

    private final DiskDriver driver;
    private final String image;
    private final Map<String, String> options;
    private final long mostPerAllocatingWrite;
    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private final SimLoop loop = new SimLoop(new Random(1));
    private final List<QuietFile> opened = new ArrayList<>();
    private VirtualDisk disk;
    private int ended;
    private int errors;

    /**
     * @param mostPerAllocatingWrite bytes that a write into new clusters may allocate on average, which includes the
     *     growth of the file
     */
    protected FormatAllocationTest(
            DiskDriver driver, String image, Map<String, String> options, long mostPerAllocatingWrite) {
        this.driver = driver;
        this.image = image;
        this.options = options;
        this.mostPerAllocatingWrite = mostPerAllocatingWrite;
    }

    /** Makes the backing image of the disk, if it has one; returns its spec. */
    protected TapSpec base(SimContext context, long size) throws DiskException {
        return null;
    }

    private final class Context extends SimContext {
        private Context() {
            super(FormatAllocationTest.this.loop, false, options);
        }

        @Override
        public IoFile openFile(Path path) throws DiskException {
            QuietFile file = new QuietFile((SimFile) super.openFile(path));
            opened.add(file);
            return file;
        }
    }

    @Test
    void aRequestAllocatesNothing() throws Exception {
        Context context = new Context();
        driver.create(image, SIZE, base(context, SIZE), context);
        opened.clear();
        disk = driver.open(FileNames.text(FileNames.path(image)), context);
        try (NativeBuffer buffer = context.memory().allocate(CHUNK)) {
            for (int at = 0; at < MAPPED; at += CHUNK) {
                assertEquals(0, loop.submit(disk, Operation.WRITE, at, buffer.address(), CHUNK));
            }
            // loads the tables of the empty part
            assertEquals(0, loop.submit(disk, Operation.READ, MAPPED, buffer.address(), CHUNK));
            opened.forEach(QuietFile::quiet);
            Request small = request(buffer, PIECE);
            Request large = request(buffer, CHUNK);
            IntToLongFunction mapped = i -> i * 37L * PIECE % (MAPPED - CHUNK);
            nothing("read of one run", small, Operation.READ, mapped);
            nothing("overwrite of one run", small, Operation.WRITE, mapped);
            nothing("read that ends past what is mapped", large, Operation.READ, i -> MAPPED - PIECE);
            nothing("read of zeros", small, Operation.READ, i -> MAPPED + PIECE);
            nothing("zeroing", small, Operation.WRITE_ZEROES, mapped);
            Request flush = request(buffer, 0);
            nothing("flush", flush, Operation.FLUSH, i -> 0);
            long first = allocated(small, Operation.WRITE, i -> MAPPED + (long) i * CHUNK, 1000);
            long bytes = allocated(small, Operation.WRITE, i -> MAPPED + (i + 1000L) * CHUNK, ALLOCATING);
            System.out.printf(
                    "%s: write into a new cluster: %d bytes per request (at first %d)%n",
                    image, bytes / ALLOCATING, first / 1000);
            assertTrue(
                    bytes / ALLOCATING <= mostPerAllocatingWrite,
                    bytes / ALLOCATING + " bytes per write into a new cluster");
        }
        // not closed: writes to the quiet files were not stored
    }

    private Request request(NativeBuffer buffer, int length) {
        Request request = new Request(this::ended, 1);
        request.data().add(buffer.address(), length);
        return request;
    }

    private void ended(Request request) {
        ended++;
        errors += request.error() == 0 ? 0 : 1;
    }

    private void nothing(String what, Request request, Operation operation, IntToLongFunction offset) {
        allocated(request, operation, offset, WARM_UP);
        long bytes = allocated(request, operation, offset, MANY);
        System.out.printf("%s: %s: %d bytes in %d requests%n", image, what, bytes, MANY);
        assertTrue(bytes <= ONCE, what + ": " + bytes + " bytes in " + MANY + " requests");
    }

    /** Returns the bytes that the requests allocate. */
    private long allocated(Request request, Operation operation, IntToLongFunction offset, int count) {
        ended = 0;
        long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
        for (int i = 0; i < count; i++) {
            disk.submit(
                    request.set(operation, offset.applyAsLong(i), request.data().total(), 0));
            drain();
        }
        long after = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
        assertEquals(count, ended, operation + " requests that ended");
        assertEquals(0, errors, operation + " requests that failed");
        return after - before;
    }

    private void drain() {
        boolean busy = true;
        while (busy) {
            busy = loop.step();
            for (int i = 0; i < opened.size(); i++) {
                busy |= opened.get(i).end();
            }
        }
    }
}
