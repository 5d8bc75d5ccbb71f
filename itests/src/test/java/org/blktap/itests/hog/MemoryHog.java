package org.blktap.itests.hog;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;

/** A bundle that takes all memory of one kind, named in its manifest, on a thread of its own. */
public final class MemoryHog implements BundleActivator {
    private static final int PIECE = 1 << 20;

    @Override
    public void start(BundleContext context) {
        String kind = context.getBundle().getHeaders().get("Hog");
        new Thread(() -> take(kind), "hog").start();
    }

    private static void take(String kind) {
        List<Object> taken = new ArrayList<>();
        if (kind.equals("thread")) {
            // as Thread.start fails when the system has no room; really using all of it would end other programs
            throw new OutOfMemoryError(
                    "unable to create native thread: possibly out of memory or process/resource limits reached");
        }
        while (true) {
            taken.add(kind.equals("heap") ? new byte[PIECE] : ByteBuffer.allocateDirect(PIECE));
        }
    }

    @Override
    public void stop(BundleContext context) {
        // the daemon ends first
    }
}
