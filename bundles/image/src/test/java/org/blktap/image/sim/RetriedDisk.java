package org.blktap.image.sim;

import java.util.ArrayDeque;
import java.util.Random;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;

/**
 * Does with requests that the storage fails what the core does for an attachment with {@code on-enospc=park}: holds
 * them, lets those under way end, and tries them again one after the other before it takes more.
 */
final class RetriedDisk implements VirtualDisk {
    private final VirtualDisk disk;
    private final Random random;
    private final Storage storage;
    private final ArrayDeque<Attempt> failed = new ArrayDeque<>();
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private int inFlight;
    private boolean retrying;
    private int retries;

    /** Where the faults come from. */
    interface Storage {
        void fails(boolean fails);
    }

    /** @param random decides whether the storage has been mended when requests are tried again */
    RetriedDisk(VirtualDisk disk, Random random, Storage storage) {
        this.disk = disk;
        this.random = random;
        this.storage = storage;
        storage.fails(true);
    }

    /** How often a request was tried again. */
    int retries() {
        return retries;
    }

    private final class Attempt implements Request.Completion {
        private final Request asked;
        private final Request own = new Request(this, 4);

        Attempt(Request asked) {
            this.asked = asked;
        }

        void start() {
            inFlight++;
            own.data().clear();
            if (asked.operation() == Operation.READ || asked.operation() == Operation.WRITE) {
                own.data().sliceOf(asked.data(), 0, asked.length());
            }
            if (asked.operation() == Operation.MAP) {
                asked.extents().clear();
                own.setMap(asked.offset(), asked.length(), asked.extents());
            } else {
                own.set(asked.operation(), asked.offset(), asked.length(), asked.flags());
            }
            disk.submit(own);
        }

        @Override
        public void completed(Request ended) {
            inFlight--;
            if (ended.error() != 0) {
                failed.add(this);
            } else {
                if (ended.zeros()) {
                    asked.markZeros();
                }
                asked.complete(0);
            }
            goOn();
        }
    }

    private void goOn() {
        if (inFlight > 0) {
            return;
        }
        if (!failed.isEmpty()) {
            retrying = true;
            retries++;
            storage.fails(random.nextInt(3) == 0);
            failed.poll().start();
            return;
        }
        if (retrying) {
            retrying = false;
            storage.fails(true);
        }
        while (!waiting.isEmpty() && failed.isEmpty()) {
            new Attempt(waiting.poll()).start();
        }
    }

    @Override
    public void submit(Request request) {
        if (retrying || !failed.isEmpty()) {
            waiting.add(request);
        } else {
            new Attempt(request).start();
        }
    }

    @Override
    public DiskInfo info() {
        return disk.info();
    }

    @Override
    public void close() {
        disk.close();
    }
}
