package org.blktap.filter.trace;

/** A part of the time that a request takes. */
enum Stretch {
    /** From the ring or socket to this filter: in the gate and in the filters above. */
    ABOVE("above", "before they reached the filter trace: in the gate, or in a filter above it"),
    /** In the format and the filters below, without a file operation of its own under way. */
    FORMAT(
            "format",
            "in the format, or in a filter below: for a table to be read or written, for another request that has the same cluster"),
    /** From the format to the kernel, to which the loop submits once a turn. */
    ENGINE("engine", "to be submitted: the loop was busy with other requests"),
    /** At the file system or device. */
    DEVICE("device", "at the file system or the device");

    static final Stretch[] ALL = values();

    final String label;
    /** What requests do there, after "they were" or "they waited". */
    final String words;

    Stretch(String label, String words) {
        this.label = label;
        this.words = words;
    }
}
