package org.blktap.api.settings;

import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * The instance of the daemon that this process is; a service while it runs, and immutable. A host may have several
 * instances, each with directories of its own.
 *
 * @param name empty for the default instance
 * @param ownProcess whether it was made for one disk, and ends with it
 * @param ownSettings whether it has a file of settings of its own; otherwise it reads that of the default instance, and
 *     must not take what only one process can have, such as a port
 * @param commonRun the directory for sockets of the default instance
 * @param commonData the data directory of the default instance
 */
public record Instance(String name, boolean ownProcess, boolean ownSettings, Path commonRun, Path commonData) {
    /** How the default instance is called where a name is needed. No other has this name. */
    public static final String DEFAULT = "default";
    /** The directory below {@link #commonRun} and {@link #commonData} with those of all other instances, by name. */
    public static final String DIRECTORY = "instances";
    /** The file in the data directory of an instance that was made for one disk. */
    public static final String OWN_PROCESS = "own-process";

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,39}");

    /** Returns the default instance. */
    public static Instance ofDefault(Directories directories) {
        return new Instance("", false, true, directories.run(), directories.data());
    }

    /** Whether a text may name an instance other than the default one. */
    public static boolean isName(String text) {
        return NAME.matcher(text).matches() && !text.equals(DEFAULT);
    }

    /** Whether this is the default instance. */
    public boolean isDefault() {
        return name.isEmpty();
    }

    /** The name for people: {@value #DEFAULT} for the default instance. */
    public String shownName() {
        return isDefault() ? DEFAULT : name;
    }

    /** The directory for sockets of another instance. */
    public Path runOf(String other) {
        return commonRun.resolve(DIRECTORY).resolve(other);
    }

    /** The data directory of another instance. */
    public Path dataOf(String other) {
        return commonData.resolve(DIRECTORY).resolve(other);
    }
}
