package org.blktap.api.node;

import java.nio.file.Path;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;
import org.osgi.annotation.versioning.ProviderType;

/** What the core gives a node. */
@ProviderType
public interface NodeContext {
    /** The attachment's id: letters, digits, {@code . _ -}; unique, fit for a file name. */
    String id();

    /** What follows the kind in {@code --node kind:target,key=value}: the part without a key, or empty. */
    String target();

    /** The node's options; the core refuses those that the node has not asked for. */
    Options options();

    /**
     * Whether this attachment had the node open before: in an earlier life of the daemon, or before the node's bundle
     * was replaced. A VM that was there is expected to be there still.
     */
    boolean reopened();

    /** The attachment's loop, on which all of the node runs. */
    IoLoop loop();

    /** The way to the disk. */
    DiskPort port();

    NativeMemory memory();

    /**
     * Reports that a client or VM has connected, for the daemon's events. May be called as often as clients connect:
     * the core bounds the events. Loop only.
     *
     * @param client who it is, in a few words; empty if that is not known
     */
    default void clientConnected(String client) {
        // for contexts that have no events
    }

    /** Reports that a client or VM has disconnected, as {@link #clientConnected} does. Loop only. */
    default void clientDisconnected(String client) {
        // for contexts that have no events
    }

    /** The directory for sockets; it exists, mode 0711 or stricter. */
    Path runDir();
}
