package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.core.PathPolicy.Confined;
import org.blktap.linux.PinnedFile;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PathPolicyTest {
    private static final int SWAPS = 3000;

    @TempDir
    Path directory;

    private Path images;
    private Path image;

    @BeforeEach
    void image() throws Exception {
        directory = directory.toRealPath();
        images = Files.createDirectories(directory.resolve("images/sub"));
        image = Files.createFile(images.resolve("a.qcow"));
    }

    private Confined confine(PathPolicy policy, String named) throws DiskException {
        try (PinnedFile pinned = PinnedFile.of(image);
                ImageDirectory own = ImageDirectory.of(image, pinned)) {
            return policy.confine(image, own, named);
        }
    }

    private Path found(PathPolicy policy, String named) throws DiskException {
        Confined confined = confine(policy, named);
        confined.file().close();
        return confined.path();
    }

    private void refused(Reason reason, PathPolicy policy, String named) {
        DiskException e = assertThrows(DiskException.class, () -> found(policy, named));
        assertEquals(reason, e.reason(), e.getMessage());
    }

    @Test
    void whatOthersServeLiesUnderARootOfItsType() throws Exception {
        PathPolicy policy = PathPolicy.of(List.of("/vm", "tap:rbd:bases/", "tap:rbd:vms/a/golden"));
        for (String allowed : new String[] {"bases/a", "bases/ns/a@s", "vms/a/golden", "vms/a/golden@s"}) {
            policy.checkRemote(image, new TapSpec("rbd", allowed));
        }
        for (String other : new String[] {"bases2/a", "vms/a/golden2", "vms/a", "vm/a", "/vm/a"}) {
            DiskException e =
                    assertThrows(DiskException.class, () -> policy.checkRemote(image, new TapSpec("rbd", other)));
            assertEquals(Reason.FORBIDDEN_PATH, e.reason(), other);
        }
        DiskException none = assertThrows(
                DiskException.class,
                () -> PathPolicy.of(List.of("/")).checkRemote(image, new TapSpec("rbd", "bases/a@s")));
        assertTrue(none.getMessage().endsWith("may allow it, as tap:rbd:bases"), none.getMessage());
    }

    @Test
    void namesThatAreNotUtf8AreToldApart() throws Exception {
        Path one = Files.createFile(images.resolve(FileNames.path("b\udce9")));
        Path other = Files.createFile(images.resolve(FileNames.path("b\udcff")));
        assertEquals(one, found(PathPolicy.of(List.of()), "b\udce9"));
        try (PinnedFile pinned = PinnedFile.of(image);
                NamedFiles named = new NamedFiles(PathPolicy.of(List.of()), Options.none())) {
            named.image(image, pinned);
            Path first = named.confine(image, "b\udce9");
            Path second = named.confine(image, "b\udcff");
            try (PinnedFile file = named.take(first).file();
                    PinnedFile expected = PinnedFile.of(one)) {
                assertTrue(file.status().sameFile(expected.status()));
            }
            assertEquals(other, second);
        }
    }

    @Test
    void imagesMayNameOnlyWhatIsBesideThem() throws Exception {
        Path base = Files.createFile(images.resolve("base"));
        Path outside = Files.createFile(directory.resolve("outside"));
        Path below =
                Files.createFile(Files.createDirectory(images.resolve("below")).resolve("b"));
        Files.createSymbolicLink(images.resolve("link"), outside);
        Files.createSymbolicLink(images.resolve("there and back"), Path.of("../sub/base"));
        PathPolicy strict = PathPolicy.of(List.of());
        assertEquals(base, found(strict, "base"));
        assertEquals(base, found(strict, base.toString()));
        assertEquals(base, found(strict, "there and back"));
        assertEquals(below, found(strict, "below/b"));
        refused(Reason.FORBIDDEN_PATH, strict, outside.toString());
        refused(Reason.FORBIDDEN_PATH, strict, "../../outside");
        refused(Reason.FORBIDDEN_PATH, strict, "link");
        refused(Reason.FORBIDDEN_PATH, strict, "/dev/zero");
        refused(Reason.FORBIDDEN_PATH, strict, ".");
        refused(Reason.NOT_FOUND, strict, "missing");
        refused(Reason.CORRUPT, strict, "a\0b");
        assertEquals(outside, found(PathPolicy.of(List.of("/nowhere", directory.toString())), "link"));
    }

    @Test
    void whatNeitherIsAFileNorADeviceIsNotOpened() throws Exception {
        assertEquals(
                0,
                new ProcessBuilder("mkfifo", images.resolve("pipe").toString())
                        .start()
                        .waitFor());
        refused(Reason.FORBIDDEN_PATH, PathPolicy.of(List.of()), "pipe");
    }

    @Test
    void theImageItselfIsWhereItWasOpened() throws Exception {
        Files.createFile(images.resolve("base"));
        Path link = Files.createSymbolicLink(directory.resolve("other name"), image);
        try (PinnedFile pinned = PinnedFile.of(link)) {
            // the name leads elsewhere by now
            Files.delete(link);
            Files.createFile(directory.resolve("secret"));
            Files.createFile(link);
            try (ImageDirectory own = ImageDirectory.of(link, pinned)) {
                assertEquals(images, own.pinned().realPath());
                assertThrows(DiskException.class, () -> PathPolicy.of(List.of()).confine(link, own, "secret"));
                PathPolicy.of(List.of()).confine(link, own, "base").file().close();
            }
            Files.delete(image);
            assertThrows(
                    DiskException.class, () -> ImageDirectory.of(link, pinned).close());
        }
    }

    /** What was found is what is opened, however often its name changes meanwhile. */
    @Test
    void aNameThatIsSwappedForALinkLeadsNowhere() throws Exception {
        Path base = Files.createFile(images.resolve("base"));
        Path secret = Files.createFile(directory.resolve("secret"));
        Path spare = images.resolve("spare");
        AtomicBoolean stop = new AtomicBoolean();
        Thread swapper = new Thread(() -> {
            try {
                while (!stop.get()) {
                    Files.createSymbolicLink(spare, secret);
                    Files.move(spare, base, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
                    Files.createFile(spare);
                    Files.move(spare, base, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
                }
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        swapper.setName("swapper");
        swapper.start();
        int opened = 0;
        try (PinnedFile hidden = PinnedFile.of(secret)) {
            for (int i = 0; i < SWAPS; i++) {
                try {
                    Confined found = confine(PathPolicy.of(List.of()), "base");
                    try (PinnedFile file = found.file()) {
                        assertFalse(file.status().sameFile(hidden.status()));
                        opened++;
                    }
                } catch (DiskException e) {
                    assertEquals(Reason.FORBIDDEN_PATH, e.reason(), e.getMessage());
                }
            }
        } finally {
            stop.set(true);
            swapper.join();
        }
        assertTrue(opened > 0, "never opened");
    }
}
