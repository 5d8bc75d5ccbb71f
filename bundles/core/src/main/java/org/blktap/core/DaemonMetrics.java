package org.blktap.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.blktap.api.control.AttachmentStats.FilterStats;
import org.blktap.api.metrics.MetricSink;

/** The figures of all attachments. One call at a time; not for a loop. */
final class DaemonMetrics {
    private static final Logger LOG = System.getLogger("org.blktap.core");
    /** How long filters, and file systems, are waited for. What comes later is left out, or shown as last known. */
    private static final long ANSWER_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    private final Supplier<Collection<Attachment>> attachments;
    private final Executor threads;
    /** What looks at files now, or has last. One that hangs there ends when it is no longer this one. */
    private volatile CompletableFuture<Void> looking;

    /** @param threads for what may hang in a file system */
    DaemonMetrics(Supplier<Collection<Attachment>> attachments, Executor threads) {
        this.attachments = attachments;
        this.threads = threads;
    }

    void collect(MetricSink sink) {
        List<AttachmentMetrics> all =
                attachments.get().stream().map(each -> each.view().metrics()).toList();
        List<CompletableFuture<List<FilterStats>>> asked =
                all.stream().map(AttachmentMetrics::filterStats).toList();
        CompletableFuture<Void> looked = look(all);
        long end = System.nanoTime() + ANSWER_NANOS;
        List<List<FilterStats>> filters = new ArrayList<>();
        for (CompletableFuture<List<FilterStats>> each : asked) {
            filters.add(await(each, end, List.of()));
        }
        await(looked, end, null);
        for (int i = 0; i < all.size(); i++) {
            all.get(i).collect(sink, filters.get(i));
        }
    }

    /** Has a thread look at the files of all images; a chain at which another thread hangs is left to that. */
    private CompletableFuture<Void> look(List<AttachmentMetrics> all) {
        List<ImageChain> chains = all.stream()
                .map(AttachmentMetrics::chain)
                .filter(Objects::nonNull)
                .toList();
        CompletableFuture<Void> round = new CompletableFuture<>();
        looking = round;
        threads.execute(() -> {
            for (ImageChain each : chains) {
                if (looking != round) {
                    break;
                }
                each.look();
            }
            round.complete(null);
        });
        return round;
    }

    private static <T> T await(CompletableFuture<T> future, long end, T otherwise) {
        try {
            return future.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (TimeoutException | ExecutionException e) {
            LOG.log(Level.DEBUG, "figures that are left out: " + e);
        }
        return otherwise;
    }
}
