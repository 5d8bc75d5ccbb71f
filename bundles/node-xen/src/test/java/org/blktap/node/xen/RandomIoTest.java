package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.blktap.api.disk.Operation;
import org.blktap.api.engine.Errno;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;
import org.blktap.ring.Abi;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Random requests against a model, while the disk ends them out of order, fails some, and is closed and opened. */
class RandomIoTest {
    private static final int SECTORS = 16384;
    private static final int REQUESTS = Integer.getInteger("requests", 10_000);

    @TempDir
    Path runDir;

    static Stream<Shape> shapes() {
        return Stream.of(Abi.values())
                .flatMap(abi -> Stream.of(
                        new Shape(abi, 0, 1, true),
                        new Shape(abi, 0, 1, false),
                        new Shape(abi, 3, 4, true),
                        new Shape(abi, 0, 4, false)));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void everyReadHasWhatWasWritten(Shape shape) throws Exception {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("random I/O, " + shape + ": -Dseed=" + seed);
        Random random = new Random(seed);
        try (TestHost host = new TestHost(runDir);
                Mapping content = Mapping.anonymous(SECTORS * 512L)) {
            SimFrontend frontend = new SimFrontend(host, host.newGuest(5, 65_536));
            try (XenTestDisk disk = new XenTestDisk(host, 5, content)) {
                frontend.connect(shape);
                RandomLoad load = new RandomLoad(frontend, random, SECTORS);
                disk.onLoop(() -> disk.port.quiet = true);
                load.run(REQUESTS / 4);
                disk.onLoop(() -> disk.port.shuffle = new Random(random.nextLong()));
                load.run(REQUESTS / 4);
                replacedMeanwhile(disk, load, random);
                load.errors = true;
                disk.onLoop(() -> {
                    Random failing = new Random(seed);
                    disk.port.fails = request -> failing.nextInt(20) != 0
                            ? 0
                            : request.operation() == Operation.FLUSH && failing.nextBoolean()
                                    ? Errno.EOPNOTSUPP
                                    : Errno.EIO;
                });
                load.run(REQUESTS / 4);
                assertTrue(load.failed > 0);
                disk.onLoop(() -> disk.port.fails = request -> 0);
                load.errors = false;
                load.compare();
                frontend.disconnect();
            }
            host.assertNothingLeft();
        }
    }

    /** The port closes, is drained, and opens again, as the core does it when a driver is replaced. */
    private static void replacedMeanwhile(XenTestDisk disk, RandomLoad load, Random random) throws Exception {
        int end = load.issued + REQUESTS / 4;
        while (load.issued < end) {
            load.issue();
            disk.onLoop(() -> {
                if (disk.port.open) {
                    disk.port.open = random.nextInt(3) != 0;
                } else {
                    disk.port.release();
                    if (random.nextInt(2) == 0) {
                        disk.port.open = true;
                        disk.node.resumed();
                    }
                }
            });
            load.check(load.frontend().reap());
        }
        disk.onLoop(() -> {
            disk.port.open = true;
            disk.node.resumed();
        });
        load.drain();
    }
}
