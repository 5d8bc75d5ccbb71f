package org.blktap.linux;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/**
 * Who may connect to a unix socket: its permissions and group, as they are asked for.
 *
 * @param mode permission bits, or {@link #ANY}
 * @param group a name or a number; null for any, which is the group of the process for a socket that is made
 */
public record SocketAccess(int mode, String group) {
    /** No permissions are asked for. */
    public static final int ANY = -1;

    /**
     * Reads the options {@code mode=} and {@code group=}.
     *
     * @throws DiskException BAD_OPTION
     */
    public static SocketAccess of(Options options) throws DiskException {
        String mode = options.text("mode", null);
        String group = options.text("group", null);
        return new SocketAccess(mode == null ? ANY : bits("mode", mode), group);
    }

    /**
     * Reads the settings {@code socket.mode} and {@code socket.group}.
     *
     * @param mode octal digits
     * @param group empty for none
     * @throws DiskException BAD_OPTION
     */
    public static SocketAccess ofSettings(String mode, String group) throws DiskException {
        return new SocketAccess(bits("socket.mode", mode), group.isEmpty() ? null : group);
    }

    private static int bits(String key, String octal) throws DiskException {
        if (!octal.matches("0?[0-7]{3}")) {
            throw Options.bad(key, octal, "permissions such as 0660");
        }
        return Integer.parseInt(octal, 8);
    }

    /** What is asked for here, and for the rest what others ask for. */
    public SocketAccess or(SocketAccess others) {
        return new SocketAccess(mode == ANY ? others.mode : mode, group == null ? others.group : group);
    }

    /** Whether no socket can be as both ask for. */
    public boolean contradicts(SocketAccess other) {
        return mode != ANY && other.mode != ANY && mode != other.mode
                || group != null && other.group != null && !group.equals(other.group);
    }

    @Override
    public String toString() {
        return (mode == ANY ? "any mode" : "mode " + Integer.toOctalString(mode))
                + (group == null ? "" : " and group " + group);
    }
}
