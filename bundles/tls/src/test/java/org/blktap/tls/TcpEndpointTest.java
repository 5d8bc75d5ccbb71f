package org.blktap.tls;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.Inet6Address;
import java.net.InetAddress;
import org.blktap.api.disk.DiskException;
import org.junit.jupiter.api.Test;

class TcpEndpointTest {
    private static TcpEndpoint of(String text) throws DiskException {
        return TcpEndpoint.of("tcp", text);
    }

    private static void refused(String text, String why) {
        DiskException error = assertThrows(DiskException.class, () -> of(text), text);
        assertEquals(DiskException.Reason.BAD_OPTION, error.reason());
        assertTrue(error.getMessage().contains(why), error::getMessage);
    }

    @Test
    void addressesAreInDigits() throws Exception {
        assertEquals("127.0.0.1:10809", of("10809").toString());
        assertEquals("192.0.2.7:1", of("192.0.2.7:1").toString());
        assertEquals("[0:0:0:0:0:0:0:1]:65535", of("[::1]:65535").toString());
        assertEquals(of("[::1]:5"), of("[0:0::1]:5"));
        for (String each : new String[] {"", "65536", "1.2.3.4", "host:1", "::1:1", "[::1%]:1"}) {
            refused(each, "a port from 0 to 65535");
        }
    }

    @Test
    void aLinkLocalAddressIsOneOfItsInterface() throws Exception {
        refused("[fe80::1]:1", "the interface of a link-local address");
        refused("[fd00::1%1]:1", "no interface");
        refused("[::1%1]:1", "no interface");
        refused("[fe80::1%no-such-interface]:1", "a port from 0 to 65535");
        TcpEndpoint one = of("[fe80::1%1]:10809");
        assertEquals(1, one.scope());
        assertEquals("[fe80:0:0:0:0:0:0:1%1]:10809", one.toString());
        assertEquals(one, of("[fe80::1%1]:10809"));
        assertEquals(one.hashCode(), of("[fe80::1%1]:10809").hashCode());
        assertNotEquals(one, of("[fe80::1%2]:10809"));
        assertEquals(0, of("[::1]:1").scope());
    }

    @Test
    void aScopeOfAnotherAddressDoesNotMatter() throws Exception {
        byte[] loopback = InetAddress.getByName("::1").getAddress();
        TcpEndpoint scoped = new TcpEndpoint(Inet6Address.getByAddress(null, loopback, 1), 1);
        assertEquals(of("[::1]:1"), scoped);
    }
}
