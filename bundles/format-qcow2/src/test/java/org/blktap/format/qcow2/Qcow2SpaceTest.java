package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.blktap.api.engine.Errno;
import org.blktap.api.engine.IoFile;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimFile;
import org.blktap.image.sim.SimLoop;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Space whose file fails, or whose tables lie. */
class Qcow2SpaceTest {
    private static final String IMAGE = "/sim/a.qcow2";
    private static final int CLUSTER = 512;

    private final SimLoop loop = new SimLoop(new Random(1));
    private final SimContext context =
            new SimContext(loop, false, Map.of("cluster-size", "512", "preallocation", "metadata"));
    private SimFile file;
    private Qcow2Header header;

    @BeforeEach
    void image() throws Exception {
        new Qcow2Driver().create(IMAGE, 4 << 20, null, context);
        file = context.put(IMAGE, context.files.get(Path.of(IMAGE)).bytes());
        header = Qcow2Header.read(file);
    }

    /** The same file, where a write at an offset fails. */
    private IoFile failingAt(long offset) {
        return (IoFile) Proxy.newProxyInstance(
                IoFile.class.getClassLoader(), new Class<?>[] {IoFile.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("writeFully") && (Long) arguments[1] == offset) {
                        throw new IOException("no");
                    }
                    try {
                        return method.invoke(file, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    /** A cluster is claimed when its count has been written, not before. */
    @Test
    void whatCouldNotBeCountedIsNotClaimed() throws Exception {
        Refcounts counts = new Refcounts(header, file);
        long second = (long) counts.perBlock() * CLUSTER;
        Ranges sure = new Ranges();
        sure.add(second - 2 * CLUSTER, second + 2 * CLUSTER);
        counts.add(sure, -1);
        Ranges claimed = new Ranges();
        Refcounts failing = new Refcounts(header, failingAt(counts.table()[1]));
        assertThrows(IOException.class, () -> failing.claim(sure, 0, 1 << 20, claimed));
        assertEquals(1, claimed.count());
        assertEquals(second - 2 * CLUSTER, claimed.from(0));
        assertEquals(second, claimed.to(0));
        for (int i = 0; i < counts.perBlock(); i++) {
            assertEquals(i < 2 ? 0 : 1, counts.block().get(counts.read(counts.table()[1]), i), "cluster " + i);
        }
    }

    @Test
    void flushesThatFailDoNotLetTheListGrow() throws Exception {
        Qcow2Space space = new Qcow2Space(header, file, loop, new Refcounts(header, file));
        file.failWith(() -> Errno.EIO);
        long at = file.size() - CLUSTER & -CLUSTER;
        for (int i = 0; i < 200_000; i++) {
            // every other one, round and round
            long from = at - (i % 1000 + 1) * 2L * CLUSTER;
            space.free(from, from + CLUSTER);
            if (i % 500 == 0) {
                loop.drain();
            }
        }
        loop.drain();
        assertTrue(space.waiting() <= 16_384, space.waiting() + " ranges wait");
        assertTrue(space.isOverwhelmed());
        assertEquals(Errno.EIO, space.takeFlushError());
    }

    /** An entry that pointed at the image's own tables has been overwritten. */
    @Test
    void theTablesOfTheImageAreNeverFreed() throws Exception {
        Refcounts counts = new Refcounts(header, file);
        Qcow2Space space = new Qcow2Space(header, file, loop, counts);
        byte[] before = file.bytes();
        for (long own : new long[] {
            0,
            header.l1Offset(),
            header.l1Offset() + CLUSTER,
            counts.tableOffset(),
            counts.table()[0],
            counts.table()[2]
        }) {
            space.free(own, own + CLUSTER);
            space.flushing();
            space.flushed(error -> assertEquals(0, error));
            loop.drain();
            assertEquals(
                    ByteBuffer.wrap(before, (int) own, CLUSTER),
                    ByteBuffer.wrap(file.bytes(), (int) own, CLUSTER),
                    "at " + own);
            assertEquals(
                    1, counts.block().get(counts.read(counts.table()[(int) (own / CLUSTER / counts.perBlock())]), (int)
                            (own / CLUSTER % counts.perBlock())));
        }
        space.close();
        assertEquals(ByteBuffer.wrap(before), ByteBuffer.wrap(file.bytes()));
    }
}
