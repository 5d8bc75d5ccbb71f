package org.blktap.client.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.junit.jupiter.api.Test;

class NbdUriTest {
    @Test
    void bothKindsOfServers() throws Exception {
        assertEquals(
                new NbdUri(new InetSocketAddress("127.0.0.1", 10809), "a/b c"),
                NbdUri.parse("nbd://127.0.0.1/a/b%20c"));
        assertEquals(new NbdUri(new InetSocketAddress("::1", 99), ""), NbdUri.parse("nbd://[::1]:99"));
        assertEquals(
                new NbdUri(UnixDomainSocketAddress.of("/run/a+b c"), "x"),
                NbdUri.parse("nbd+unix:///x?socket=/run/a+b%20c"));
    }

    @Test
    void aSocketHasAnyBytes() throws Exception {
        for (String written : new String[] {"/run/caf%E9", "/run/caf\udce9"}) {
            UnixDomainSocketAddress found = (UnixDomainSocketAddress)
                    NbdUri.parse("nbd+unix:///x?socket=" + written).address();
            assertEquals(FileNames.path("/run/caf\udce9"), found.getPath());
        }
    }

    @Test
    void othersAreRefused() {
        for (String bad : new String[] {
            "",
            "nbd:///x",
            "nbd+unix:///x",
            "http://h/x",
            "nbd://h /",
            "nbd://host:99999/x",
            "nbd+unix:///x?socket=a%00b",
            "nbd+unix:///x?sock=/y"
        }) {
            assertTrue(
                    assertThrows(DiskException.class, () -> NbdUri.parse(bad), bad)
                            .getMessage()
                            .contains("expected nbd://"),
                    bad);
        }
    }
}
