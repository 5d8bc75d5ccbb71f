package org.blktap.node.xen;

import org.blktap.api.memory.Memory;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibXenGnttab;

/**
 * Copies between grants of one domain and memory of ours, gathered and then made by one call. A status of its own is
 * kept for every piece, and is a failure until Xen has written another: the call as a whole may succeed though a piece
 * failed (XSA-318). Loop only.
 */
final class GrantCopies implements AutoCloseable {
    private static final int FIRST_ROOM = 512;

    private final NativeMemory memory;
    private final GrantTable grants;
    private final int domain;
    private NativeBuffer pieces;
    private int room;
    private int count;

    GrantCopies(NativeMemory memory, GrantTable grants, int domain) {
        this.memory = memory;
        this.grants = grants;
        this.domain = domain;
        grow(FIRST_ROOM);
    }

    private void grow(int more) {
        NativeBuffer larger = memory.allocate((long) more * LibXenGnttab.COPY_BYTES);
        if (pieces != null) {
            Memory.copy(pieces.address(), larger.address(), (long) count * LibXenGnttab.COPY_BYTES);
            pieces.close();
        }
        pieces = larger;
        room = more;
    }

    /** Copies from a page of the domain; the number of the piece. */
    int fromGrant(int gref, int offset, int bytes, long to) {
        long piece = add(bytes, LibXenGnttab.GNTCOPY_SOURCE_GREF);
        foreign(piece + LibXenGnttab.COPY_SOURCE, gref, offset);
        Memory.putLong(piece + LibXenGnttab.COPY_DEST, to);
        return count++;
    }

    /** Copies to a page of the domain; the number of the piece. */
    int toGrant(long from, int gref, int offset, int bytes) {
        long piece = add(bytes, LibXenGnttab.GNTCOPY_DEST_GREF);
        Memory.putLong(piece + LibXenGnttab.COPY_SOURCE, from);
        foreign(piece + LibXenGnttab.COPY_DEST, gref, offset);
        return count++;
    }

    private long add(int bytes, short flags) {
        if (count == room) {
            grow(2 * room);
        }
        long piece = piece(count);
        Memory.putShort(piece + LibXenGnttab.COPY_LEN, (short) bytes);
        Memory.putShort(piece + LibXenGnttab.COPY_FLAGS, flags);
        Memory.putShort(piece + LibXenGnttab.COPY_STATUS, LibXenGnttab.GNTST_GENERAL_ERROR);
        return piece;
    }

    private void foreign(long side, int gref, int offset) {
        Memory.putInt(side + LibXenGnttab.COPY_FOREIGN_REF, gref);
        Memory.putShort(side + LibXenGnttab.COPY_FOREIGN_OFFSET, (short) offset);
        Memory.putShort(side + LibXenGnttab.COPY_FOREIGN_DOMID, (short) domain);
    }

    private long piece(int number) {
        return pieces.address() + (long) number * LibXenGnttab.COPY_BYTES;
    }

    /** The number that the next piece will have. */
    int count() {
        return count;
    }

    /** Makes the copies; {@link #copied} reports each until {@link #clear}. */
    void make() {
        if (count > 0 && !grants.copy(pieces.address(), count)) {
            for (int i = 0; i < count; i++) {
                Memory.putShort(piece(i) + LibXenGnttab.COPY_STATUS, LibXenGnttab.GNTST_GENERAL_ERROR);
            }
        }
    }

    /** Whether all pieces from one number to another, exclusive, were copied. */
    boolean copied(int from, int to) {
        for (int i = from; i < to; i++) {
            if (Memory.getShort(piece(i) + LibXenGnttab.COPY_STATUS) != LibXenGnttab.GNTST_OKAY) {
                return false;
            }
        }
        return true;
    }

    void clear() {
        count = 0;
    }

    /** Frees memory that many pieces have taken; none is in use. */
    void shrink() {
        if (room > FIRST_ROOM) {
            count = 0;
            grow(FIRST_ROOM);
        }
    }

    @Override
    public void close() {
        pieces.close();
    }
}
