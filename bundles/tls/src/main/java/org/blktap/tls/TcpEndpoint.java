package org.blktap.tls;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;

/**
 * An address to listen at.
 *
 * @param address of this host, or the wildcard
 * @param port 0 for any free port
 */
public record TcpEndpoint(InetAddress address, int port) {
    private static final String BYTE = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
    /** The form of an endpoint: an address in digits, which is never looked up, IPv6 in brackets. */
    private static final Pattern FORM = Pattern.compile(
            "(?:(" + BYTE + "(?:\\." + BYTE + "){3}|\\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._-]+)?]):)?(\\d{1,5})");

    private static final int MAX_PORT = 65535;

    /**
     * Parses {@code [ADDRESS:]PORT}; the default address is 127.0.0.1.
     *
     * @param key name of the option or setting, for messages
     * @param text null for none
     * @return null for none
     * @throws DiskException BAD_OPTION
     */
    public static TcpEndpoint of(String key, String text) throws DiskException {
        if (text == null) {
            return null;
        }
        Matcher form = FORM.matcher(text);
        if (form.matches() && Integer.parseInt(form.group(2)) <= MAX_PORT) {
            try {
                return new TcpEndpoint(
                        form.group(1) == null
                                ? InetAddress.getByAddress(new byte[] {127, 0, 0, 1})
                                : address(key, text, form.group(1)),
                        Integer.parseInt(form.group(2)));
            } catch (UnknownHostException e) {
                // reported below
            }
        }
        throw Options.bad(
                key, text, "a port from 0 to 65535, perhaps after an address: 10809, 192.0.2.1:10809, [::1]:10809");
    }

    /**
     * Returns an address. A link-local address is valid on one interface only and must name it; no other address names
     * one (RFC 4007, section 6).
     */
    private static InetAddress address(String key, String text, String digits)
            throws UnknownHostException, DiskException {
        InetAddress address = InetAddress.getByName(digits);
        if (address.isLinkLocalAddress() && address instanceof Inet6Address ipv6 && ipv6.getScopeId() == 0) {
            throw Options.bad(key, text, "the interface of a link-local address, as in [fe80::1%eth0]:10809");
        }
        if (!address.isLinkLocalAddress() && digits.indexOf('%') >= 0) {
            throw Options.bad(key, text, "no interface, since the address is not link-local");
        }
        return address;
    }

    /** Returns the number of the interface of a link-local address; 0 for others. */
    public int scope() {
        return address.isLinkLocalAddress() && address instanceof Inet6Address ipv6 ? ipv6.getScopeId() : 0;
    }

    public TcpEndpoint withPort(int actual) {
        return new TcpEndpoint(address, actual);
    }

    /** Whether only programs of this host can reach the address. */
    public boolean isLoopback() {
        return address.isLoopbackAddress();
    }

    public boolean isIpv6() {
        return address instanceof Inet6Address;
    }

    /** {@inheritDoc} Compares the interface too, which Java's addresses ignore. */
    @Override
    public boolean equals(Object other) {
        return other instanceof TcpEndpoint that
                && address.equals(that.address)
                && scope() == that.scope()
                && port == that.port;
    }

    @Override
    public int hashCode() {
        return Objects.hash(address, scope(), port);
    }

    /** {@inheritDoc} Host and port, as in options. */
    @Override
    public String toString() {
        String host = address.getHostAddress();
        return (isIpv6() ? "[" + host + "]" : host) + ":" + port;
    }
}
