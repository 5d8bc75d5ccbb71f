package org.blktap.image;

/** What a map says to a change that it is asked for. */
public enum Answer {
    /** The {@link Allocation} is filled in. */
    ALLOCATED,
    /** So much of the range as its {@link EntryChange#length} takes no space already. */
    NOTHING,
    /** No table of a cache is free at present, by {@link Allocation#noTable}; asked again when one may be. */
    NO_TABLE,
    /** The format cannot, or must not. */
    REFUSED
}
