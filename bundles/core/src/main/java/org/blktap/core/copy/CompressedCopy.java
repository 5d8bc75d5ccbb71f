package org.blktap.core.copy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.control.Images.Progress;
import org.blktap.api.disk.BlockingDisk;
import org.blktap.api.disk.CompressedImage;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;

/** Copies a disk to a compressed image: clusters are compressed on all processors and appended in order. */
public final class CompressedCopy {
    private static final int LEAST_READ = 1 << 20;
    private static final int CLUSTERS_PER_THREAD = 4;

    private final CompressedImage to;
    private final String toName;
    private final BlockingDisk disk;
    private final long size;
    private final NativeMemory memory;
    private final int clusterSize;
    private final ArrayDeque<Cluster> ahead = new ArrayDeque<>();

    private record Cluster(long offset, ByteBuffer plain, Future<ByteBuffer> compressed) {}

    public CompressedCopy(
            VirtualDisk from, Object fromName, CompressedImage to, Object toName, IoLoop loop, NativeMemory memory) {
        this.to = to;
        this.toName = toName.toString();
        this.memory = memory;
        disk = new BlockingDisk(from, loop, fromName);
        size = from.info().sizeBytes();
        clusterSize = to.clusterSize();
    }

    public void run(Progress progress) throws DiskException {
        int threads = Runtime.getRuntime().availableProcessors();
        int step = Math.max(clusterSize, LEAST_READ / clusterSize * clusterSize);
        AtomicInteger numbers = new AtomicInteger();
        ExecutorService pool = Executors.newFixedThreadPool(
                threads, task -> new Thread(task, "blktap-compress-" + numbers.incrementAndGet()));
        ExtentList extents = new ExtentList();
        try (NativeBuffer buffer = memory.allocate(step)) {
            for (long at = 0; at < size; at += step) {
                if (!progress.at(at, size)) {
                    throw new DiskException(Reason.IO, toName + ": given up");
                }
                int length = (int) Math.min(step, size - at);
                if (isZero(at, length, extents)) {
                    continue;
                }
                disk.read(at, buffer.address(), length);
                for (int i = 0; i < length; i += clusterSize) {
                    compress(pool, at + i, buffer.bytes(i, Math.min(clusterSize, length - i)));
                    while (ahead.size() > threads * CLUSTERS_PER_THREAD) {
                        append();
                    }
                }
            }
            while (!ahead.isEmpty()) {
                append();
            }
            to.finish();
            progress.at(size, size);
        } catch (IOException e) {
            throw DiskException.io(toName, "write", e);
        } finally {
            pool.shutdownNow();
        }
    }

    private boolean isZero(long offset, int length, ExtentList extents) throws DiskException {
        if (disk.map(offset, length, extents) != length) {
            return false;
        }
        for (int i = 0; i < extents.count(); i++) {
            if ((extents.state(i) & ExtentList.ZERO) == 0) {
                return false;
            }
        }
        return true;
    }

    private void compress(ExecutorService pool, long offset, ByteBuffer read) {
        byte[] plain = new byte[clusterSize];
        read.get(plain, 0, read.remaining());
        if (java.util.Arrays.mismatch(plain, new byte[clusterSize]) >= 0) {
            ByteBuffer cluster = ByteBuffer.wrap(plain);
            ahead.add(new Cluster(offset, cluster, pool.submit(() -> to.compress(cluster.duplicate()))));
        }
    }

    private void append() throws IOException, DiskException {
        Cluster first = ahead.poll();
        try {
            to.append(first.offset(), first.plain(), first.compressed().get());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(Reason.IO, toName + ": interrupted", e);
        } catch (ExecutionException e) {
            throw new DiskException(Reason.IO, toName + ": cannot be compressed: " + e.getCause(), e);
        }
    }
}
