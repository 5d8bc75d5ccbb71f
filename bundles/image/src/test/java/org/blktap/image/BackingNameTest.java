package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Files;
import java.nio.file.Path;
import org.blktap.api.disk.TapSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BackingNameTest {
    @TempDir
    Path directory;

    @Test
    void aFileBesideTheImageOrBelowIsNamedFromThere() {
        Path image = Path.of("/vm/a/top");
        assertEquals("base", BackingName.of(image, "/vm/a/base"));
        assertEquals("old/base", BackingName.of(image, "/vm/a/old/base"));
        assertEquals("/vm/base", BackingName.of(image, "/vm/base"));
        assertEquals("/vm/ab/base", BackingName.of(image, "/vm/ab/base"));
        assertEquals("/vm/a/../base", BackingName.of(image, "/vm/a/../base"));
        assertEquals("../base", BackingName.of(image, "../base"));
        assertEquals("caf\udce9", BackingName.of(image, "/vm/a/caf\udce9"));
        assertEquals("a\0b", BackingName.of(image, "a\0b"));
    }

    @Test
    void linksAreSeenThrough() throws Exception {
        Path real = Files.createDirectories(directory.resolve("real")).toRealPath();
        Path link = Files.createSymbolicLink(directory.resolve("link"), real);
        assertEquals("base", BackingName.of(link.resolve("top"), real + "/base"));
        assertEquals("base", BackingName.of(link.resolve("top"), link + "/base"));
        assertEquals(real.resolve("top"), BackingName.withoutLinks(link.resolve("top")));
        // a relative name starts where the image itself is, not its link
        Path linkToImage = Files.createSymbolicLink(directory.resolve("top"), real.resolve("top"));
        String beside = directory.resolve("base").toString();
        assertEquals(beside, BackingName.of(linkToImage, beside));
    }

    @Test
    void aNameWithALineBreakHasNoSpec() {
        assertEquals(new TapSpec("qcow2", "/vm/a"), BackingName.spec("qcow2", Path.of("/vm/a")));
        assertNull(BackingName.spec("qcow2", Path.of("/vm/a\nb")));
        assertNull(BackingName.spec("Not a type", Path.of("/vm/a")));
    }
}
