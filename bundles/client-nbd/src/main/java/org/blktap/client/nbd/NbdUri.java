package org.blktap.client.nbd;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnixDomainSocketAddress;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.PercentCoding;
import org.blktap.api.nbd.Nbd;

/**
 * Where an export is: {@code nbd://host[:port]/export} or {@code nbd+unix:///export?socket=path}. Source: NBD's
 * doc/uri.md.
 *
 * @param export may be empty: the server's default
 */
record NbdUri(SocketAddress address, String export) {
    static NbdUri parse(String text) throws DiskException {
        try {
            return parse(text, new URI(text));
        } catch (URISyntaxException e) {
            throw bad(text, e.getReason());
        } catch (IllegalArgumentException e) {
            // an invalid port or path
            throw bad(text, e.getMessage());
        }
    }

    private static NbdUri parse(String text, URI uri) throws DiskException {
        String path = uri.getPath() == null || uri.getPath().isEmpty()
                ? ""
                : uri.getPath().substring(1);
        String scheme = uri.getScheme() == null ? "" : uri.getScheme();
        switch (scheme) {
            case "nbd" -> {
                if (uri.getHost() == null) {
                    throw bad(text, "it names no host");
                }
                return new NbdUri(
                        new InetSocketAddress(
                                uri.getHost().replaceAll("[\\[\\]]", ""), uri.getPort() < 0 ? Nbd.PORT : uri.getPort()),
                        path);
            }
            case "nbd+unix" -> {
                String socket = socket(uri.getRawQuery());
                if (socket == null) {
                    throw bad(text, "it names no socket");
                }
                return new NbdUri(UnixDomainSocketAddress.of(FileNames.path(socket)), path);
            }
            default -> throw bad(text, "the scheme " + scheme + " is not known");
        }
    }

    private static String socket(String query) {
        for (String each : query == null ? new String[0] : query.split("&")) {
            if (each.startsWith("socket=")) {
                // a plus sign is not decoded as a space
                return PercentCoding.decode(each.substring(7));
            }
        }
        return null;
    }

    private static DiskException bad(String text, String why) {
        return new DiskException(
                Reason.BAD_OPTION,
                "bad NBD URI '" + text + "': " + why
                        + "; expected nbd://host[:port]/export or nbd+unix:///export?socket=path");
    }
}
