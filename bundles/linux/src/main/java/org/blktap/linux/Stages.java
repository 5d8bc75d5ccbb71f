package org.blktap.linux;

import java.util.Arrays;
import java.util.function.BiConsumer;
import org.blktap.api.engine.LoopStage;

/**
 * The stages of a loop, either its engines or its nodes, which run one after the other in each turn. A stage that
 * throws has a bug; it is removed, so that the others go on. One thread.
 */
final class Stages {
    private final BiConsumer<LoopStage, Throwable> failed;
    private Entry[] entries = {};

    /** @param failed called after a stage that threw has been removed */
    Stages(BiConsumer<LoopStage, Throwable> failed) {
        this.failed = failed;
    }

    /** A stage in the turn; removal during a turn takes effect at once. */
    private static final class Entry {
        final LoopStage stage;
        boolean active = true;

        Entry(LoopStage stage) {
            this.stage = stage;
        }
    }

    void add(LoopStage stage) {
        Entry[] more = Arrays.copyOf(entries, entries.length + 1);
        more[entries.length] = new Entry(stage);
        entries = more;
    }

    void remove(LoopStage stage) {
        entries = Arrays.stream(entries)
                .filter(entry -> {
                    if (entry.stage == stage) {
                        entry.active = false;
                    }
                    return entry.active;
                })
                .toArray(Entry[]::new);
    }

    /** Whether one of them had work. */
    boolean poll() {
        boolean work = false;
        for (Entry entry : entries) {
            if (entry.active) {
                try {
                    work |= entry.stage.poll();
                } catch (RuntimeException | Error e) {
                    failed(entry, e);
                }
            }
        }
        return work;
    }

    void flush() {
        for (Entry entry : entries) {
            if (entry.active) {
                try {
                    entry.stage.flush();
                } catch (RuntimeException | Error e) {
                    failed(entry, e);
                }
            }
        }
    }

    /** Enables the stages' wake-ups; true if one of them still has work. */
    boolean arm() {
        boolean work = false;
        for (Entry entry : entries) {
            if (entry.active) {
                try {
                    work |= entry.stage.arm();
                } catch (RuntimeException | Error e) {
                    failed(entry, e);
                }
            }
        }
        return work;
    }

    /** Whether polling one of them may find work soon. */
    boolean pollable() {
        for (Entry entry : entries) {
            if (entry.active) {
                try {
                    if (entry.stage.pollable()) {
                        return true;
                    }
                } catch (RuntimeException | Error e) {
                    failed(entry, e);
                }
            }
        }
        return false;
    }

    private void failed(Entry entry, Throwable e) {
        entry.active = false;
        failed.accept(entry.stage, e);
    }
}
