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
 * Where an export is: {@code nbd://host[:port]/export} or {@code nbd+unix:///export?socket=path}; with TLS
 * {@code nbds://} and {@code nbds+unix://}. Source: NBD's doc/uri.md, and libnbd's nbd_connect_uri(3) for
 * {@code tls-certificates} and {@code tls-hostname}.
 *
 * @param export may be empty: the server's default
 * @param tls null without TLS
 */
record NbdUri(SocketAddress address, String export, TlsParameters tls) {
    /** The name in the certificate of a server on a unix socket, unless the URI has another. */
    private static final String LOCAL = "localhost";

    NbdUri(SocketAddress address, String export) {
        this(address, export, null);
    }

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
        String query = uri.getRawQuery();
        switch (scheme) {
            case "nbd", "nbds" -> {
                if (uri.getHost() == null) {
                    throw bad(text, "it names no host");
                }
                String host = uri.getHost().replaceAll("[\\[\\]]", "");
                int port = uri.getPort() < 0 ? Nbd.PORT : uri.getPort();
                return new NbdUri(new InetSocketAddress(host, port), path, tls(text, scheme, query, host, port));
            }
            case "nbd+unix", "nbds+unix" -> {
                String socket = parameter(query, "socket");
                if (socket == null) {
                    throw bad(text, "it names no socket");
                }
                return new NbdUri(
                        UnixDomainSocketAddress.of(FileNames.path(socket)), path, tls(text, scheme, query, LOCAL, -1));
            }
            default -> throw bad(text, "the scheme " + scheme + " is not known");
        }
    }

    private static TlsParameters tls(String text, String scheme, String query, String host, int port)
            throws DiskException {
        String certificates = parameter(query, "tls-certificates");
        String name = parameter(query, "tls-hostname");
        if (!scheme.startsWith("nbds")) {
            if (certificates != null || name != null) {
                throw bad(text, "it has parameters of TLS, and nbds:// is with TLS");
            }
            return null;
        }
        if (parameter(query, "tls-verify-peer") != null || parameter(query, "tls-psk-file") != null) {
            throw bad(text, "servers are always verified, by certificates; leave out tls-verify-peer and tls-psk-file");
        }
        return new TlsParameters(
                certificates == null ? null : FileNames.path(certificates), name == null ? host : name, port);
    }

    /** The value of a parameter, or null. */
    private static String parameter(String query, String name) {
        for (String each : query == null ? new String[0] : query.split("&")) {
            if (each.startsWith(name + "=")) {
                // a plus sign is not decoded as a space
                return PercentCoding.decode(each.substring(name.length() + 1));
            }
        }
        return null;
    }

    private static DiskException bad(String text, String why) {
        return new DiskException(
                Reason.BAD_OPTION,
                "bad NBD URI '" + text + "': " + why
                        + "; expected nbd://host[:port]/export or nbd+unix:///export?socket=path, or nbds for TLS");
    }
}
