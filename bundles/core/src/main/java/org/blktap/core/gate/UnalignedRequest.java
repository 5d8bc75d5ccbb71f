package org.blktap.core.gate;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.util.function.Consumer;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;

/**
 * A request that begins or ends inside a sector, done in parts: the first sector, the whole sectors between, the last
 * sector. A write reads the sectors at its edges first and so must be alone at the disk. Loop only; a slow path, so it
 * allocates.
 */
final class UnalignedRequest implements Request.Completion {
    private enum Part {
        EDGE,
        MIDDLE,
        MAP
    }

    private final Request whole;
    private final Consumer<GateRequest> disk;
    private final Consumer<UnalignedRequest> ended;
    private final GateRequest inner = GateRequest.own(this, 16);
    private final long end;
    private Mapping sector;
    private boolean started;
    /** The next byte to do, and the length of the part under way. */
    private long at;

    private int partLength;
    private Part part;
    private boolean edgeRead;

    UnalignedRequest(Request whole, Consumer<GateRequest> disk, Consumer<UnalignedRequest> ended) {
        this.whole = whole;
        this.disk = disk;
        this.ended = ended;
        this.at = whole.offset();
        this.end = whole.offset() + whole.length();
    }

    /** Whether it writes parts of sectors. */
    boolean mustBeAlone() {
        return whole.operation() == Operation.WRITE || whole.operation() == Operation.WRITE_ZEROES;
    }

    boolean started() {
        return started;
    }

    void start() {
        started = true;
        switch (whole.operation()) {
            case MAP -> map();
            case DISCARD -> discard();
            default -> next();
        }
    }

    /** Asks for the whole sectors and cuts the answer. */
    private void map() {
        part = Part.MAP;
        long begin = Alignment.down(at, SECTOR);
        long last = Alignment.up(end, SECTOR);
        inner.setMap(begin, last - begin, new ExtentList(), whole.context());
        disk.accept(inner);
    }

    private void cutMap() {
        ExtentList found = inner.extents();
        long position = inner.offset();
        for (int i = 0; i < found.count(); i++) {
            long from = Math.max(position, whole.offset());
            long to = Math.min(position + found.length(i), end);
            if (to > from) {
                whole.extents().add(to - from, found.state(i), found.depth(i));
            }
            position += found.length(i);
        }
    }

    /** A discard is a hint: the parts of sectors at its edges keep their contents. */
    private void discard() {
        long begin = Alignment.up(at, SECTOR);
        long last = Alignment.down(end, SECTOR);
        at = end;
        if (begin >= last) {
            finish(0);
            return;
        }
        part = Part.MIDDLE;
        inner.set(Operation.DISCARD, begin, last - begin, 0);
        disk.accept(inner);
    }

    private void next() {
        if (at == end) {
            finish(0);
            return;
        }
        int inSector = (int) (at & SECTOR - 1);
        if (inSector != 0 || end - at < SECTOR) {
            part = Part.EDGE;
            partLength = (int) Math.min(SECTOR - inSector, end - at);
            edgeRead = false;
            if (sector == null) {
                sector = Mapping.anonymous(SECTOR);
            }
            edge(Operation.READ);
        } else {
            part = Part.MIDDLE;
            long length = Alignment.down(end - at, SECTOR);
            inner.data().clear();
            if (whole.operation() != Operation.WRITE_ZEROES) {
                inner.data().sliceOf(whole.data(), at - whole.offset(), length);
            }
            long begin = at;
            at += length;
            inner.set(whole.operation(), begin, length, whole.flags() & ~Request.SPARSE);
            disk.accept(inner);
        }
    }

    private void edge(Operation operation) {
        inner.data().clear();
        inner.data().add(sector.address(), SECTOR);
        inner.set(operation, Alignment.down(at, SECTOR), SECTOR, 0);
        disk.accept(inner);
    }

    @Override
    public void completed(Request request) {
        if (request.error() != 0) {
            finish(request.error());
            return;
        }
        if (part == Part.MAP) {
            cutMap();
            finish(0);
        } else if (part == Part.MIDDLE) {
            next();
        } else if (edgeRead || whole.operation() == Operation.READ) {
            if (whole.operation() == Operation.READ) {
                whole.data().copyFrom(sector.address() + (at & SECTOR - 1), at - whole.offset(), partLength);
            }
            at += partLength;
            next();
        } else {
            edgeRead = true;
            long target = sector.address() + (at & SECTOR - 1);
            if (whole.operation() == Operation.WRITE) {
                whole.data().copyTo(target, at - whole.offset(), partLength);
            } else {
                Memory.fill(target, partLength, (byte) 0);
            }
            edge(Operation.WRITE);
        }
    }

    private void finish(int error) {
        if (sector != null) {
            sector.close();
        }
        ended.accept(this);
        whole.complete(error);
    }
}
