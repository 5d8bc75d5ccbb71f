package org.blktap.node.xen;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/**
 * A XenStore that stops answering when the test says so, as that of a xenstored that hangs, or throws what a library
 * might.
 */
final class SilentXenStore implements XenStore {
    private final XenStore store;
    private volatile CountDownLatch silence = new CountDownLatch(0);
    /** What every call throws, or null. */
    volatile RuntimeException broken;

    SilentXenStore(XenStore store) {
        this.store = store;
    }

    void hang() {
        silence = new CountDownLatch(1);
    }

    void answer() {
        silence.countDown();
    }

    private XenStore asked() {
        try {
            silence.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        RuntimeException thrown = broken;
        if (thrown != null) {
            throw thrown;
        }
        return store;
    }

    @Override
    public int domainId() throws IOException {
        return asked().domainId();
    }

    @Override
    public String read(String path) throws IOException {
        return asked().read(path);
    }

    @Override
    public List<String> list(String path) throws IOException {
        return asked().list(path);
    }

    @Override
    public void write(String path, String value) throws IOException {
        asked().write(path, value);
    }

    @Override
    public void remove(String path) throws IOException {
        asked().remove(path);
    }

    @Override
    public void permissions(String path, int owner, int reader) throws IOException {
        asked().permissions(path, owner, reader);
    }

    @Override
    public void transaction(Change change) throws IOException {
        asked().transaction(change);
    }

    @Override
    public Watch watch(String path, Runnable changed) throws IOException {
        return asked().watch(path, changed);
    }
}
