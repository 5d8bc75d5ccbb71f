package org.blktap.node.xen;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Announces released devices when a test says so. */
final class FakeGone implements ToolstackDisks.Gone {
    final List<DeviceGone> listeners = new CopyOnWriteArrayList<>();

    @Override
    public void onGone(DeviceGone listener) {
        listeners.add(listener);
    }

    @Override
    public void noMore(DeviceGone listener) {
        listeners.remove(listener);
    }
}
