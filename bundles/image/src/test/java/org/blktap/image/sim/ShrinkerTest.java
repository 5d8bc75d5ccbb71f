package org.blktap.image.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.BitSet;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoFile;
import org.junit.jupiter.api.Test;

class ShrinkerTest {
    private static BitSet kept(int steps, BitSet leftOut) {
        BitSet kept = (BitSet) leftOut.clone();
        kept.flip(0, steps);
        return kept;
    }

    @Test
    void whatIsNotNeededGoes() {
        for (int steps : new int[] {18, 431, 1800}) {
            BitSet leftOut =
                    Shrinker.shrink(steps, new BitSet(), without -> !without.get(3) && !without.get(17), 60_000);
            assertEquals("{3, 17}", kept(steps, leftOut).toString());
        }
    }

    @Test
    void whatIsOutAlreadyIsNotTriedWithIt() {
        BitSet never = new BitSet();
        never.set(5, 200);
        BitSet leftOut =
                Shrinker.shrink(100, never, without -> without.get(5) && without.get(150) && !without.get(3), 60_000);
        assertEquals("{3}", kept(100, leftOut.get(0, 100)).toString());
    }

    @Test
    void whatOthersNeedIsTriedAgain() {
        // each step but the first is needed as long as the one behind it is there
        BitSet leftOut = Shrinker.shrink(
                50,
                new BitSet(),
                without -> {
                    for (int i = 1; i < 49; i++) {
                        if (without.get(i) && !without.get(i + 1)) {
                            return false;
                        }
                    }
                    return !without.get(0);
                },
                60_000);
        assertEquals("{0}", kept(50, leftOut).toString());
    }

    @Test
    void allOfItStaysIfItIsNeededOrTimeIsUp() {
        assertEquals(
                0,
                Shrinker.shrink(20, new BitSet(), without -> without.isEmpty(), 60_000)
                        .cardinality());
        assertEquals(0, Shrinker.shrink(20, new BitSet(), without -> true, -1).cardinality());
    }

    /** A disk that forgets a run of zeros if anything was written since the last flush; so two requests are enough. */
    private static final class ForgetfulDriver implements DiskDriver {
        @Override
        public VirtualDisk open(String path, DiskContext context) throws DiskException {
            IoFile file = context.openFile(java.nio.file.Path.of(path));
            return new VirtualDisk() {
                private boolean written;

                @Override
                public DiskInfo info() {
                    return DiskInfo.ofSize(file.size());
                }

                @Override
                public void submit(Request request) {
                    switch (request.operation()) {
                        case READ -> file.read(request.offset(), request.data(), 0, request.length(), request);
                        case WRITE -> {
                            written = true;
                            file.write(request.offset(), request.data(), 0, request.length(), request);
                        }
                        case MAP -> file.map(request.offset(), request.length(), request.extents(), request);
                        case FLUSH -> {
                            written = false;
                            file.flush(request);
                        }
                        default -> {
                            if (written && request.operation() == Operation.WRITE_ZEROES) {
                                request.complete(0);
                            } else {
                                file.zero(request.offset(), request.length(), true, request);
                            }
                        }
                    }
                }

                @Override
                public void close() {
                    file.close();
                }
            };
        }

        @Override
        public void create(String path, long size, TapSpec backing, DiskContext context) throws DiskException {
            ((SimContext) context).put(path, new byte[(int) size]);
        }

        @Override
        public CheckReport check(String path, DiskContext context) {
            return new CheckReport(0, 0, java.util.List.of());
        }
    }

    private static final class ForgetfulModel extends FormatModelTest {
        ForgetfulModel(long seed) {
            super(new ForgetfulDriver(), "/sim/forgetful", 4, seed);
        }

        @Override
        protected Kind kind(Random random) {
            return new Kind(Map.of(), 64 << 10, 0);
        }
    }

    @Test
    void aFailureOfAFormatIsToldByTheRequestsItNeeds() {
        for (int seed = 1; seed <= 20; seed++) {
            ForgetfulModel model = new ForgetfulModel(1000 * seed);
            AssertionError error = assertThrows(AssertionError.class, model::theDiskIsWhatWasWritten);
            String told = error.getMessage() + "\n" + error.getCause();
            assertTrue(told.contains("-Dseed=") && told.contains("-Donly="), told);
            assertTrue(told.contains("WRITE_ZEROES"), told);
            long requests =
                    told.lines().filter(line -> line.matches(" *\\d+: .*")).count();
            assertTrue(requests >= 2 && requests <= 4, told);
        }
    }
}
