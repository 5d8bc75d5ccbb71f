package org.blktap.node.xen;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.FileNames;
import org.blktap.api.engine.Errno;
import org.blktap.api.memory.Memory;
import org.blktap.linux.LibXenStore;
import org.blktap.linux.Libc;

/** {@link XsLibrary} by libxenstore. */
final class NativeXsLibrary implements XsLibrary {
    /** Longest token; ours are shorter. */
    private static final int TOKEN_MAX = 64;

    private final long handle;

    private NativeXsLibrary(long handle) {
        this.handle = handle;
    }

    /** Connects; may load libxenstore first. */
    static XsLibrary open() throws IOException {
        if (LibXenStore.missing() != null) {
            throw new LibraryMissingException(
                    "libxenstore cannot be used: " + LibXenStore.missing() + ". Install it (Debian: apt-get install "
                            + LibXenStore.PACKAGE + ") and restart the daemon to serve Xen guests");
        }
        long handle = LibXenStore.xs_open(LibXenStore.XS_UNWATCH_FILTER);
        if (handle == 0) {
            throw new IOException("xs_open: " + Errno.text(Libc.errno()));
        }
        return new NativeXsLibrary(handle);
    }

    /** Nothing will change this before the next start: the class that maps the library has been initialised without. */
    static final class LibraryMissingException extends IOException {
        private static final long serialVersionUID = 1;

        LibraryMissingException(String message) {
            super(message);
        }
    }

    @Override
    public byte[] read(int transaction, String path) throws IOException {
        long length = allocate(4);
        try {
            long value = LibXenStore.xs_read(handle, transaction, path, length);
            if (value == 0) {
                throw failure("read", path);
            }
            try {
                int bytes = Memory.getInt(length);
                if (bytes < 0 || bytes > LibXenStore.PAYLOAD_MAX) {
                    throw new IOException("XenStore: " + path + ": a value of " + Integer.toUnsignedString(bytes)
                            + " bytes, expected at most " + LibXenStore.PAYLOAD_MAX);
                }
                return copyOf(value, bytes);
            } finally {
                Libc.free(value);
            }
        } finally {
            Libc.free(length);
        }
    }

    @Override
    public List<String> directory(int transaction, String path) throws IOException {
        long count = allocate(4);
        try {
            long names = LibXenStore.xs_directory(handle, transaction, path, count);
            if (names == 0) {
                throw failure("list", path);
            }
            try {
                int children = Memory.getInt(count);
                if (children < 0 || children > XenStore.CHILDREN_MAX) {
                    throw new IOException("XenStore: " + path + ": " + Integer.toUnsignedString(children)
                            + " children, expected at most " + XenStore.CHILDREN_MAX);
                }
                List<String> all = new ArrayList<>(children);
                for (int i = 0; i < children; i++) {
                    all.add(string(Memory.getLong(names + 8L * i), LibXenStore.ABS_PATH_MAX));
                }
                return all;
            } finally {
                Libc.free(names);
            }
        } finally {
            Libc.free(count);
        }
    }

    @Override
    public void write(int transaction, String path, byte[] value) throws IOException {
        long data = allocate(value.length + 1);
        try {
            for (int i = 0; i < value.length; i++) {
                Memory.putByte(data + i, value[i]);
            }
            check(LibXenStore.xs_write(handle, transaction, path, data, value.length), "write", path);
        } finally {
            Libc.free(data);
        }
    }

    @Override
    public void remove(int transaction, String path) throws IOException {
        check(LibXenStore.xs_rm(handle, transaction, path), "remove", path);
    }

    @Override
    public void permissions(int transaction, String path, int owner, int reader) throws IOException {
        long both = allocate(2 * LibXenStore.PERMISSIONS_BYTES);
        try {
            permission(both, owner, LibXenStore.XS_PERM_NONE);
            permission(both + LibXenStore.PERMISSIONS_BYTES, reader, LibXenStore.XS_PERM_READ);
            check(LibXenStore.xs_set_permissions(handle, transaction, path, both, 2), "set permissions", path);
        } finally {
            Libc.free(both);
        }
    }

    private static void permission(long at, int domain, int what) {
        Memory.putInt(at + LibXenStore.PERMISSIONS_ID, domain);
        Memory.putInt(at + LibXenStore.PERMISSIONS_PERMS, what);
    }

    @Override
    public int startTransaction() throws IOException {
        int transaction = LibXenStore.xs_transaction_start(handle);
        if (transaction == LibXenStore.XBT_NULL) {
            throw failure("start", "a transaction");
        }
        return transaction;
    }

    @Override
    public void endTransaction(int transaction, boolean abort) throws IOException {
        check(LibXenStore.xs_transaction_end(handle, transaction, abort ? 1 : 0), "end", "a transaction");
    }

    @Override
    public void watch(String path, String token) throws IOException {
        check(LibXenStore.xs_watch(handle, path, token), "watch", path);
    }

    @Override
    public void unwatch(String path, String token) throws IOException {
        check(LibXenStore.xs_unwatch(handle, path, token), "end the watch", path);
    }

    @Override
    public String nextEvent() {
        long count = Libc.malloc(4);
        try {
            long event = count == 0 ? 0 : LibXenStore.xs_read_watch(handle, count);
            if (event == 0) {
                return null;
            }
            try {
                return Memory.getInt(count) < 2
                        ? ""
                        : string(Memory.getLong(event + LibXenStore.WATCH_TOKEN), TOKEN_MAX);
            } finally {
                Libc.free(event);
            }
        } finally {
            Libc.free(count);
        }
    }

    @Override
    public void close() {
        LibXenStore.xs_close(handle);
    }

    private static long allocate(long bytes) {
        long address = Libc.malloc(bytes);
        if (address == 0) {
            throw new OutOfMemoryError("malloc of " + bytes + " bytes");
        }
        return address;
    }

    private static void check(byte done, String what, String path) throws IOException {
        if (done == 0) {
            throw failure(what, path);
        }
    }

    private static XenStoreException failure(String what, String path) {
        return new XenStoreException(what, path, Libc.errno());
    }

    private static String string(long address, int most) {
        int bytes = 0;
        while (bytes < most && Memory.getByte(address + bytes) != 0) {
            bytes++;
        }
        return FileNames.text(copyOf(address, bytes));
    }

    private static byte[] copyOf(long address, int bytes) {
        byte[] copy = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            copy[i] = Memory.getByte(address + i);
        }
        return copy;
    }
}
