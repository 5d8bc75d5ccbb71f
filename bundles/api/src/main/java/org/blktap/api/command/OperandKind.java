package org.blktap.api.command;

/**
 * Kind of thing that an operand, or the value of an option, names. Completion offers the things of that kind that
 * exist.
 */
public enum OperandKind {
    /** An attachment, by its id. */
    ID,
    /** A disk: {@code tap:<type>:<path>}. */
    SPEC,
    /** An image that does not exist yet: {@code tap:<type>:<path>}. */
    NEW,
    /** A node to make: {@code kind[:target][,key=value...]}. */
    NODE,
    /** A filter to make: {@code type[,key=value...]}. */
    FILTER,
    /** The type of a filter of the attachment that was named before. */
    FILTERED,
    /** A node of the attachment that was named before. */
    PLUGGED,
    /** A file of the caller. */
    FILE,
    /** A bundle, by its symbolic name. */
    BUNDLE,
    /** A verb. */
    VERB,
    /** A size such as {@code 10G}. */
    SIZE,
    /** Anything else. */
    TEXT
}
