package org.blktap.shell.tapctl;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.Fakes;
import org.blktap.shell.command.Surroundings;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every verb of tap-ctl: arguments, output, exit status, and what it does with attachments. */
@Timeout(120)
class TapCtlTest {
    @TempDir
    Path directory;

    private Path control;
    private final Fakes core = new Fakes();
    private long daemon = 42;
    private boolean terminal;
    private String out;
    private String err;

    @BeforeEach
    void choose() {
        control = directory.resolve("control");
    }

    private int run(String... arguments) {
        Surroundings here = new Surroundings(() -> core, () -> core, directory, terminal);
        StringWriter output = new StringWriter();
        StringWriter error = new StringWriter();
        int status = TapCtl.execute(
                new Taps(here, new Minors(control, daemon)),
                List.of(arguments),
                new PrintWriter(output),
                new PrintWriter(error));
        out = output.toString();
        err = error.toString();
        assertTrue(err.lines().count() <= 1, "errors are one line: " + err);
        assertEquals(status == 0, err.isEmpty(), err);
        return status;
    }

    private String line(String command) {
        assertEquals(0, run(command.split(" ")), () -> err);
        assertEquals(1, out.lines().count(), out);
        return out.strip();
    }

    private List<String> lines(String command) {
        assertEquals(0, run(command.split(" ")), () -> err);
        return out.lines().toList();
    }

    private void silent(String command) {
        assertEquals(List.of(), lines(command));
    }

    private void refused(int errno, String command) {
        assertEquals(errno, run(command.split(" ")), () -> command + ": " + err);
        assertEquals("", out);
        assertTrue(err.startsWith("tap-ctl: "), err);
    }

    @Test
    void theStepsOfTheHotplugScript() throws Exception {
        assertEquals(control + "/tapdisk/tapdisk-0", line("allocate"));
        assertEquals(control + "/tapdisk/tapdisk-1", line("allocate -d /dev/x"));
        assertEquals(List.of("minor=0", "minor=1", "pid=42"), lines("list"));
        assertEquals("42", line("spawn"));
        silent("attach -p 42 -m 1");
        assertEquals(List.of("minor=0", "pid=42 minor=1 state=0"), lines("list"));
        silent("open -p 42 -m 1 -a qcow:/vm/a.qcow");
        AttachRequest made = core.attached.get(0);
        assertEquals("tap-1", made.id());
        assertEquals("tap:qcow:/vm/a.qcow", made.spec().toString());
        assertEquals(List.of("nbd,socket=" + control + "/nbd42.1,name=tapdisk_client"), made.nodes());
        assertFalse(made.readOnly());
        assertEquals("pid=42 minor=1 state=0 args=qcow:/vm/a.qcow", line("list -t qcow -f /vm/a.qcow"));
        silent("close -p 42 -m 1");
        assertEquals(List.of(), core.attached);
        assertEquals("pid=42 minor=1 state=0", line("list -m 1"));
        silent("close -p 42 -m 1");
        silent("detach -p 42 -m 1");
        assertEquals("minor=1", line("list -m 1"));
        silent("free -m 1");
        silent("free -m 0");
        assertEquals(List.of("pid=42"), lines("list"));
        assertEquals(List.of(), Files.list(control.resolve("tapdisk")).toList());
    }

    @Test
    void createAndDestroyAreAllOfThem() {
        assertEquals(control + "/tapdisk/tapdisk-0", line("create -a aio:/vm/a.img -R -D -d name"));
        assertTrue(core.attached.get(0).readOnly());
        assertEquals(Map.of(), core.attached.get(0).options());
        assertEquals(control + "/tapdisk/tapdisk-1", line("create -a aio:b.img -t 60 --wait-for-lock 60"));
        assertEquals(Map.of("wait-for-lock", "60"), core.attached.get(1).options());
        assertEquals(List.of("pid=42 minor=0 state=0 args=aio:/vm/a.img"), lines("list -f /vm/a.img"));
        silent("destroy -p 42 -m 0 -t 60");
        assertEquals(List.of("detach tap-0"), core.calls.subList(2, 3));
        assertEquals(control + "/tapdisk/tapdisk-0", line("create -a aio:/vm/a.img"), "the lowest that is free");
    }

