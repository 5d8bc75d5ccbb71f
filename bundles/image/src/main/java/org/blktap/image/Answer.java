package org.blktap.image;

/** A map's answer to a request for a change. */
public enum Answer {
    /** The {@link Allocation} is filled in. */
    ALLOCATED,
    /** The first {@link EntryChange#length} bytes of the range take no space as it is. */
    NOTHING,
    /** No table of a cache is free ({@link Allocation#noTable}); the disk asks again when one may be. */
    NO_TABLE,
    /** The format cannot make the change, or must not. */
    REFUSED
}
