package org.blktap.node.xen;

import java.io.IOException;
import java.util.List;

/**
 * A connection to XenStore, or a transaction on it. For any thread; each call waits for xenstored's answer.
 *
 * <p>Paths are absolute or, as xenstored has it, relative to {@code /local/domain/<our domain>}; of letters, digits and
 * {@code -/_@}, at most {@value #PATH_MAX} bytes. Values are text of at most {@value #VALUE_MAX} bytes; guests write
 * them too, so what is read must be checked like anything from a guest. Failures are {@link IOException}s that name the
 * path and the reason, also when the connection has been lost.
 */
interface XenStore {
    /**
     * Longest value, in bytes; when it is written, together with its path and a NUL (XENSTORE_PAYLOAD_MAX of
     * xen/io/xs_wire.h).
     */
    int VALUE_MAX = 4096;
    /** XENSTORE_ABS_PATH_MAX of xen/io/xs_wire.h. */
    int PATH_MAX = 3072;
    /** The most children that {@link #list} returns. */
    int CHILDREN_MAX = 65536;

    /** What is done in one transaction; may be called several times, and must have no effect but through {@code tx}. */
    interface Change {
        void apply(XenStore tx) throws IOException;
    }

    /** A watch that is set. */
    interface Watch extends AutoCloseable {
        /**
         * Its listener is not called any more, except that it may be under way when this is not called on the XenBus
         * thread.
         */
        @Override
        void close();
    }

    /** Our own domain: 0 unless this is a driver domain. */
    int domainId() throws IOException;

    /**
     * The value, or null when there is no such node. Bytes that are not UTF-8 are as
     * {@link org.blktap.api.disk.FileNames} has them, since values are paths, too.
     */
    String read(String path) throws IOException;

    /**
     * The names of the children; empty when there are none or no such node. Only of nodes below which no guest may make
     * any: oxenstored (Xen 4.17) answers with more than the protocol allows when the names exceed {@value #VALUE_MAX}
     * bytes, and the connection is lost.
     *
     * @throws IOException also when there are more than {@link #CHILDREN_MAX}
     */
    List<String> list(String path) throws IOException;

    /** Makes the node and its missing parents, or changes its value. */
    void write(String path, String value) throws IOException;

    /** Removes a node and all below it; it need not exist. */
    void remove(String path) throws IOException;

    /**
     * Who may use an existing node, as libxl writes it: {@code n<owner>,r<reader>}. The owner may do everything, the
     * reader read, others nothing; domain 0 may always. New nodes have the permissions of their parent.
     */
    void permissions(String path, int owner, int reader) throws IOException;

    /**
     * Applies a change as a whole or not at all. It is applied again when others have changed meanwhile what it used, a
     * bounded number of times. Not within a transaction.
     */
    void transaction(Change change) throws IOException;

    /**
     * Calls {@code changed} on the XenBus thread: once soon, then after each change of the node or anything below it,
     * or when a parent is removed. Several changes may be reported by one call, which reads what it needs. Not within a
     * transaction.
     */
    Watch watch(String path, Runnable changed) throws IOException;
}
