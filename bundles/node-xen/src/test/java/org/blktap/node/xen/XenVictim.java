package org.blktap.node.xen;

import org.blktap.api.testkit.Victim;
import org.blktap.linux.Mapping;
import org.blktap.node.xen.SimFrontend.Shape;

/** Another guest with a disk, which must not notice what a hostile one does: it writes and reads back all the time. */
final class XenVictim implements AutoCloseable {
    private final Mapping content = Mapping.anonymous(1 << 20);
    private final XenTestDisk disk;
    private final SimFrontend frontend;
    private final Victim victim;

    XenVictim(TestHost host, int domain) throws Exception {
        frontend = new SimFrontend(host, host.newGuest(domain));
        disk = new XenTestDisk(host, domain, content);
        frontend.connect(Shape.PLAIN);
        frontend.assertServed(1);
        victim = new Victim(this::run);
    }

    private void run(Victim load) throws Exception {
        for (long stamp = 1; load.wanted(); stamp += 100) {
            long sector = stamp % 1000;
            load.timed(() -> {
                int status = frontend.writeSectors(sector, 40, sector);
                if (status != 0) {
                    throw new AssertionError("a write of the victim ended with " + status);
                }
            });
            load.timed(() -> frontend.assertSectors(sector, 40, sector));
            Thread.sleep(0, 200_000);
        }
    }

    /** All was well so far. */
    void check() {
        victim.check();
    }

    String report() {
        return victim.report();
    }

    long requests() {
        return victim.requests();
    }

    @Override
    public void close() {
        victim.stop();
        try {
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
