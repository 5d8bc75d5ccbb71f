package org.blktap.node.ublk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.SecureRandom;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.WholeFile;

/**
 * The file {@code ublk-<id>} in the run directory, by which an attachment finds its device again: the device's number,
 * and an identity that the driver keeps with the device. The number alone could belong to another device by now. Like
 * the device, the file does not survive a restart of the host.
 */
final class DeviceRecord {
    /** The number of a device that is not known yet. */
    static final int ANY = -1;

    private static final SecureRandom RANDOM = new SecureRandom();

    private final Path file;

    /** @param identity never 0, which is that of a foreign device */
    record Contents(long identity, int number) {}

    DeviceRecord(Path runDir, String id) {
        file = runDir.resolve("ublk-" + id);
    }

    /** Makes the identity of a new device. */
    static long newIdentity() {
        long random = 0;
        while (random == 0) {
            random = RANDOM.nextLong();
        }
        return random;
    }

    /** Returns the record; null if there is none. */
    Contents read() throws DiskException {
        try {
            String[] words =
                    Files.readString(file, StandardCharsets.ISO_8859_1).strip().split(" ");
            return new Contents(Long.parseUnsignedLong(words[0], 16), Integer.parseInt(words[1]));
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            throw DiskException.io(file, "read the record of a ublk device", e);
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
            throw new DiskException(
                    Reason.CORRUPT, file + ": not the record of a ublk device; remove it to make a new device", e);
        }
    }

    void write(Contents contents) throws DiskException {
        try {
            WholeFile.write(
                    file,
                    (Long.toHexString(contents.identity) + " " + contents.number + "\n")
                            .getBytes(StandardCharsets.ISO_8859_1));
        } catch (IOException e) {
            throw DiskException.io(file, "write the record of a ublk device", e);
        }
    }

    void remove() throws IOException {
        WholeFile.remove(file);
    }
}
