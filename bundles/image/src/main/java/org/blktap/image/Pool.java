package org.blktap.image;

import java.util.ArrayDeque;
import java.util.function.Function;

/**
 * Reused objects: once there are as many as are in use at the same time, requests allocate none. The one returned last
 * is taken first. Loop only.
 */
final class Pool<T> {
    private final ArrayDeque<T> idle = new ArrayDeque<>();
    private final Function<Pool<T>, T> maker;

    /** @param maker makes an object, which returns itself to the pool */
    Pool(Function<Pool<T>, T> maker) {
        this.maker = maker;
    }

    T take() {
        T pooled = idle.poll();
        return pooled == null ? maker.apply(this) : pooled;
    }

    /** Returns an object to the pool. */
    void give(T unused) {
        idle.push(unused);
    }
}