    @Test
    void aCreateThatFailsLeavesNothing() {
        core.failure = new DiskException(Reason.CORRUPT, "/vm/a: header");
        refused(TapErrno.EINVAL, "create -a aio:/vm/a.img");
        core.failure = new DiskException(Reason.BUSY, "/vm/a: in use");
        refused(TapErrno.EBUSY, "create -a aio:/vm/a.img -t 60");
        core.failure = new IllegalStateException("oops");
        refused(TapErrno.EIO, "create -a aio:/vm/a.img");
        assertTrue(err.contains("internal error"), err);
        core.failure = null;
        refused(TapErrno.ENOENT, "create -a vhdx:/vm/a");
        assertTrue(err.contains("vhdx") && err.contains("qcow"), err);
        refused(TapErrno.EINVAL, "create -a /vm/a");
        assertEquals(List.of("pid=42"), lines("list"));
    }

    @ParameterizedTest
    @CsvSource({"-e 3", "-r", "-s", "-C /log"})
    void optionsWithoutAMeaningAreRefused(String option) {
        refused(TapErrno.EOPNOTSUPP, "create -a aio:/a " + option);
        line("allocate");
        silent("attach -p 42 -m 0");
        refused(TapErrno.EOPNOTSUPP, "open -p 42 -m 0 -a aio:/a " + option);
        assertTrue(err.contains(option.substring(0, 2)), err);
        refused(TapErrno.EOPNOTSUPP, "open -p 42 -m 0 -a aio:/a -E");
        assertEquals(List.of(), core.attached);
    }

    @Test
    void pausedDisksGoOnOrGoOnWithAnother() {
        line("create -a qcow:/vm/a.qcow");
        silent("pause -p 42 -m 0 -t 60");
        assertEquals("pid=42 minor=0 state=0x2a args=qcow:/vm/a.qcow", line("list"));
        silent("pause -p 42 -m 0");
        silent("unpause -p 42 -m 0");
        assertEquals("pid=42 minor=0 state=0 args=qcow:/vm/a.qcow", line("list"));
        refused(TapErrno.EINVAL, "unpause -p 42 -m 0");
        silent("pause -p 42 -m 0");
        refused(TapErrno.EOPNOTSUPP, "unpause -p 42 -m 0 -c /x");
        core.failure = new DiskException(Reason.WRONG_TYPE, "another size");
        refused(TapErrno.EMEDIUMTYPE, "unpause -p 42 -m 0 -a qcow:/vm/b.qcow");
        core.failure = null;
        silent("unpause -p 42 -m 0 -a qcow:/vm/b.qcow");
        assertEquals("pid=42 minor=0 state=0 args=qcow:/vm/b.qcow", line("list"));
    }

    @Test
    void whoIsNotThereHasTapdisksErrorNumbers() {
        line("allocate");
        for (String verb : List.of("close", "detach", "pause", "unpause", "stats", "destroy")) {
            refused(TapErrno.ENOENT, verb + " -p 7 -m 0");
            refused(TapErrno.ENODEV, verb + " -p 42 -m 0");
            refused(TapErrno.ENODEV, verb + " -p 42 -m 5");
        }
        refused(TapErrno.ENOENT, "open -p 7 -m 0 -a aio:/a");
        refused(TapErrno.EINVAL, "open -p 42 -m 0 -a aio:/a");
        refused(TapErrno.ENOENT, "attach -p 7 -m 0");
        refused(TapErrno.ENOENT, "attach -p 42 -m 5");
        refused(TapErrno.ENOENT, "free -m 5");
        silent("attach -p 42 -m 0");
        refused(TapErrno.EEXIST, "attach -p 42 -m 0");
        refused(TapErrno.EAGAIN, "free -m 0");
        refused(TapErrno.ENODEV, "pause -p 42 -m 0");
        silent("open -p 42 -m 0 -a aio:/a");
        refused(TapErrno.EALREADY, "open -p 42 -m 0 -a aio:/a");
        refused(TapErrno.EBUSY, "detach -p 42 -m 0");
        silent("list -p 7");
        silent("list -m 5");
    }

