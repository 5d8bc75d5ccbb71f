package org.blktap.client.nbd;

import java.io.IOException;
import org.blktap.api.memory.Alignment;
import org.blktap.api.nbd.Nbd;

/**
 * The sizes that a server sets for requests ("Size constraints" of the protocol).
 *
 * @param minimum a power of two; offsets and lengths must be multiples of it
 * @param preferred offsets and lengths are best multiples of it
 * @param maximum the longest READ or WRITE, a multiple of the minimum
 */
record BlockSizes(int minimum, int preferred, int maximum) {
    /** The sizes for a server that announces none. */
    static final BlockSizes DEFAULT = new BlockSizes(1, 4096, Nbd.MAX_PAYLOAD);

    private static final int LARGEST_MINIMUM = 64 << 10;

    /** @throws IOException for sizes that the protocol does not allow */
    static BlockSizes of(int minimum, int preferred, int maximum) throws IOException {
        long most = Integer.toUnsignedLong(maximum);
        if (minimum <= 0 || minimum > LARGEST_MINIMUM || Integer.bitCount(minimum) != 1) {
            throw new IOException("the server's minimum block size is " + Integer.toUnsignedString(minimum)
                    + "; expected a power of two up to " + LARGEST_MINIMUM);
        }
        if (preferred < minimum || Integer.bitCount(preferred) != 1) {
            throw new IOException("the server's preferred block size is " + Integer.toUnsignedString(preferred)
                    + "; expected a power of two, not below the minimum of " + minimum);
        }
        if (most < minimum || maximum != -1 && most % minimum != 0) {
            throw new IOException("the server's maximum block size is " + most
                    + "; expected a multiple of the minimum of " + minimum);
        }
        return new BlockSizes(minimum, preferred, (int) Math.min(most, Nbd.MAX_PAYLOAD));
    }

    /** Rounds an offset down to a multiple of the minimum. */
    long down(long offset) {
        return Alignment.down(offset, minimum);
    }

    /** Rounds an offset up to a multiple of the minimum. */
    long up(long offset) {
        return Alignment.up(offset, minimum);
    }
}
