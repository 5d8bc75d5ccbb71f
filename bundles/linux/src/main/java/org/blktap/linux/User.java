package org.blktap.linux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The user that this process is for the kernel. */
public final class User {
    private User() {}

    /**
     * Returns its name, or its number if it has none: for messages of what it may not do, which are mostly about files
     * of another user. May read files of the system's; not for a loop's path of requests. Any thread.
     */
    public static String effective() {
        try {
            return Files.getOwner(Path.of("/proc/self")).getName();
        } catch (IOException | UnsupportedOperationException e) {
            return Integer.toString(Libc.geteuid());
        }
    }
}
