package org.blktap.image;

import java.util.ArrayDeque;
import java.util.function.Function;

/** Objects that are used again, so that requests allocate none once there are as many as are needed at a time. The last one back is the next one out. Loop only. */
final class Pool<T> {
    private final ArrayDeque<T> idle = new ArrayDeque<>();
    private final Function<Pool<T>, T> maker;

    /** @param maker makes an object, which gives itself back to the pool */
    Pool(Function<Pool<T>, T> maker) {
        this.maker = maker;
    }

    T take() {
        T pooled = idle.poll();
        return pooled == null ? maker.apply(this) : pooled;
    }

    /** Takes back an object that its user has let go of. */
    void give(T unused) {
        idle.push(unused);
    }
}
