package org.blktap.api.settings;

import java.lang.System.Logger.Level;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Reads settings that are numbers. A value that is no number or out of range must not keep a bundle from starting: it is reported once in the
 * log, and the default is used. Any thread.
 */
public final class Setting {
    /** The directory of the daemon's sockets where {@code blktap.run.dir} is not set. */
    public static final String RUN_DIRECTORY = "/run/blktap";

    private static final System.Logger LOG = System.getLogger("org.blktap.settings");
    /** Values that have been reported, by property. */
    private static final Map<String, String> REPORTED = new ConcurrentHashMap<>();

    private Setting() {
    }

    /**
     * Returns the value of a system property, or the default if it is not set or not a decimal number from {@code least} to {@code most}.
     *
     * @param property its name
     * @param otherwise the default, which need not be in the range
     */
    public static long number(String property, long otherwise, long least, long most) {
        String text = System.getProperty(property);
        if (text == null) {
            return otherwise;
        }
        try {
            long value = Long.parseLong(text.strip());
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // reported below, as what is out of range
        }
        if (!text.equals(REPORTED.put(property, text))) {
            LOG.log(Level.WARNING, refusal(property, text, otherwise, least, most));
        }
        return otherwise;
    }

    /** As {@link #number(String, long, long, long)}, for an {@code int}. */
    public static int number(String property, int otherwise, int least, int most) {
        return (int) number(property, (long) otherwise, least, most);
    }

    static String refusal(String property, String text, long otherwise, long least, long most) {
        return "-D" + property + "=" + text + ": not a number from " + least + " to " + most + "; the default of " + otherwise + " is used";
    }
}
