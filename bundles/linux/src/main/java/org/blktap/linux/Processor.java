package org.blktap.linux;

/** The kind of processor, on which a few numbers and layouts of Linux depend. Any thread. */
final class Processor {
    private static final String NAME = System.getProperty("os.arch");
    static final boolean AARCH64 = NAME.equals("aarch64");
    static final boolean X86_64 = NAME.equals("amd64");

    private Processor() {}
}
