package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.image.sim.SimContext;
import org.blktap.image.sim.SimLoop;
import org.junit.jupiter.api.Test;

class ParentSearchTest {
    private static final Path IMAGE = Path.of("/sim/a");
    private final SimContext context = new SimContext(new SimLoop(new Random(1)), true, Map.of());

    @Test
    void namesAreTriedAsTheyAreBeforeTheirLastParts() throws Exception {
        context.put("/sim/p", new byte[512]);
        context.put("/sim/sub/p", new byte[1024]);
        ParentSearch.Parent found = ParentSearch.open(IMAGE, List.of("C:\\p", "sub\\p"), "aio", context, disk -> null);
        assertEquals(Path.of("/sim/sub/p"), found.path());
        found.disk().close();
        found = ParentSearch.open(
                IMAGE,
                List.of("C:\\p", "sub\\p"),
                "aio",
                context,
                disk -> disk.info().sizeBytes() == 512 ? null : "is too large");
        assertEquals("p", found.name());
        found.disk().close();
    }

    @Test
    void withoutAProofOnlyTheNamesThemselvesCount() {
        context.put("/sim/p", new byte[512]);
        DiskException e = assertThrows(
                DiskException.class, () -> ParentSearch.open(IMAGE, List.of("/vm/p"), "aio", context, null));
        assertEquals(DiskException.Reason.NOT_FOUND, e.reason());
    }

    @Test
    void anImageIsNotItsOwnParent() {
        context.put("/sim/a", new byte[512]);
        assertThrows(
                DiskException.class, () -> ParentSearch.open(IMAGE, List.of("/vm/a"), "aio", context, disk -> null));
    }

    /**
     * Each level of a chain has two candidates, the first of which has the rest of the chain below it as well: 2^30
     * openings.
     */
    @Test
    void aChainThatBranchesIsGivenUp() {
        List<String> opened = new ArrayList<>();
        context.drivers.put("tree", new DiskDriver() {
            @Override
            public VirtualDisk open(String path, DiskContext below) throws DiskException {
                opened.add(path);
                int level = path.length();
                return level > 40
                        ? new SimContext(context.loop, true, Map.of()).openBacking("aio", Path.of("/none"))
                        : ParentSearch.open(
                                        Path.of(path),
                                        List.of(path + "x", path + "y"),
                                        "tree",
                                        below,
                                        disk -> "is another")
                                .disk();
            }
        });
        assertThrows(
                DiskException.class,
                () -> ParentSearch.open(IMAGE, List.of("x", "y"), "tree", context, disk -> "is another"));
        assertTrue(opened.size() <= ParentSearch.MOST_TRIES, opened.size() + " openings");
        assertNull(
                assertThrows(DiskException.class, () -> ParentSearch.open(IMAGE, List.of("/p"), "aio", context, null))
                        .getCause()
                        .getCause());
    }
}
