package org.blktap.node.xen;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.Errno;
import org.blktap.linux.LibXenEvtchn;
import org.blktap.linux.LibXenGnttab;
import org.blktap.linux.LibXenToolLog;
import org.blktap.linux.Libc;
import org.blktap.linux.Mapping;

/** Xen by libxengnttab and libxenevtchn. */
final class NativeHypervisor implements Hypervisor {
    @Override
    public GrantTable openGrants() throws IOException {
        present(LibXenGnttab.missing(), LibXenGnttab.PACKAGE);
        long handle = LibXenGnttab.xengnttab_open(LibXenToolLog.quiet(), 0);
        if (handle == 0) {
            throw failed("/dev/xen/gntdev cannot be opened");
        }
        return new NativeGrantTable(handle);
    }

    @Override
    public EventChannels openEvents() throws IOException {
        present(LibXenEvtchn.missing(), LibXenEvtchn.PACKAGE);
        long handle = LibXenEvtchn.xenevtchn_open(LibXenToolLog.quiet(), 0);
        if (handle == 0) {
            throw failed("/dev/xen/evtchn cannot be opened");
        }
        try (CloseOnFailure opened = new CloseOnFailure(() -> LibXenEvtchn.xenevtchn_close(handle))) {
            return opened.keep(new NativeEventChannels(handle));
        }
    }

    private static void present(String missing, String debianPackage) throws IOException {
        if (missing != null) {
            throw new IOException(missing + "; the Debian package is " + debianPackage);
        }
    }

    private static IOException failed(String what) {
        return new IOException(what + ": " + Errno.text(Libc.errno()));
    }

    /** Loop only. */
    private static final class NativeEventChannels implements EventChannels {
        /** Of a device's rings; further ports stay pending. */
        private static final int PORTS_BYTES = 64 * Integer.BYTES;

        private final long handle;
        private final int fd;
        private final Mapping ports = Mapping.anonymous(PORTS_BYTES);

        NativeEventChannels(long handle) {
            this.handle = handle;
            fd = LibXenEvtchn.xenevtchn_fd(handle);
        }

        @Override
        public int fd() {
            return fd;
        }

        @Override
        public int bind(int domain, int remotePort) throws IOException {
            int port = LibXenEvtchn.xenevtchn_bind_interdomain(handle, domain, remotePort);
            if (port < 0) {
                throw failed("event channel " + remotePort + " of domain " + domain + " cannot be bound");
            }
            return port;
        }

        /**
         * The kernel's own interface (xen/evtchn.h): libxenevtchn takes one port a call, and a dom0's calls are
         * expensive.
         */
        @Override
        public void take() {
            // the ports that were pending, which are masked from then on
            long bytes = Libc.read(fd, ports.address(), PORTS_BYTES);
            // as many are unmasked
            if (bytes <= 0 || Libc.write(fd, ports.address(), bytes) != bytes) {
                // it would stay readable, or silent, for ever
                throw new UncheckedIOException(failed("/dev/xen/evtchn cannot be read"));
            }
        }

        @Override
        public void notify(int port) {
            // it fails when the domain has gone, which XenStore reports as well
            LibXenEvtchn.xenevtchn_notify(handle, port);
        }

        @Override
        public void close() {
            LibXenEvtchn.xenevtchn_close(handle);
            ports.close();
        }
    }
}
