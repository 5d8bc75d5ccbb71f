package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoFile;

/** The file identifier and the two headers of an image. One thread at a time. [MS-VHDX] sections 2.2.1 and 2.2.2. */
final class HeaderSection {
    private static final String NAME = "a VHDX image";
    static final int AT_IDENTIFIER = 0;
    static final int AT_CREATOR = 8;
    /** "vhdxfile". */
    static final long IDENTIFIER = 0x656c696678646876L;

    private final IoFile file;
    private VhdxHeader current;
    private boolean secondIsCurrent;

    /** @param current the header that was read, or that of a new file */
    private HeaderSection(IoFile file, VhdxHeader current, boolean secondIsCurrent) {
        this.file = file;
        this.current = current;
        this.secondIsCurrent = secondIsCurrent;
    }

    static HeaderSection read(IoFile file) throws DiskException {
        if (file.size() == 0) {
            throw DiskException.notAnImage(
                    file.path(), 0, NAME, "file identifier", AT_IDENTIFIER, "nothing", Layout.hex(IDENTIFIER));
        }
        long identifier =
                Layout.read(file, "file identifier", AT_IDENTIFIER, Long.BYTES).getLong();
        if (identifier != IDENTIFIER) {
            throw DiskException.notAnImage(
                    file.path(),
                    file.size(),
                    NAME,
                    "file identifier",
                    AT_IDENTIFIER,
                    Layout.hex(identifier),
                    Layout.hex(IDENTIFIER) + " (\"vhdxfile\")");
        }
        ByteBuffer firstBytes = Layout.read(file, "first header", VhdxHeader.FIRST_OFFSET, Layout.SECTOR);
        ByteBuffer secondBytes = Layout.read(file, "second header", VhdxHeader.SECOND_OFFSET, Layout.SECTOR);
        VhdxHeader first = VhdxHeader.parse(firstBytes);
        VhdxHeader second = VhdxHeader.parse(secondBytes);
        if (first == null && second == null) {
            throw DiskException.corrupt(
                    file.path(),
                    "headers",
                    VhdxHeader.FIRST_OFFSET,
                    "neither with its signature and checksum",
                    "one at least");
        }
        if (first != null
                && second != null
                && first.sequenceNumber() == second.sequenceNumber()
                && !firstBytes.equals(secondBytes)) {
            throw DiskException.corrupt(
                    file.path(),
                    "second header's field SequenceNumber",
                    VhdxHeader.SECOND_OFFSET + VhdxHeader.AT_SEQUENCE_NUMBER,
                    Long.toUnsignedString(second.sequenceNumber()),
                    "not that of the first, which differs");
        }
        boolean useSecond = first == null
                || second != null && Long.compareUnsigned(second.sequenceNumber(), first.sequenceNumber()) > 0;
        HeaderSection headers = new HeaderSection(file, useSecond ? second : first, useSecond);
        headers.validate();
        return headers;
    }

    /** Writes both headers of a new file. */
    static void create(IoFile file, VhdxHeader header) throws IOException {
        new HeaderSection(file, header, true).write(header);
    }

    private void validate() throws DiskException {
        long at = secondIsCurrent ? VhdxHeader.SECOND_OFFSET : VhdxHeader.FIRST_OFFSET;
        if (current.version() != VhdxHeader.VERSION) {
            throw new DiskException(
                    Reason.UNSUPPORTED,
                    file.path() + ": is of VHDX version " + current.version() + "; version 1 is supported");
        }
        long size = file.size();
        if (current.logLength() == 0 || current.logLength() % Layout.MIB != 0 || current.logLength() > size) {
            throw DiskException.corrupt(
                    file.path(),
                    "header field LogLength",
                    at + VhdxHeader.AT_LOG_LENGTH,
                    current.logLength(),
                    "a multiple of 1 MiB, inside the file of " + size + " bytes");
        }
        long offset = current.logOffset();
        if (offset < Layout.MIB || offset % Layout.MIB != 0 || offset > size - current.logLength()) {
            throw DiskException.corrupt(
                    file.path(),
                    "header field LogOffset",
                    at + VhdxHeader.AT_LOG_OFFSET,
                    Long.toUnsignedString(offset),
                    "a multiple of 1 MiB from 1 MiB on, with the log inside the file of " + size + " bytes");
        }
    }

    VhdxHeader current() {
        return current;
    }

    /** Replaces both headers, one after the other, so that one is intact at any time. Blocking; flushes. */
    void write(VhdxHeader header) throws IOException {
        for (int i = 0; i < 2; i++) {
            VhdxHeader next = header.numbered(current.sequenceNumber() + 1);
            file.writeFully(next.bytes(), secondIsCurrent ? VhdxHeader.FIRST_OFFSET : VhdxHeader.SECOND_OFFSET);
            file.flushNow();
            current = next;
            secondIsCurrent = !secondIsCurrent;
        }
    }
}
