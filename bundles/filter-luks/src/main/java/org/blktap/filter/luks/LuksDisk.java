package org.blktap.filter.luks;

import java.util.ArrayDeque;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.memory.Alignment;
import org.blktap.filter.luks.LuksHeader.DataSegment;

/**
 * The disk inside a LUKS volume. Data goes through buffers of the filter, in both directions: a guest can see and
 * change its memory while a request is in flight, and may truncate it, which would end native code with a signal. Loop
 * only.
 */
final class LuksDisk extends PassThroughDisk {
    private final LuksHeader header;
    private final long offset;
    private final long bytes;
    private final int sectorSize;
    private final Pieces pieces;
    private final ArrayDeque<Transfer> transfers = new ArrayDeque<>();
    private final ArrayDeque<ShiftedRequest> shifted = new ArrayDeque<>();
    private final LuksOptions options;
    private volatile DiskInfo info;

    /**
     * @param bytes size of the data, from {@link #dataBytes}
     * @param pieces closed with the disk
     */
    LuksDisk(VirtualDisk below, LuksHeader header, long bytes, LuksOptions options, Pieces pieces) {
        super(below);
        this.header = header;
        this.offset = header.data().offset();
        this.bytes = bytes;
        this.sectorSize = header.data().sectorSize();
        this.options = options;
        this.pieces = pieces;
        pieces.diskBelow(below);
        info = infoOver(below.info());
    }

    /** Returns the size of the data, whole sectors. */
    static long dataBytes(String name, DiskInfo below, DataSegment data) throws DiskException {
        // a sector that is not stored as a whole cannot be decrypted
        long most = Alignment.down(below.contentBytes() - data.offset(), data.sectorSize());
        if (most < data.sectorSize() || data.bytes() > most) {
            throw DiskException.corrupt(
                    name,
                    "data of " + (data.bytes() < 0 ? "at least one sector" : data.bytes() + " bytes"),
                    data.offset(),
                    "an end of the disk at " + below.contentBytes(),
                    "all of it");
        }
        return data.bytes() < 0 ? most : data.bytes();
    }

    private DiskInfo infoOver(DiskInfo below) {
        Map<String, String> details = new LinkedHashMap<>(below.details());
        details.put(
                "encryption",
                "LUKS" + header.version() + " " + SectorCipher.ENCRYPTION + ", " + header.keyBits()
                        + "-bit key, sectors of " + sectorSize + " bytes, UUID " + header.uuid());
        DiskInfo inside = below.withSize(bytes)
                .withBlocks(Math.max(below.blockSize(), sectorSize), Math.max(below.physicalBlockSize(), sectorSize))
                // zeros are encrypted and written as other data is
                .without(Operation.WRITE_ZEROES)
                .withDetails(details);
        return options.discard() ? inside : inside.without(Operation.DISCARD);
    }

    @Override
    public DiskInfo info() {
        return info;
    }

    @Override
    public void setBelow(VirtualDisk disk) {
        super.setBelow(disk);
        pieces.diskBelow(disk);
        info = infoOver(disk.info());
    }

    @Override
    public long sizeBelow(long sizeBytes) {
        return offset + Alignment.up(sizeBytes, sectorSize);
    }

    @Override
    public boolean set(Options changed) {
        // a change of the key needs the key to be read, and a change of discard must reach the guest
        return false;
    }

    @Override
    public void submit(Request request) {
        switch (request.operation()) {
            case READ, WRITE -> transfer(request);
            case WRITE_ZEROES -> {
                if (request.has(Request.FAST_ONLY)) {
                    request.complete(Errno.EOPNOTSUPP);
                } else {
                    transfer(request);
                }
            }
            case DISCARD -> discard(request);
            case MAP ->
                below().submit(shifted(request).map(request.offset() + offset, request.length(), request.context()));
            case FLUSH -> below().submit(request);
        }
    }

    private void transfer(Request request) {
        Transfer transfer = transfers.poll();
        if (transfer == null) {
            transfer = new Transfer(pieces, transfers::push);
        }
        transfer.start(request);
    }

    /** Discards whole sectors; a sector that is discarded only in part stays as it is. */
    private void discard(Request request) {
        long from = Alignment.up(request.offset(), sectorSize);
        long to = Alignment.down(request.offset() + request.length(), sectorSize);
        if (!options.discard() || from >= to) {
            request.complete(0);
            return;
        }
        Request below = shifted(request);
        below().submit(below.set(Operation.DISCARD, from + offset, to - from, request.flags()));
    }

    private ShiftedRequest shifted(Request request) {
        ShiftedRequest free = shifted.poll();
        if (free == null) {
            free = new ShiftedRequest(shifted::push);
        }
        return free.of(request);
    }

    @Override
    public Map<String, ?> stats() {
        Map<String, Object> stats = new LinkedHashMap<>();
        stats.put("version", header.version());
        stats.put("cipher", SectorCipher.ENCRYPTION);
        stats.put("key bits", header.keyBits());
        stats.put("sector size", sectorSize);
        stats.put("header", header.damage() == null ? "whole" : "one of two damaged: " + header.damage());
        return Collections.unmodifiableMap(stats);
    }

    @Override
    public void close() {
        pieces.close();
    }
}
