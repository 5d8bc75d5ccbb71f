package org.blktap.client.rbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.time.Duration;
import org.blktap.api.disk.DiskException;
import org.junit.jupiter.api.Test;

class ClosingsTest {
    private final Closings closings = new Closings();

    @Test
    void anOpeningWaitsForEveryClosingOfItsImage() {
        closings.begin("p/a");
        closings.begin("p/a");
        closings.begin("p/b");
        closings.end("p/a");
        DiskException e = assertThrows(DiskException.class, () -> closings.await("p/a", 0));
        assertEquals(DiskException.Reason.BUSY, e.reason());
        Thread other = new Thread(() -> closings.end("p/a"));
        assertTimeoutPreemptively(Duration.ofMinutes(1), () -> {
            other.start();
            closings.await("p/a", 60);
            closings.await("p/c", 60);
            other.join();
        });
        assertThrows(DiskException.class, () -> closings.await("p/b", 0));
        closings.end("p/b");
        assertTimeoutPreemptively(Duration.ofMinutes(1), () -> closings.awaitAll(60));
    }
}