    @Test
    void aSecondImageIsWrittenFromAnUnpauseToTheNextPause() {
        line("create -a qcow:/vm/a.qcow");
        silent("pause -p 42 -m 0");
        core.calls.clear();
        silent("unpause -p 42 -m 0 -a qcow:/vm/leaf.qcow -2 nbd:/run/other,1.sock");
        assertEquals("info tap:nbd:nbd+unix:///?socket=/run/other%2C1.sock", core.calls.get(0));
        assertTrue(
                core.calls
                        .get(1)
                        .matches("filter add tap-0 tee,to=tap:nbd:nbd\\+unix:///\\?socket=/run/other%2C1.sock"
                                + ",key=[-0-9a-f]{36} below null"),
                core.calls::toString);
        assertEquals("resume tap-0 tap:qcow:/vm/leaf.qcow", core.calls.get(2));
        silent("pause -p 42 -m 0");
        core.calls.clear();
        silent("unpause -p 42 -m 0");
        assertEquals(List.of("filter remove tap-0 tee", "resume tap-0"), core.calls);
        // one that is not there changes nothing
        silent("pause -p 42 -m 0");
        core.calls.clear();
        core.failure = new DiskException(Reason.IO, "nobody listens");
        refused(TapErrno.EIO, "unpause -p 42 -m 0 -2 nbd:/run/gone");
        core.failure = null;
        assertEquals(List.of("info tap:nbd:nbd+unix:///?socket=/run/gone"), core.calls);
        refused(TapErrno.EINVAL, "unpause -p 42 -m 0 -2 aio:/a,b");
        refused(TapErrno.ENOENT, "unpause -p 42 -m 0 -2 nosuch:/a");
        silent("unpause -p 42 -m 0");
        assertEquals("", core.attached.get(0).filters().stream().reduce("", String::concat));
        line("create -a qcow:/vm/b.qcow -2 aio:/vm/second");
        assertTrue(core.attached.get(1).filters().get(0).startsWith("tee,to=tap:aio:/vm/second,key="));
    }

    @Test
    void statsShowTheImagesOfTheChain() {
        line("create -a qcow:/vm/a.qcow");
        core.backings.put("tap:qcow:/vm/a.qcow", new TapSpec("vhd", "/vm/b.vhd"));
        core.backings.put("tap:vhd:/vm/b.vhd", new TapSpec("aio", "/vm/c"));
        JsonObject stats = JsonParser.parseString(line("stats -p 42 -m 0")).getAsJsonObject();
        List<String> images = new ArrayList<>();
        stats.get("images").getAsJsonArray().forEach(each -> {
            JsonObject image = each.getAsJsonObject();
            images.add(image.getAsJsonObject("driver").get("name").getAsString() + ":"
                    + image.get("name").getAsString() + " " + image.get("hits"));
        });
        assertEquals(List.of("qcow:/vm/a.qcow [40,0]", "vhd:/vm/b.vhd [0,0]", "aio:/vm/c [0,0]"), images);
        // each names the other: no end of them
        core.backings.put("tap:aio:/vm/c", new TapSpec("vhd", "/vm/b.vhd"));
        assertTrue(JsonParser.parseString(line("stats -p 42 -m 0"))
                        .getAsJsonObject()
                        .getAsJsonArray("images")
                        .size()
                < 100);
    }

    @Test
    void statsAreTapdisks() {
        line("create -a qcow:/vm/a.qcow");
        assertEquals(1, lines("stats -p 42 -m 0").size());
        JsonObject stats = JsonParser.parseString(out).getAsJsonObject();
        assertEquals("qcow:/vm/a.qcow", stats.get("name").getAsString());
        assertEquals("[40,0]", stats.get("secs").toString());
        JsonObject image = stats.get("images").getAsJsonArray().get(0).getAsJsonObject();
        assertEquals("/vm/a.qcow", image.get("name").getAsString());
        assertEquals("[40,0]", image.get("hits").toString());
        assertEquals("[0,0]", image.get("fail").toString());
        assertEquals("qcow", image.get("driver").getAsJsonObject().get("name").getAsString());
        assertEquals(3, stats.get("reqs_outstanding").getAsInt());
        assertFalse(stats.get("read_only").getAsBoolean());
        assertEquals("false", stats.get("read_caching").getAsString());
        assertEquals(0, stats.get("nbd_mirror_failed").getAsInt());
    }

    @Test
    void onATerminalThereAreColumns() {
        line("create -a qcow:/vm/a.qcow");
        line("allocate");
        terminal = true;
        assertEquals(
                List.of("      42    0    0       qcow /vm/a.qcow", "       -    1    -          - -"), lines("list"));
    }

