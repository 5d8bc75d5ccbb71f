package org.blktap.node.xen;

import java.io.IOException;

/** The states of the two sides of a device: Xen's public io/xenbus.h. The ordinal is the number in XenStore. */
enum XenbusState {
    UNKNOWN,
    INITIALISING,
    INIT_WAIT,
    INITIALISED,
    CONNECTED,
    CLOSING,
    CLOSED,
    RECONFIGURING,
    RECONFIGURED;

    /** Reads a directory's node {@code state}; UNKNOWN if it is absent or no state. */
    static XenbusState of(XenStore store, String directory) throws IOException {
        String text = store.read(directory + "/state");
        return text != null && text.matches("[0-8]") ? values()[text.charAt(0) - '0'] : UNKNOWN;
    }

    void write(XenStore store, String directory) throws IOException {
        store.write(directory + "/state", Integer.toString(ordinal()));
    }
}
