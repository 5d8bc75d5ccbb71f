package org.blktap.node.xen;

import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;

/** Another guest's disk, which must not notice what a hostile one does: on a thread of its own it writes and reads all the time, and compares. */
final class Victim implements AutoCloseable {
    private final Mapping content = Mapping.anonymous(1 << 20);
    private final TestDisk disk;
    private final SimFrontend frontend;
    private final Thread load = new Thread(this::run, "victim");
    private volatile boolean over;
    private volatile Throwable failure;
    private volatile long requests;
    private volatile long slowestNanos;

    Victim(TestHost host, int domain) throws Exception {
        frontend = new SimFrontend(host, host.newGuest(domain));
        disk = new TestDisk(host, domain, content);
        frontend.connect(Shape.PLAIN);
        frontend.assertServed(1);
        load.start();
    }

    private void run() {
        try {
            for (long stamp = 1; !over; stamp += 100) {
                long sector = stamp % 1000;
                timed(() -> frontend.writeSectors(sector, 40, sector));
                timed(() -> {
                    frontend.assertSectors(sector, 40, sector);
                    return 0;
                });
                Thread.sleep(0, 200_000);
            }
        } catch (Throwable e) {
            failure = e;
        }
    }

    private interface Body {
        int run() throws Exception;
    }

    private void timed(Body body) throws Exception {
        long start = System.nanoTime();
        if (body.run() != 0) {
            throw new AssertionError("a request of the victim failed");
        }
        slowestNanos = Math.max(slowestNanos, System.nanoTime() - start);
        requests++;
    }

    /** All was well so far. */
    void check() {
        if (failure != null) {
            throw new AssertionError("the victim", failure);
        }
    }

    String report() {
        return requests + " requests of the victim, the slowest " + slowestNanos / 1_000_000 + " ms";
    }

    long requests() {
        return requests;
    }

    @Override
    public void close() {
        over = true;
        try {
            load.join();
            frontend.disconnect();
            disk.close(true);
        } catch (Exception e) {
            throw new AssertionError(e);
        } finally {
            content.close();
        }
        check();
    }
}
