package org.blktap.node.xen;

import java.io.IOException;

/** Event channels of one device. One thread at a time. */
interface EventChannels extends AutoCloseable {
    /** Readable while an event is pending. */
    int fd();

    /** Binds a port of another domain to a new one of ours, which it returns. */
    int bind(int domain, int remotePort) throws IOException;

    /**
     * Takes the pending events of all ports, and lets the next ones come. Only when {@link #fd} is readable.
     *
     * @throws java.io.UncheckedIOException when no event can be read any more
     */
    void take();

    /** Notifies the other side of a port of ours. */
    void notify(int port);

    /** Unbinds all ports. */
    @Override
    void close();
}