    @Test
    void attachmentsOfOthersHaveNumbersThatStay() throws Exception {
        line("create -a qcow:/vm/a.qcow");
        core.attach(
                new AttachRequest(TapSpec.parse("tap:aio:/vm/b.img"), "root", List.of("vhost-user"), false, Map.of()));
        core.attach(new AttachRequest(TapSpec.parse("tap:aio:/vm/c.img"), "a-data", List.of(), false, Map.of()));
        List<String> first = lines("list");
        assertEquals(
                List.of(
                        "pid=42 minor=0 state=0 args=qcow:/vm/a.qcow",
                        "pid=42 minor=1 state=0 args=aio:/vm/b.img",
                        "pid=42 minor=2 state=0 args=aio:/vm/c.img"),
                first);
        silent("destroy -p 42 -m 0");
        assertEquals(first.subList(1, 3), lines("list"));
        silent("pause -p 42 -m 2");
        assertTrue(core.parked.contains("a-data"));
        refused(TapErrno.EAGAIN, "free -m 2");
        silent("destroy -p 42 -m 1");
        assertEquals(1, core.attached.size());
        core.detach("a-data");
        assertEquals(List.of("pid=42"), lines("list"));
        assertEquals(List.of(), Files.list(control.resolve("tapdisk")).toList(), "the number went with it");
    }

    @Test
    void aGuestIsAskedUnlessItIsForced() {
        line("create -a aio:/a");
        silent("close -p 42 -m 0");
        silent("open -p 42 -m 0 -a aio:/a");
        silent("close -p 42 -m 0 -f");
        assertEquals(
                List.of("detach tap-0", "detach tap-0 by force"),
                core.calls.stream().filter(call -> call.startsWith("detach")).toList());
    }

