package org.blktap.jobs.fleece;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.settings.Directories;
import org.blktap.api.testkit.MemoryPort;
import org.blktap.api.testkit.TestFilterContext;
import org.blktap.api.testkit.TimedLoop;
import org.blktap.jobs.TestStatus;
import org.blktap.jobs.bitmap.BitmapFilter;
import org.blktap.jobs.bitmap.Bitmaps;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Points in time that use a bitmap, and a daemon that is killed while they begin or end. */
class PointsInTimeTest {
    private static final int SIZE = 1 << 20;
    private static final String ID = "a";
    private static final PointsInTime.Wish WISH = new PointsInTime.Wish("p", "daily", null, null, false, false, false);

    @TempDir
    Path directory;

    private final NativeMemoryService memory = new NativeMemoryService();
    private final NativeBuffer contents = memory.allocate(SIZE);
    private final MemoryPort below = new MemoryPort(contents);
    private final TimedLoop loop = new TimedLoop();
    /** The record of the attachment. */
    private final List<String> filters = new ArrayList<>();

    private PassThroughDisk open;
    private boolean killedAtRemoval;
    private Directories directories;
    private FleeceFilter fleece;
    private Bitmaps bitmaps;
    private PointsInTime points;

    @BeforeEach
    void start() throws Exception {
        directories = new Directories(directory, directory, directory, directory, directory);
        startDaemon();
        bitmaps.add(ID, "daily", 0);
    }

    @AfterEach
    void stop() {
        if (open != null) {
            open.close();
        }
        contents.close();
    }

    private void startDaemon() {
        Attachments attachments = (Attachments) Proxy.newProxyInstance(
                Attachments.class.getClassLoader(), new Class<?>[] {Attachments.class}, (proxy, method, arguments) -> {
                    return switch (method.getName()) {
                        case "status" -> status();
                        case "list" -> List.of(status());
                        case "addFilter" -> added((String) arguments[1]);
                        case "removeFilter" -> removed((String) arguments[1]);
                        default -> throw new UnsupportedOperationException(method.getName());
                    };
                });
        fleece = new FleeceFilter(directories);
        bitmaps = new Bitmaps(new BitmapFilter(directories), attachments);
        points = new PointsInTime(fleece, attachments, bitmaps);
        killedAtRemoval = false;
    }

    private Duration added(String spec) throws DiskException {
        filters.add(spec);
        if (Options.nameIn(spec).equals(FleeceFilter.TYPE)) {
            open = fleece.open(
                    below, TestFilterContext.of(ID, loop, memory).withOptions(Options.valuesIn(spec, "test")));
        }
        return Duration.ZERO;
    }

    private Duration removed(String type) {
        filters.removeIf(each -> Options.nameIn(each).equals(type));
        if (open != null) {
            open.close();
            open = null;
        }
        if (killedAtRemoval) {
            throw new IllegalStateException("meant to be killed");
        }
        return Duration.ZERO;
    }

    private AttachmentStatus status() {
        return TestStatus.of(ID, "tap:ram:a", State.RUNNING, SIZE, Map.of(), filters);
    }

    private String usedBy() throws DiskException {
        return bitmaps.list(ID).get(0).usedBy();
    }

    @Test
    void itsBitmapIsFreeAfterwards() throws Exception {
        points.begin(ID, WISH);
        assertEquals("p", usedBy());
        points.end(ID, true);
        assertEquals("", usedBy());
        assertFalse(Files.exists(fleece.directory().resolve("a.point")));
    }

    @Test
    void aKillWhileItEndsLeavesNoBitmapInUse() throws Exception {
        points.begin(ID, WISH);
        killedAtRemoval = true;
        assertThrows(IllegalStateException.class, () -> points.end(ID, true));
        startDaemon();
        // as the job does that goes on
        points.end(ID, true);
        assertEquals("", usedBy());
        points.begin(ID, WISH);
        assertEquals("p", usedBy());
    }

    @Test
    void aKillWhileItBeginsLeavesNoBitmapInUse() throws Exception {
        PointFile.ask(fleece.directory(), ID, new PointHeader.Asked("other", 65536, "", "daily"));
        bitmaps.freeze(ID, "daily", "other");
        startDaemon();
        assertEquals("other", usedBy());
        points.begin(ID, WISH);
        assertEquals("p", usedBy());
    }
}
