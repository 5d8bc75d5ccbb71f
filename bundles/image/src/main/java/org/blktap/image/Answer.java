package org.blktap.image;

/** A map's answer to a request for a change. */
public enum Answer {
    /** The {@link Allocation} is filled in. */
    ALLOCATED,
    /** The first {@link EntryChange#length} bytes of the range take no space as it is. */
    NOTHING,
    /** No table of a cache is free ({@link Allocation#noTable}); the disk asks again when one may be. */
    NO_TABLE,
    /** A table must be loaded first ({@link Allocation#notLoaded}); the disk loads it and asks again. */
    NOT_LOADED,
    /**
     * The {@link Allocation} is filled in, but it only makes a table that the map needs before it can decide
     * ({@link EntryChange.Kind#TABLE}); the disk carries it out and asks again.
     */
    PREPARED,
    /** The format cannot make the change, or must not. */
    REFUSED
}
