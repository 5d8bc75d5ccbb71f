package org.blktap.node.xen;

import java.util.concurrent.Executor;

/**
 * The XenBus thread, on which all control work of the bundle is done, one piece at a time and in order: watches, what
 * is {@link #execute}d, and news of the connection. Exceptions are logged, and the thread continues.
 */
interface XenBus extends Executor {
    /** A listener that is registered. */
    interface Registration extends AutoCloseable {
        /**
         * The listener is not called any more, except that it may be under way when this is not called on the XenBus
         * thread.
         */
        @Override
        void close();
    }

    /** Executes a task once so much time has passed; forgets it when the thread has ended by then. */
    void after(long milliseconds, Runnable task);

    /**
     * How long the thread has been busy with what it does at present, in milliseconds: long where xenstored does not
     * answer. Any thread.
     */
    long busyMilliseconds();

    /** Notifies of the connection from now on, and at once if there is one. Any thread. */
    Registration listen(XenStoreListener listener);
}
