package org.blktap.core.copy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.Images.Progress;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.TapSpec;
import org.junit.jupiter.api.Test;

class CopyDifferencesTest {
    private static final TapSpec FROM = new TapSpec("raw", "/a");
    private static final TapSpec TO = new TapSpec("qcow2", "/b");

    private static DiskInfo disk(long contents, int sector, Map<String, String> details) {
        return DiskInfo.ofContents(contents)
                .withBlocks(sector, 4096)
                .withReadOnly(true)
                .withDetails(details);
    }

    private static List<String> notes(DiskInfo from, DiskInfo to, boolean device) {
        List<String> notes = new ArrayList<>();
        new CopyDifferences(FROM, from, TO, to).report(device, new Progress() {
            @Override
            public boolean at(long bytes, long ofBytes) {
                return true;
            }

            @Override
            public void note(String difference) {
                notes.add(difference);
            }
        });
        return notes;
    }

    @Test
    void nothingIsSaidOfTheSame() {
        assertEquals(
                List.of(), notes(disk(1000001, 512, Map.of()), disk(1000001, 512, Map.of("format", "raw")), false));
        assertEquals(List.of(), notes(disk(1 << 20, 4096, Map.of()), disk(1 << 20, 4096, Map.of()), true));
    }

    @Test
    void whatIsLargerOrCountsOtherwiseIsNamed() {
        assertEquals(
                List.of("tap:qcow2:/b: has 447 bytes of zeros after the 1000001 bytes of tap:raw:/a"),
                notes(disk(1000001, 512, Map.of()), disk(1000448, 512, Map.of()), false));
        List<String> sectors = notes(disk(1 << 20, 4096, Map.of()), disk(1 << 20, 512, Map.of()), false);
        assertTrue(
                sectors.size() == 1 && sectors.get(0).contains("sectors of 512 bytes, tap:raw:/a has 4096"),
                sectors::toString);
        List<String> device = notes(disk(1000001, 512, Map.of()), disk(1 << 20, 512, Map.of()), true);
        assertTrue(
                device.size() == 2
                        && device.get(0).contains("447 bytes of zeros")
                        && device.get(1).contains("keeps what it held after 1000448"),
                device::toString);
    }

    @Test
    void snapshotsAreNamed() {
        List<String> notes = notes(
                disk(512, 512, Map.of(DiskInfo.SNAPSHOTS, "1:" + "x".repeat(1000))), disk(512, 512, Map.of()), false);
        assertTrue(
                notes.size() == 1
                        && notes.get(0).contains("not the snapshots of tap:raw:/a: 1:xxx")
                        && notes.get(0).length() < 500,
                notes::toString);
    }
}
