package org.blktap.filter.luks;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.filter.luks.LuksHeader.KeySlot;
import org.blktap.linux.WholeFile;

/** Makes a volume with a new key and one key slot. */
final class LuksFormat {
    private final FormatOptions options;
    private final FilterContext context;
    private final NativeMemory memory;

    LuksFormat(FormatOptions options, FilterContext context) {
        this.options = options;
        this.context = context;
        this.memory = context.memory();
    }

    /**
     * A part of what is written, without secrets.
     *
     * @param offset in bytes, of a whole sector
     * @param bytes any number; zeros follow up to the end of the last sector
     */
    record Part(long offset, byte[] bytes) {}

    void format(VirtualDisk below) throws DiskException {
        Path header = options.header();
        if (header != null && Files.exists(header, LinkOption.NOFOLLOW_LINKS)) {
            throw new DiskException(Reason.EXISTS, "detached header " + FileNames.text(header) + ": exists already");
        }
        if (below.info().sizeBytes() < options.dataOffset() + options.sectorSize()) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    context.id() + ": " + below.info().sizeBytes() + " bytes are too few: the LUKS header takes "
                            + options.dataOffset());
        }
        List<Part> parts;
        try (Secret password = options.opening().key(memory)) {
            parts = options.version() == 1
                    ? new Luks1Writer(options, this).parts(password)
                    : new Luks2Writer(options, this).parts(password);
        }
        if (header == null) {
            write(parts, new DiskStore(below, context));
        } else {
            write(parts, header);
        }
    }

    /** Writes all parts; the header comes last, since nothing else has a meaning without it. */
    private void write(List<Part> parts, DiskStore disk) throws DiskException {
        for (int i = 0; i < parts.size(); i++) {
            Part part = parts.get(i);
            int bytes = Alignment.up(part.bytes().length, Alignment.SECTOR);
            try (NativeBuffer buffer = memory.allocate(bytes)) {
                buffer.bytes(0, part.bytes().length).put(part.bytes());
                if (i == parts.size() - 1) {
                    disk.flush();
                }
                disk.write(part.offset(), buffer, bytes);
            }
        }
        disk.flush();
    }

    private void write(List<Part> parts, Path header) throws DiskException {
        try {
            WholeFile.write(header, channel -> {
                for (Part part : parts) {
                    write(channel, ByteBuffer.wrap(part.bytes()), part.offset());
                }
                // cryptsetup requires all areas to exist
                long size =
                        options.version() == 1 ? Luks1Writer.dataOffset(options.keyBytes()) : Luks2Writer.DATA_OFFSET;
                write(channel, ByteBuffer.allocate(1), size - 1);
            });
        } catch (IOException e) {
            throw DiskException.io(header, "write the detached header", e);
        }
    }

    private static void write(FileChannel channel, ByteBuffer rest, long offset) throws IOException {
        while (rest.hasRemaining()) {
            channel.write(rest, offset + rest.position());
        }
    }

    NativeMemory memory() {
        return memory;
    }

    byte[] salt(int bytes) {
        return Crypto.salt(memory, bytes);
    }

    /**
     * Makes a new volume key. XTS with two equal keys would be broken, and OpenSSL refuses it; random keys are never
     * equal.
     */
    Secret volumeKey() {
        return Secret.random(memory, options.keyBytes());
    }

    /** Returns the stripes of a volume key, encrypted with a key of the password. */
    byte[] keyMaterial(Secret volumeKey, Secret password, KeyDerivation derivation) throws DiskException {
        int bytes = KeySlot.areaBytes(volumeKey.bytes());
        byte[] encrypted = new byte[bytes];
        // as long as the volume key: cryptsetup's default as well
        try (Secret areaKey = Secret.ofZeros(memory, volumeKey.bytes());
                Secret material = Secret.ofZeros(memory, bytes)) {
            derivation.derive(
                    context.id() + ": new key slot", password, options.opening().limits(), areaKey, memory);
            AntiForensic.split(volumeKey, material.address(), options.hash(), memory);
            try (SectorCipher cipher = SectorCipher.of(areaKey, SectorCipher.IV_BYTES, memory)) {
                if (!cipher.encrypt(material.address(), bytes, 0)) {
                    throw Crypto.failed("EVP_CipherUpdate");
                }
            }
            material.memory().bytes(0, bytes).get(encrypted);
        }
        return encrypted;
    }
}
