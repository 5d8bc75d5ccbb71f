package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.metrics.Distribution;
import org.blktap.api.testkit.MetricRecorder;
import org.blktap.core.UnrulyDriver.Mood;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The figures of attachments, also of one that hangs. */
@Timeout(180)
class AttachmentMetricsTest {
    @TempDir
    Path temporary;

    private final UnrulyDriver driver = new UnrulyDriver();
    private final TestFilter filter = new TestFilter();
    private CoreKit kit;

    @BeforeEach
    void start() throws Exception {
        kit = new CoreKit(temporary.toRealPath(), loop -> new RealFiles());
        kit.installed.addDriver(driver, CoreKit.driver("good"));
        kit.installed.addFilter(filter, new FakeReference<>(Map.of("filter.type", "first")));
    }

    @AfterEach
    void stop() throws Exception {
        driver.relent();
        for (AttachmentStatus each : kit.manager.list()) {
            kit.manager.detach(each.id(), true);
        }
        kit.close();
    }

    private MetricRecorder collect() {
        MetricRecorder recorder = new MetricRecorder();
        kit.manager.collect(recorder);
        return recorder;
    }

    private void send(String id, Operation operation) throws Exception {
        assertEquals(0, kit.send(id, operation).get(1, TimeUnit.MINUTES));
    }

    @Test
    void requestsAreCountedWithTheirLatencies() throws Exception {
        kit.attach("good", "a");
        for (int i = 0; i < 10; i++) {
            send("a", Operation.WRITE);
        }
        kit.until(
                "all are counted",
                () -> kit.manager.stats("a").operations().get("write").count() == 10);
        MetricRecorder seen = collect();
        assertEquals(10, seen.values.get("blktap_attachment_operations{id=a,operation=write}"));
        assertEquals(0, seen.values.get("blktap_attachment_operations{id=a,operation=read}"));
        assertEquals(
                kit.manager.stats("a").operations().get("write").bytes(),
                seen.values.get("blktap_attachment_bytes{id=a,operation=write}"));
        assertEquals(0, seen.values.get("blktap_attachment_errors{id=a,operation=write}"));
        assertEquals(0, seen.values.get("blktap_attachment_in_flight{id=a}"));
        assertTrue(seen.values.get("blktap_attachment_queue_depth{id=a}") >= 1);
        Distribution latency = seen.distributions.get("blktap_attachment_latency_seconds{id=a,operation=write}");
        assertEquals(10, latency.count());
        double mean = kit.manager.stats("a").operations().get("write").latency().mean();
        assertEquals(mean, latency.sum() / 10 * 1e6, 0.02 * mean + 1);
        assertTrue(latency.bounds()[latency.bounds().length - 1] * 1e6
                >= 0.99
                        * kit.manager
                                .stats("a")
                                .operations()
                                .get("write")
                                .latency()
                                .max());
    }

    @Test
    void statesAreOneOfAllAndHaveTheirReason() throws Exception {
        kit.attach("good", "a");
        MetricRecorder seen = collect();
        assertEquals(1, seen.values.get("blktap_attachment_state{id=a,state=running}"));
        assertEquals(0, seen.values.get("blktap_attachment_state{id=a,state=parked}"));
        assertEquals(
                State.values().length,
                seen.values.keySet().stream()
                        .filter(each -> each.startsWith("blktap_attachment_state{"))
                        .count());
        assertTrue(seen.values.keySet().stream().noneMatch(each -> each.startsWith("blktap_attachment_reason")));
        kit.manager.park("a");
        seen = collect();
        assertEquals(1, seen.values.get("blktap_attachment_state{id=a,state=parked}"));
        assertEquals(1, seen.values.get("blktap_attachment_reason{id=a,reason=operator}"));
        assertEquals(1, seen.values.get("blktap_attachment_parks{id=a}"));
        assertNull(seen.values.get("blktap_attachment_chain_length{id=a}"), "no image is open");
    }

    @Test
    void aLoopThatHangsDoesNotHideWhatItHasCounted() throws Exception {
        kit.attach("good", "fine");
        kit.attach("good", "a");
        send("a", Operation.READ);
        driver.submitting = Mood.BLOCKS;
        kit.send("a", Operation.READ);
        kit.until(
                "a does not respond",
                () -> kit.manager.list().stream().anyMatch(each -> each.reason().kind() == Kind.NOT_RESPONDING));
        MetricRecorder seen = collect();
        assertEquals(1, seen.values.get("blktap_attachment_operations{id=a,operation=read}"));
        assertEquals(1, seen.values.get("blktap_attachment_in_flight{id=a}"));
        assertEquals(1, seen.values.get("blktap_attachment_reason{id=a,reason=not_responding}"));
        assertTrue(seen.values.get("blktap_attachment_blocked_seconds{id=a}") > 1);
        assertTrue(seen.values.get("blktap_attachment_stuck_seconds{id=a}") > 1);
        assertEquals(0, seen.values.get("blktap_attachment_blocked_seconds{id=fine}"));
        MetricRecorder loops = new MetricRecorder();
        kit.loops.collect(loops);
        assertTrue(loops.values.get("blktap_loop_longest_turn_seconds{loop=blktap-a}") > 1);
        assertTrue(loops.values.get("blktap_loop_turns{loop=blktap-fine}") > 0);
    }

    @Test
    void whatFiltersReportInNumbersIsShown() throws Exception {
        kit.manager.attach(new AttachRequest(
                TapSpec.parse("tap:good:/a"), "a", List.of("fake"), false, Map.of(), List.of("first,number=7")));
        assertEquals(7, collect().values.get("blktap_filter_figure{id=a,filter=first,figure=number}"));
    }

    @Test
    void theImagesOfAChainAreCountedWithTheirSpace() throws Exception {
        ChainDriver chain = new ChainDriver("chain");
        kit.installed.addDriver(chain, CoreKit.driver("chain"));
        Path base = temporary.toRealPath().resolve("base");
        Path image = base.resolveSibling("a");
        chain.make(base, 1 << 20, null);
        chain.make(image, 1 << 20, base);
        kit.manager.attach(
                new AttachRequest(new TapSpec("chain", image.toString()), "a", List.of("fake"), false, Map.of()));
        MetricRecorder seen = collect();
        assertEquals(2, seen.values.get("blktap_attachment_chain_length{id=a}"));
        assertTrue(seen.values.get("blktap_image_allocated_bytes{id=a,depth=0,type=chain}") >= 4096);
        assertTrue(seen.values.get("blktap_image_allocated_bytes{id=a,depth=1,type=chain}") >= 4096);
        Files.move(image, image.resolveSibling("moved"));
        Files.writeString(image, "another");
        assertFalse(
                collect().values.containsKey("blktap_image_allocated_bytes{id=a,depth=0,type=chain}"),
                "another file has the name");
        Files.delete(image);
        Files.move(image.resolveSibling("moved"), image);
    }
}
