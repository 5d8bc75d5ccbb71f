package org.blktap.filter.luks;

import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.memory.NativeMemory;

/**
 * The options of an attach. They are recorded and shown, so they say where the key is, and never contain it.
 *
 * @param keyFile file with the key, or null
 * @param keyDescriptor descriptor of this process that the key is read from, or -1
 * @param keySlot the only slot to try, or {@link VolumeKey#ANY}
 * @param header file of a detached header, or null
 * @param discard whether discards reach the disk below
 */
record LuksOptions(
        Path keyFile, int keyDescriptor, int keySlot, Path header, boolean discard, DerivationLimits limits) {
    private static final String KEY_FILE = "key-file";
    private static final String KEY_DESCRIPTOR = "key-fd";
    private static final long KEY_MEMORY_MIN = 1 << 20;

    static LuksOptions of(Options options) throws DiskException {
        String file = options.text(KEY_FILE, null);
        int descriptor = options.number(KEY_DESCRIPTOR, -1, 0, Integer.MAX_VALUE);
        if ((file == null) == (descriptor < 0)) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "luks: exactly one of the options " + KEY_FILE + "=FILE and " + KEY_DESCRIPTOR + "=N is required");
        }
        long most = options.size(
                "key-memory",
                DerivationLimits.MEMORY_DEFAULT,
                KEY_MEMORY_MIN,
                (long) DerivationLimits.ARGON2_KIB_MAX * 1024);
        return new LuksOptions(
                file == null ? null : absolute(KEY_FILE, file),
                descriptor,
                options.number("key-slot", VolumeKey.ANY, 0, 31),
                header(options),
                options.flag("discard", false),
                new DerivationLimits(most));
    }

    /** The file of a detached header, or null. */
    static Path header(Options options) throws DiskException {
        String header = options.text("header", null);
        return header == null ? null : absolute("header", header);
    }

    /** Refuses a relative path, since the daemon's directory is not the caller's. */
    private static Path absolute(String option, String text) throws DiskException {
        if (!text.startsWith("/")) {
            throw Options.bad(option, text, "an absolute path");
        }
        return FileNames.path(text);
    }

    /** Reads the key, which the caller closes. */
    Secret key(NativeMemory memory) throws DiskException {
        return keyFile == null ? KeyFile.read(keyDescriptor, memory) : KeyFile.read(keyFile, memory);
    }
}
