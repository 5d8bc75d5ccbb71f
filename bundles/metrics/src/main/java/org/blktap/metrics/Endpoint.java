package org.blktap.metrics;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;

/** An address to listen at. */
sealed interface Endpoint {
    /** The name of the socket in the directory for sockets. */
    String SOCKET = "metrics.sock";

    int PORT_MAX = 65535;
    /** The form of a byte of an IPv4 address. */
    String BYTE = "(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])";
    /** An address in figures, so that no name is looked up, or the one name that every host has. */
    Pattern ADDRESS = Pattern.compile(
            "(localhost|(?:" + BYTE + "\\.){3}" + BYTE + "|\\[[0-9a-fA-F]*:[0-9a-fA-F:.]*\\]):([1-9][0-9]{0,4})");

    /** A unix socket. */
    record Unix(Path path) implements Endpoint {}

    /** A port of the loopback interface. */
    record Loopback(InetSocketAddress address) implements Endpoint {}

    /** @throws DiskException BAD_OPTION */
    static Endpoint parse(String text, Path runDirectory) throws DiskException {
        if (text.equals("unix")) {
            return new Unix(runDirectory.resolve(SOCKET));
        }
        if (text.startsWith("unix:")) {
            Path path = FileNames.path(text.substring("unix:".length()));
            if (!path.isAbsolute() || path.getFileName() == null) {
                throw Options.bad("listen", text, "an absolute path after unix:");
            }
            return new Unix(path.normalize());
        }
        Matcher address = ADDRESS.matcher(text);
        if (!address.matches() || Integer.parseInt(address.group(2)) > PORT_MAX) {
            throw Options.bad(
                    "listen", text, "unix, unix:PATH, or an address and a port such as 127.0.0.1:9920 or [::1]:9920");
        }
        return new Loopback(
                new InetSocketAddress(loopback(text, address.group(1)), Integer.parseInt(address.group(2))));
    }

    private static InetAddress loopback(String text, String host) throws DiskException {
        try {
            InetAddress found = InetAddress.getByName(host);
            if (found.isLoopbackAddress()) {
                return found;
            }
        } catch (UnknownHostException e) {
            throw Options.bad("listen", text, "an address");
        }
        throw Options.bad(
                "listen",
                text,
                "an address of the loopback interface: the figures are not encrypted, and whoever can connect reads them");
    }
}
