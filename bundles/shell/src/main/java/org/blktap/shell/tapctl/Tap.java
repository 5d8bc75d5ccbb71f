package org.blktap.shell.tapctl;

import picocli.CommandLine.Option;

/** The options by which most verbs name a disk. */
final class Tap {
    @Option(
            names = "-p",
            paramLabel = "PID",
            required = true,
            description = "The daemon's pid, as spawn and list show it.")
    long pid;

    @Option(
            names = "-m",
            paramLabel = "MINOR",
            required = true,
            description = "The number, as allocate, create and list show it.")
    int minor;
}
