package org.blktap.filter.luks;

import java.util.ArrayDeque;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.filter.luks.LuksHeader.DataSegment;

/**
 * The pieces of a disk, each with a buffer. Their number is fixed, so that their memory is bounded; transfers wait in
 * order for a free piece. Loop only.
 */
final class Pieces implements AutoCloseable {
    /** Bytes of a piece's buffer, and so the largest request to the disk below. */
    static final int BUFFER = 128 << 10;

    private static final int COUNT = 64;

    private final DataSegment data;
    private final SectorCipher cipher;
    private final Runnable tookTime;
    private final NativeBuffer memory;
    private final PartialSectors partialSectors = new PartialSectors();
    private final Piece[] free = new Piece[COUNT];
    private final ArrayDeque<Transfer> waiting = new ArrayDeque<>();
    private int freeCount;
    private int made;
    private boolean advancing;
    private VirtualDisk below;

    /**
     * @param cipher closed with this
     * @param tookTime called when the cipher has worked ({@link org.blktap.api.engine.IoLoop#tookTime})
     */
    Pieces(DataSegment data, SectorCipher cipher, Runnable tookTime, NativeMemory nativeMemory) {
        this.data = data;
        this.cipher = cipher;
        this.tookTime = tookTime;
        // pages that are not used are not there; what is in them is no longer encrypted
        memory = Secret.undumped(nativeMemory, (long) COUNT * BUFFER);
    }

    void diskBelow(VirtualDisk disk) {
        below = disk;
    }

    VirtualDisk below() {
        return below;
    }

    DataSegment data() {
        return data;
    }

    /** Encrypts as {@link SectorCipher#encrypt} does. */
    boolean encrypt(long address, int bytes, long number) {
        boolean done = cipher.encrypt(address, bytes, number);
        tookTime.run();
        return done;
    }

    /** Decrypts as {@link SectorCipher#decrypt} does. */
    boolean decrypt(long address, int bytes, long number) {
        boolean done = cipher.decrypt(address, bytes, number);
        tookTime.run();
        return done;
    }

    PartialSectors partialSectors() {
        return partialSectors;
    }

    /** Whether a new transfer must wait for earlier ones. */
    boolean crowded() {
        return !waiting.isEmpty();
    }

    /** Returns a free piece, or null if there is none. */
    Piece take() {
        if (freeCount > 0) {
            // the one used last, whose buffer is in the processor's cache
            return free[--freeCount];
        }
        if (made < COUNT) {
            return new Piece(this, memory.address() + (long) made++ * BUFFER);
        }
        return null;
    }

    /** Makes a transfer advance when there is a free piece again. */
    void enqueue(Transfer transfer) {
        waiting.add(transfer);
    }

    void give(Piece piece) {
        free[freeCount++] = piece;
        if (advancing) {
            // the disk below has completed a request at once: the loop below goes on
            return;
        }
        advancing = true;
        while (freeCount > 0 && !waiting.isEmpty()) {
            waiting.poll().advance();
        }
        advancing = false;
    }

    @Override
    public void close() {
        cipher.close();
        memory.close();
    }
}
