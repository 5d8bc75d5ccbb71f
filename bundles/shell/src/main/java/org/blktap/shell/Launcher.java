package org.blktap.shell;

import java.util.logging.Logger;

/**
 * The daemon's main class, outside of the framework. It makes the log's handlers before it starts Felix: gogo puts streams of its own
 * in the place of System.err, and a handler that is made later would write to whichever client's command it runs for.
 */
public final class Launcher {
    private Launcher() {
    }

    /** @param arguments the main class to go on with, and its arguments */
    public static void main(String[] arguments) throws ReflectiveOperationException {
        // the call makes them
        Logger.getLogger("").getHandlers();
        String[] rest = java.util.Arrays.copyOfRange(arguments, 1, arguments.length);
        Class.forName(arguments[0]).getMethod("main", String[].class).invoke(null, (Object) rest);
    }
}
