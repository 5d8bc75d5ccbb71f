package org.blktap.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EndpointTest {
    private static final Path RUN = Path.of("/run/blktap");

    @Test
    void socketsAreInTheDirectoryForSocketsUnlessTheyHaveAPath() throws Exception {
        assertEquals(new Endpoint.Unix(Path.of("/run/blktap/metrics.sock")), Endpoint.parse("unix", RUN));
        assertEquals(new Endpoint.Unix(Path.of("/srv/m")), Endpoint.parse("unix:/srv/x/../m", RUN));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"127.0.0.1:9920", "127.8.8.8:9920", "[::1]:9920", "localhost:9920", "[::ffff:127.0.0.1]:9920"})
    void portsOfTheLoopbackInterfaceAreTaken(String text) throws Exception {
        Endpoint.Loopback found = (Endpoint.Loopback) Endpoint.parse(text, RUN);
        assertEquals(9920, found.address().getPort());
        assertTrue(found.address().getAddress().isLoopbackAddress());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"0.0.0.0:9920", "[::]:9920", "192.0.2.1:9920", "[2001:db8::1]:9920", "[::ffff:192.0.2.1]:9920"})
    void portsOfOtherInterfacesAreRefused(String text) {
        DiskException e = assertThrows(DiskException.class, () -> Endpoint.parse(text, RUN));
        assertTrue(e.getMessage().contains("loopback interface"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "unix:",
                "unix:metrics.sock",
                "unix:/",
                "127.0.0.1",
                "127.0.0.1:",
                "127.0.0.1:0",
                "127.0.0.1:65536",
                "127.0.0.1:999999",
                "127.0.0.256:1",
                "host.example.org:9920",
                ":9920",
                "9920",
                "[127.0.0.1:9920"
            })
    void whatIsNoPlaceIsRefused(String text) {
        assertEquals(
                DiskException.Reason.BAD_OPTION,
                assertThrows(DiskException.class, () -> Endpoint.parse(text, RUN))
                        .reason());
    }
}
