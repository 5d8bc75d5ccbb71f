package org.blktap.format.qcow2;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimLoop;
import org.junit.jupiter.api.Test;

/** Names of backing and data files as QEMU writes them. */
class Qcow2BackingNameTest {
    private static final String IMAGE = "/sim/a.qcow2";

    private final Qcow2Driver driver = new Qcow2Driver();
    private final SimContext context = new SimContext(new SimLoop(new Random(1)), false, Map.of());

    /** An overlay that names its backing file, and perhaps its format, so. */
    private void overlay(String name, String format) throws DiskException {
        context.files.clear();
        context.put("/sim/base.raw", new byte[1 << 20]);
        driver.create(IMAGE, -1, new TapSpec("aio", "/sim/base.raw"), context);
        byte[] image = context.files.get(Path.of(IMAGE)).bytes();
        Qcow2Header h = Qcow2Header.parse(ByteBuffer.wrap(image), IMAGE);
        Map<Integer, byte[]> extensions = new LinkedHashMap<>();
        if (format != null) {
            extensions.put(Qcow2Header.EXT_BACKING_FORMAT, format.getBytes(StandardCharsets.UTF_8));
        }
        ByteBuffer renamed = new Qcow2Header(
                        h.version(),
                        name,
                        h.clusterBits(),
                        h.size(),
                        h.l1Entries(),
                        h.l1Offset(),
                        h.refcountTableOffset(),
                        h.refcountTableClusters(),
                        0,
                        0,
                        0,
                        0,
                        0,
                        h.refcountOrder(),
                        h.length(),
                        0,
                        extensions)
                .bytes();
        ByteBuffer.wrap(image).put(renamed);
        context.put(IMAGE, image);
    }

    private String backing() throws DiskException {
        VirtualDisk disk = driver.open(IMAGE, context);
        disk.close();
        return disk.info().details().get("backing");
    }

    @Test
    void aPlainFileInEachForm() throws Exception {
        String json = "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"/sim/base.raw\"}}";
        for (String name : new String[] {"/sim/base.raw", "base.raw", "file:base.raw", "file:///sim/base.raw", json}) {
            overlay(name, "raw");
            assertTrue(backing().startsWith("aio:") && backing().endsWith("base.raw"), backing());
        }
        // the name gives the format that the header does not give
        overlay(json, null);
        assertEquals("aio:/sim/base.raw", backing());
    }

    @Test
    void anyBytesAreAName() throws Exception {
        String base = "/sim/caf\udce9.raw";
        context.put(base, new byte[1 << 20]);
        driver.create(IMAGE, -1, new TapSpec("aio", base), context);
        assertEquals("aio:caf\udce9.raw", backing(), "named from the directory of the image");
        byte[] image = context.files.get(Path.of(IMAGE)).bytes();
        String header = new String(image, 0, 4096, StandardCharsets.ISO_8859_1);
        assertTrue(header.contains("caf\u00e9.raw"), "the bytes themselves");
    }

    @Test
    void formatsThatContradictEachOtherAreRefused() throws Exception {
        overlay("json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/sim/base.raw\"}}", "raw");
        String message = context.refused(driver, context.files.get(Path.of(IMAGE)), DiskException.Reason.CORRUPT);
        assertTrue(message.contains("the format qcow2"), message);
    }

    @Test
    void otherProtocolsAreRefusedByName() throws Exception {
        overlay("nbd:localhost:10809", "raw");
        String message = context.refused(driver, context.files.get(Path.of(IMAGE)), DiskException.Reason.UNSUPPORTED);
        assertTrue(message.contains("protocol nbd"), message);
    }

    /** As in CVE-2024-4467, the name of a data file that is JSON: what it names is judged as any name is. */
    @Test
    void aDataFileIsNoWayToOtherDrivers() throws Exception {
        SimContext external = new SimContext(context.loop, false, Map.of("data-file", "a.data"));
        driver.create(IMAGE, 1 << 20, null, external);
        byte[] image = external.files.get(Path.of(IMAGE)).bytes();
        Qcow2Header h = Qcow2Header.parse(ByteBuffer.wrap(image), IMAGE);
        for (String name : new String[] {
            "json:{\"driver\":\"host_cdrom\",\"filename\":\"/dev/sr0\"}",
            "nbd:x:1",
            "json:{\"driver\":\"raw\",\"offset\":0,\"file.filename\":\"/etc/passwd\"}",
            "json:{\"driver\":\"qcow2\",\"file.filename\":\"a.data\"}"
        }) {
            ByteBuffer renamed = new Qcow2Header(
                            3,
                            null,
                            h.clusterBits(),
                            h.size(),
                            h.l1Entries(),
                            h.l1Offset(),
                            h.refcountTableOffset(),
                            h.refcountTableClusters(),
                            0,
                            0,
                            h.incompatible(),
                            0,
                            0,
                            h.refcountOrder(),
                            h.length(),
                            0,
                            Map.of(Qcow2Header.EXT_DATA_FILE, name.getBytes(StandardCharsets.UTF_8)))
                    .bytes();
            ByteBuffer.wrap(image).put(renamed);
            external.put(IMAGE, image);
            DiskException e = assertThrows(DiskException.class, () -> driver.open(IMAGE, external));
            assertEquals(DiskException.Reason.UNSUPPORTED, e.reason(), e.getMessage());
        }
    }
}
