package org.blktap.api.memory;

/**
 * The sizes to which disks and memory are aligned, and arithmetic for them. Units are powers of two, except those of
 * {@link #units}. Values must not be negative. Only {@link #upExact} detects overflow. Any thread; allocates nothing.
 */
public final class Alignment {
    /** Bytes of a sector: the unit of all disks, whatever block size guests see. */
    public static final int SECTOR = 512;
    /** Bytes of a page of memory, and of the blocks of most devices and file systems. */
    public static final int PAGE = 4096;

    private Alignment() {}

    /** Rounds {@code value} up to a multiple of a unit. */
    public static long up(long value, long unit) {
        return value + unit - 1 & -unit;
    }

    /** As {@link #up(long, long)}, for an {@code int}. */
    public static int up(int value, int unit) {
        return value + unit - 1 & -unit;
    }

    /**
     * As {@link #up(long, long)}, for values that a client chooses.
     *
     * @throws ArithmeticException if the result is too large for a {@code long}
     */
    public static long upExact(long value, long unit) {
        return Math.addExact(value, unit - 1) & -unit;
    }

    /** Rounds {@code value} down to a multiple of a unit. */
    public static long down(long value, long unit) {
        return value & -unit;
    }

    /** As {@link #down(long, long)}, for an {@code int}. */
    public static int down(int value, int unit) {
        return value & -unit;
    }

    /**
     * Whether {@code value} is a multiple of a unit; of several values, pass their bits together:
     * {@code isAligned(offset | length, unit)}.
     */
    public static boolean isAligned(long value, long unit) {
        return (value & unit - 1) == 0;
    }

    /** Returns how many units of any size {@code value} needs: a division that rounds up. */
    public static long units(long value, long unit) {
        return (value + unit - 1) / unit;
    }

    /** As {@link #units(long, long)}, for an {@code int}. */
    public static int units(int value, int unit) {
        return (value + unit - 1) / unit;
    }
}
