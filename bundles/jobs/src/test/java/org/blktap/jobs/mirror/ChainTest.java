package org.blktap.jobs.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.blktap.api.disk.TapSpec;
import org.junit.jupiter.api.Test;

class ChainTest {
    private static final Chain CHAIN = new Chain(
            List.of(spec("vhd", "d"), spec("qcow", "c"), spec("vhd", "b"), spec("aio", "a")),
            Map.of("backing-type", "qcow:vhd:aio", "engine", "portable", "x", "y"));

    private static TapSpec spec(String type, String name) {
        return new TapSpec(type, "/" + name);
    }

    @Test
    void optionsAreThoseOfTheImagesThatAreLeft() {
        assertEquals(Map.of("backing-type", "vhd:aio", "x", "y"), CHAIN.driverOptions(1));
        assertEquals(Map.of("engine", "portable", "x", "y"), CHAIN.attachmentOptions(3));
        // b is committed to a
        assertEquals("qcow:aio", CHAIN.optionsWithout(2, 3).get("backing-type"));
        // c and b are
        assertEquals("aio", CHAIN.optionsWithout(1, 3).get("backing-type"));
        // d has everything
        assertEquals(null, CHAIN.optionsWithout(1, 4).get("backing-type"));
    }

    @Test
    void imagesAreFound() throws Exception {
        assertEquals(2, CHAIN.place(spec("vhd", "b")));
    }
}