    /** Has the action done in another thread, which has the time to end if nothing holds it up. */
    private static Thread begun(Runnable action) {
        Thread other = new Thread(action);
        other.setName("other-client");
        other.start();
        long end = System.nanoTime() + java.util.concurrent.TimeUnit.MINUTES.toNanos(1);
        while (other.isAlive() && other.getState() != Thread.State.BLOCKED && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        return other;
    }

    @Test
    void twoListsAtOnceAgreeOnANumber() throws Exception {
        core.attach(new AttachRequest(TapSpec.parse("tap:aio:/vm/a.img"), "first", List.of(), false, Map.of()));
        List<AttachmentStatus> before = core.list();
        Minors minors = new Minors(control, daemon);
        core.attach(new AttachRequest(TapSpec.parse("tap:aio:/vm/b.img"), "a-second", List.of(), false, Map.of()));
        Thread[] other = new Thread[1];
        // the one that has looked before the second came gives the other the time to see both
        Attachments slow = Fakes.proxy(Attachments.class, (proxy, method, arguments) -> {
            other[0] = begun(() -> assertDoesNotThrow(() -> minors.list(core)));
            return before;
        });
        minors.list(slow);
        other[0].join();
        assertTrue(Files.exists(control.resolve("tapdisk/tapdisk-0")), "of the first");
        assertTrue(
                Files.exists(control.resolve("tapdisk/tapdisk-1")), "of the second, though one list did not know it");
    }

    @Test
    void nobodyTakesANumberThatIsBeingFreed() throws Exception {
        line("allocate");
        Thread[] other = new Thread[1];
        core.listed = () -> {
            core.listed = () -> {};
            other[0] = begun(() -> assertDoesNotThrow(() -> new Minors(control, daemon).bind(0, daemon)));
        };
        silent("free -m 0");
        other[0].join();
        assertEquals("pid=42 minor=0 state=0", line("list -m 0"), "bound after it was free, not before");
    }

    @Test
    void aNumberThatWasGivenBackDuringACloseStaysFree() throws Exception {
        line("create -a aio:/a");
        core.detached = () -> assertDoesNotThrow(() -> new Minors(control, daemon).remove(0));
        silent("close -p 42 -m 0");
        assertEquals(List.of("pid=42"), lines("list"));
    }

    @Test
    void aNumberThatIsOpenedDuringADestroyStays() throws Exception {
        line("create -a aio:/a");
        core.detached = () -> assertDoesNotThrow(
                () -> core.attach(new AttachRequest(TapSpec.parse("tap:aio:/b"), "tap-0", List.of(), false, Map.of())));
        refused(TapErrno.EBUSY, "destroy -p 42 -m 0");
        assertEquals("pid=42 minor=0 state=0 args=aio:/b", line("list"));
    }

    @Test
    void afterARestartTheOldPidIsStillTheName() throws Exception {
        line("create -a qcow:/vm/a.qcow");
        daemon = 77;
        assertEquals(
                List.of("pid=42 minor=0 state=0 args=qcow:/vm/a.qcow", "pid=77"),
                lines("list"),
                "its socket has this name");
        silent("pause -p 42 -m 0");
        silent("unpause -p 77 -m 0");
        refused(TapErrno.ENODEV, "pause -p 42 -m 1");
        assertEquals(control + "/tapdisk/tapdisk-1", line("create -a aio:/b"));
        assertEquals("pid=77 minor=1 state=0 args=aio:/b", line("list -p 77"));
        silent("destroy -p 42 -m 0");
        refused(TapErrno.ENOENT, "pause -p 42 -m 0");
    }

    @Test
    void afterARestartOfTheHostTheRecordTellsTheNumber() throws Exception {
        line("create -a aio:/a");
        line("create -a qcow:/b");
        silent("destroy -p 42 -m 0");
        Files.delete(control.resolve("tapdisk/tapdisk-1"));
        Files.delete(control.resolve("tapdisk"));
        assertEquals("pid=42 minor=1 state=0 args=qcow:/b", line("list"));
        assertEquals(control + "/tapdisk/tapdisk-0", line("allocate"));
        assertEquals(control + "/tapdisk/tapdisk-2", line("allocate"));
    }

    @Test
    void filesOfOthersAreNumbersThatAreTaken() throws Exception {
        Files.createDirectories(control.resolve("tapdisk"));
        Files.writeString(control.resolve("tapdisk/tapdisk-0"), "../../etc\n".repeat(1000));
        Files.writeString(control.resolve("tapdisk/tapdisk-x"), "");
        Files.writeString(control.resolve("tapdisk/tapdisk-99999"), "");
        assertEquals(List.of("minor=0", "pid=42"), lines("list"));
        assertEquals(control + "/tapdisk/tapdisk-1", line("allocate"));
    }

    @Test
    void aDirectoryThatCannotBeMadeIsTold() throws Exception {
        Files.writeString(control, "a file");
        refused(TapErrno.EIO, "allocate");
        assertTrue(err.contains(control.toString()), err);
    }

    @Test
    void aCallerThatDoesNotWaitIsTold() throws Exception {
        CountDownLatch go = new CountDownLatch(1);
        CountDownLatch done = new CountDownLatch(1);
        Refused refused = org.junit.jupiter.api.Assertions.assertThrows(
                Refused.class,
                () -> Taps.within(1, () -> {
                    go.await();
                    done.countDown();
                }));
        assertEquals(TapErrno.ETIMEDOUT, refused.errno());
        go.countDown();
        done.await();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "frobnicate",
                "list -x",
                "list -p",
                "list -p abc",
                "allocate here",
                "free",
                "create",
                "create -R",
                "destroy -p 42",
                "destroy -m 0",
                "spawn -x",
                "attach -m 0",
                "open -p 42 -m 0",
                "close -p 42 -m 0 -t soon",
                "pause",
                "unpause -p 42",
                "stats -p 42"
            })
    void wrongUsageIsEinval(String command) {
        refused(TapErrno.EINVAL, command);
    }

    @Test
    void argumentsAsGetoptTakesThem() {
        assertEquals(control + "/tapdisk/tapdisk-0", line("create -RDaaio:/a"));
        assertEquals("pid=42 minor=0 state=0 args=aio:/a", line("--debug list -m0 -p42"));
        assertEquals("pid=42 minor=0 state=0 args=aio:/a", line("list -m 5 --debug -m 0"));
        silent("destroy -m0 -p42");
    }

    @Test
    void everyVerbHasAPage() {
        assertTrue(lines("-h").stream().anyMatch(line -> line.startsWith("  unpause ")), out);
        assertEquals(TapErrno.EINVAL, run());
        assertTrue(err.contains("no verb given"), err);
        for (String verb : TapCtl.commandLine(null).getSubcommands().keySet()) {
            assertTrue(lines(verb + " -h").get(0).startsWith("Usage: tap-ctl " + verb), out);
        }
        StringWriter output = new StringWriter();
        assertEquals(0, TapCtl.offline(List.of("list", "-h"), new PrintWriter(output), new PrintWriter(output)));
        assertTrue(output.toString().contains("Usage: tap-ctl list"), output.toString());
    }
}
