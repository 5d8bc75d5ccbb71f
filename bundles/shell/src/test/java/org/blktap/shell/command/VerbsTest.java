package org.blktap.shell.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.blktap.api.command.Screen;
import org.blktap.api.control.AttachmentStats;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.shell.Fakes;
import org.blktap.shell.TestVerbs;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;

/** Every verb: arguments, what it calls, what it prints, its exit status. */
class VerbsTest {
    static final List<String> NAMES = TestVerbs.NAMES;

    @TempDir
    Path directory;

    private final Fakes core = new Fakes();
    private String out;
    private String err;

    private int run(String... arguments) {
        return run(core.in(directory), arguments);
    }

    private int run(Surroundings here, String... arguments) {
        StringWriter output = new StringWriter();
        StringWriter error = new StringWriter();
        int status = TestVerbs.VERBS.execute(here, List.of(arguments), new PrintWriter(output), new PrintWriter(error));
        out = output.toString();
        err = error.toString();
        assertTrue(err.lines().count() <= 1, "errors are one line: " + err);
        return status;
    }

    @BeforeEach
    void attachOne() {
        assertEquals(0, run("attach", "tap:ram:x,size=1M", "--id", "one", "--node", "nbd"));
        core.calls.clear();
    }

    @Test
    void filters() {
        assertEquals(0, run("attach", "tap:ram:y,size=1M", "--id", "two", "--filter", "a,x=1", "--filter", "b"));
        assertEquals(List.of("a,x=1", "b"), core.attached.get(1).filters());
        core.calls.clear();
        assertEquals(0, run("filter", "add", "one", "throttle,iops=5", "--below", "b"));
        assertEquals("paused 4 ms\n", out);
        assertEquals(0, run("filter", "set", "one", "throttle", "iops=7", "group="));
        assertEquals("set without a pause\n", out);
        assertEquals(0, run("filter", "add", "one", "trace", "--json"));
        assertTrue(out.contains("\"pausedMicros\": 4000"), out);
        assertEquals(0, run("filter", "remove", "one", "trace"));
        assertEquals("paused 0 ms\n", out);
        assertEquals(
                List.of(
                        "filter add one throttle,iops=5 below b",
                        "filter set one throttle {iops=7, group=}",
                        "filter add one trace below null",
                        "filter remove one trace"),
                core.calls);
        assertEquals(0, run("filter", "list", "two"));
        List<String> lines = out.lines().toList();
        assertTrue(lines.get(1).matches("b +- +waiting 7"), out);
        assertTrue(lines.get(2).matches("a +x=1 +waiting 7"), out);
        assertEquals(0, run("filter", "list", "two", "--json"));
        assertEquals(
                "a",
                JsonParser.parseString(out)
                        .getAsJsonArray()
                        .get(0)
                        .getAsJsonObject()
                        .get("type")
                        .getAsString());
        assertEquals(0, run("stats", "two"));
        assertTrue(out.contains("two: b: waiting 7"), out);
        assertEquals(0, run("info", "two"));
        assertTrue(out.contains("filter a"), out);
        for (String wrong : List.of(
                "filter add one",
                "filter set one a",
                "filter set one a b",
                "filter remove one a b=1",
                "filter list one a",
                "filter remove one a --below b",
                "filter put one a",
                "filter list")) {
            assertEquals(2, run(wrong.split(" ")), wrong);
        }
        core.parked.add("one");
        assertEquals(0, run("filter", "add", "one", "x"));
        assertEquals("recorded; in force when it is resumed\n", out);
    }

    private static String summary(String verb) {
        return TestVerbs.VERBS.catalog().find(verb).summary();
    }

    /** The operands of a verb in its synopsis, each after a blank. */
    private static String operands(String verb) {
        return TestVerbs.VERBS.catalog().find(verb).operands().stream()
                .map(each -> " " + each)
                .collect(Collectors.joining());
    }

    @ParameterizedTest
    @FieldSource("NAMES")
    void everyVerbHasAPage(String verb) {
        assertEquals(0, run(verb, "--help"));
        assertTrue(out.startsWith("Usage: blktap " + verb), out);
        assertTrue(out.contains("--help"), out);
        // operands as they are declared: one that may be left out is in brackets
        String words = out.replaceAll("\\s+", " ");
        assertTrue(words.contains(operands(verb) + " " + summary(verb)), out);
        String page = out;
        assertEquals(0, run("help", verb));
        assertEquals(page, out);
        assertEquals("", err);
    }

    @ParameterizedTest
    @FieldSource("NAMES")
    void everyVerbRefusesWhatItDoesNotKnowInOneLine(String verb) {
        assertEquals(2, run(verb, "--frobnicate"));
        assertTrue(err.startsWith("blktap: ") && err.contains("see blktap " + verb + " --help"), err);
        assertEquals("", out);
    }

    @Test
    void theFirstPageListsAllVerbs() {
        assertEquals(0, run("--help"));
        for (String verb : NAMES) {
            assertTrue(out.contains("\n  " + verb + " "), verb);
        }
        assertTrue(out.contains("Examples:"));
        String page = out;
        assertEquals(0, run("help"));
        assertEquals(page, out);
        assertEquals(0, run("--version"));
        assertTrue(out.startsWith("blktap "), out);
    }

    @Test
    void usageErrors() {
        assertEquals(2, run());
        assertEquals(2, run("frobnicate"));
        assertEquals(2, run("help", "frobnicate"));
        assertEquals(2, run("attach"));
        assertEquals(2, run("attach", "tap:ram:x", "tap:ram:y"));
        assertEquals(2, run("attach", "tap:ram:x", "--node"));
        assertEquals(2, run("attach", "tap:ram:x", "-o", "novalue"));
        assertEquals(2, run("detach"));
        assertEquals(2, run("attach", "/vm/a"));
        assertTrue(err.contains("tap:<type>:<path>"), err);
        assertEquals(2, run("attach", "--read-olny", "tap:ram:x"));
        assertTrue(err.contains("did you mean --read-only"), err);
        assertEquals(List.of(), core.calls);
    }

    @Test
    void attachGivesAllThatWasAskedForAndPrintsIdAndAddresses() {
        assertEquals(
                0,
                run(
                        "attach",
                        "tap:qcow:/vm/a.qcow",
                        "--id",
                        "a",
                        "--node",
                        "vhost-user",
                        "--node",
                        "nbd",
                        "--read-only",
                        "-o",
                        "round=up",
                        "-o",
                        "path=a=b"));
        assertEquals(
                List.of("a", "vhost-user:/run/a.sock", "nbd:/run/a.sock"),
                out.lines().toList());
        var request = core.attached.get(1);
        assertEquals("tap:qcow:/vm/a.qcow", request.spec().toString());
        assertEquals(List.of("vhost-user", "nbd"), request.nodes());
        assertTrue(request.readOnly());
        assertEquals(Map.of("round", "up", "path", "a=b"), request.options());
    }

    @ParameterizedTest
    @CsvSource({
        "tap:qcow:./a.qcow, true",
        "tap:qcow:sub/a.qcow, true",
        "tap:qcow:../a.qcow, true",
        "tap:qcow:here.qcow, true",
        "tap:ram:name, false",
        "tap:zero:1G, false",
        "tap:nbd:nbd://host/x, false",
        "tap:aio:/abs/x, false"
    })
    void pathsOfFilesAreTakenFromTheCallersDirectory(String spec, boolean resolved) throws Exception {
        Files.createFile(directory.resolve("here.qcow"));
        assertEquals(0, run("attach", spec, "--id", "p"));
        String path = core.attached.get(1).spec().path();
        String given = spec.split(":", 3)[2];
        assertEquals(resolved ? directory.resolve(given).normalize().toString() : given, path);
    }

    @Test
    void aFailureIsOneLineAndStatusOne() {
        core.failure =
                new DiskException(Reason.CORRUPT, "/vm/a: header field version\n at offset 4: found 9, expected 1");
        assertEquals(1, run("attach", "tap:qcow:/vm/a"));
        assertEquals("blktap: /vm/a: header field version\\n at offset 4: found 9, expected 1", err.strip());
        assertEquals("", out);
    }

    @Test
    void anErrorOfOursIsToldAsOne() {
        core.failure = new IllegalStateException("oops\nagain");
        assertEquals(1, run("detach", "one"));
        assertTrue(err.startsWith("blktap: internal error"), err);
    }

    @Test
    void detachParkResume() {
        assertEquals(0, run("park", "one"));
        assertEquals(0, run("resume", "one"));
        assertEquals(0, run("resume", "one", "tap:qcow:./a-2.qcow"));
        assertEquals(0, run("detach", "one"));
        assertEquals("", out);
        assertEquals(
                List.of("park one", "resume one", "resume one tap:qcow:" + directory + "/a-2.qcow", "detach one"),
                core.calls);
        assertEquals(1, run("detach", "one"));
        assertEquals("blktap: no attachment 'one'", err.strip());
    }

    @Test
    void listIsATableOrAnArray() {
        assertEquals(0, run("list"));
        assertEquals(
                "ID   STATE        SIZE  ACCESS      SPEC               NODES",
                out.lines().toList().get(0));
        assertEquals(
                "one  running  10.0 GiB  read-write  tap:ram:x,size=1M  nbd",
                out.lines().toList().get(1));
        assertEquals(0, run("list", "--json"));
        var array = JsonParser.parseString(out).getAsJsonArray();
        assertEquals(1, array.size());
        assertEquals("one", array.get(0).getAsJsonObject().get("id").getAsString());
        core.attached.clear();
        assertEquals(0, run("list", "--json"));
        assertEquals("[]", out.strip());
    }

    @Test
    void infoShowsAllInAlignedLines() {
        assertEquals(0, run("info", "one"));
        assertTrue(out.contains("10.0 GiB (10737418240 bytes)"), out);
        int column = out.indexOf("one");
        for (String line : out.lines().toList()) {
            assertTrue(
                    line.charAt(column) != ' '
                            && line.substring(column - 2, column).isBlank(),
                    line);
        }
        assertEquals(0, run("info", "one", "--json"));
        assertEquals(
                "one", JsonParser.parseString(out).getAsJsonObject().get("id").getAsString());
        assertEquals(1, run("info", "none"));
    }

    @Test
    void statsOfOneAndOfAll() {
        assertEquals(0, run("stats", "one"));
        List<String> lines = out.lines().toList();
        assertEquals(
                List.of("ID", "OPERATION", "COUNT", "BYTES", "ERRORS", "MEAN", "P50", "P99", "MAX"),
                List.of(lines.get(0).replace(" µs", "").split(" +")));
        assertEquals(
                List.of("one", "read", "5", "20.0", "KiB", "0", "-", "10", "12", "14"),
                List.of(lines.get(1).split(" +")));
        assertEquals("one: 3 in flight; parked 1 times, 20 ms in all", lines.get(2));
        assertEquals(0, run("stats", "one", "--json"));
        assertEquals(
                5,
                JsonParser.parseString(out)
                        .getAsJsonObject()
                        .getAsJsonObject("operations")
                        .getAsJsonObject("read")
                        .get("count")
                        .getAsLong());
        assertEquals(0, run("stats", "--json"));
        assertEquals(1, JsonParser.parseString(out).getAsJsonArray().size());
    }

    @Test
    void imagesAreConvertedMappedResizedAndShown() {
        assertEquals(
                0, run("convert", "tap:vmdk:./a.vmdk", "tap:qcow2:b.qcow2", "-o", "compression=zstd", "--compress"));
        assertEquals(0, run("convert", "nbd://localhost/a", "tap:aio:/b"));
        assertEquals(0, run("resize", "tap:qcow2:/a", "20G"));
        assertEquals(2, run("resize", "tap:qcow2:/a", "more"));
        assertEquals(0, run("info", "tap:qcow2:/a"));
        assertTrue(out.toString().contains("1.0 MiB (1048576 bytes)"), out.toString());
        assertEquals(0, run("map", "tap:qcow2:/a"));
        assertTrue(out.toString().matches("(?s).*  4096 +8192  8.0 KiB  hole\n.*"), out.toString());
        assertEquals(0, run("map", "tap:qcow2:/a", "--json"));
        assertTrue(out.toString().contains("\"zero\": true"), out.toString());
        assertEquals(
                List.of(
                        "convert tap:vmdk:" + directory + "/a.vmdk tap:qcow2:" + directory
                                + "/b.qcow2 {compression=zstd} compressed",
                        "convert tap:nbd:nbd://localhost/a tap:aio:/b {}",
                        "resize tap:qcow2:/a 21474836480",
                        "info tap:qcow2:/a",
                        "map tap:qcow2:/a",
                        "map tap:qcow2:/a"),
                core.calls);
    }

    @Test
    void aSnapshotIsNamedAfterTheImage() {
        assertEquals(0, run("attach", "tap:aio:/vm/b.img", "--id", "raw"));
        assertEquals(0, run("attach", "tap:vhd:/vm/c.20261127-101112.vhd", "--id", "vhd"));
        assertEquals(0, run("attach", "tap:nbd:unix:x", "--id", "far"));
        core.calls.clear();
        assertEquals(0, run("snapshot", "raw", "vhd", "--name", "old", "-o", "cluster-size=64K"));
        assertTrue(out.startsWith("raw: paused 4 ms\n  tap:qcow2:/vm/b.img.old.qcow2\n  tap:aio:/vm/b.img\n"), out);
        assertEquals(0, run("snapshot", "vhd"));
        assertTrue(out.matches("(?s)vhd: paused 4 ms\n  tap:vhd:/vm/c\\.\\d{8}-\\d{6}\\.vhd\n.*"), out);
        assertEquals(0, run("snapshot", "far", "--name", "./x.qcow", "--type", "qcow", "--json"));
        JsonObject taken = JsonParser.parseString(out).getAsJsonArray().get(0).getAsJsonObject();
        assertEquals("tap:nbd:unix:x", taken.get("backing").getAsString());
        assertEquals(4000, taken.get("pausedMicros").getAsLong());
        assertEquals(
                "snapshot [raw tap:qcow2:/vm/b.img.old.qcow2 {cluster-size=64K},"
                        + " vhd tap:vhd:/vm/c.20261127-101112.vhd.old.vhd {cluster-size=64K}]",
                core.calls.get(0));
        assertTrue(core.calls.contains("snapshot [far tap:qcow:" + directory + "/x.qcow {}]"), core.calls::toString);
        assertEquals(2, run("snapshot", "raw", "vhd", "--name", "/vm/one"));
        assertEquals(2, run("snapshot", "far"));
        assertEquals(2, run("snapshot"));
        assertEquals(1, run("snapshot", "nobody"));
    }

    @Test
    void anAttachedDiskIsResizedByItsIdAndItsImageSaysSo() throws Exception {
        assertEquals(0, run("resize", "one", "20G"));
        assertEquals("20.0 GiB (21474836480 bytes)", out.strip());
        assertEquals(0, run("resize", "one"));
        assertEquals("30.0 GiB (32212254720 bytes)", out.strip(), "what its image has now");
        assertEquals(0, run("resize", "one", "20G", "--json"));
        assertEquals(
                "one", JsonParser.parseString(out).getAsJsonObject().get("id").getAsString());
        assertEquals(List.of("resize one 21474836480", "resize one -1", "resize one 21474836480"), core.calls);
        assertEquals(2, run("resize", "one", "more"));
        assertEquals(2, run("resize", "one", "20G", "-o", "shrink=yes"));
        assertEquals(2, run("resize", "tap:qcow2:/a"), "an image has no size to take");
        assertEquals(1, run("resize", "two", "20G"));
        Path image = Files.createFile(directory.resolve("a.img"));
        Files.createSymbolicLink(directory.resolve("link"), image);
        assertEquals(0, run("attach", "tap:aio:" + image, "--id", "lv"));
        core.failure = new DiskException(Reason.BUSY, image + ": in use by another attachment or process");
        assertEquals(1, run("resize", "tap:raw:link", "20G"));
        assertTrue(err.contains("attached as 'lv'") && err.contains("blktap resize lv 20G"), err);
        assertEquals(1, run("resize", "tap:raw:/elsewhere", "20G"));
        assertTrue(err.contains("in use by another"), err);
    }

    @Test
    void mediaAreChanged() throws Exception {
        Files.createFile(directory.resolve("2.iso"));
        assertEquals(0, run("eject", "one"));
        assertEquals(0, run("insert", "one", "tap:aio:2.iso"));
        assertEquals(0, run("insert", "one", "tap:aio:/b", "--force"));
        assertEquals(2, run("insert", "one"));
        assertEquals(1, run("eject", "two"));
        assertEquals(
                List.of(
                        "exchange one tap:empty:drive",
                        "exchange one tap:aio:" + directory + "/2.iso",
                        "exchange one tap:aio:/b by force"),
                core.calls);
    }

    @Test
    void anAttachMayWaitForTheImage() {
        assertEquals(0, run("attach", "tap:aio:/a", "--wait-for-lock", "60", "-o", "round=up"));
        assertEquals(
                Map.of("wait-for-lock", "60", "round", "up"),
                core.attached.get(1).options());
        assertEquals(2, run("attach", "tap:aio:/a", "--wait-for-lock", "long"));
    }

    @Test
    void whatBecomesOfFailedRequestsIsSetAtTheAttachAndLater() {
        assertEquals(0, run("attach", "tap:aio:/a", "--on-enospc", "park,auto", "--on-eio", "park"));
        assertEquals(
                Map.of("on-enospc", "park,auto", "on-eio", "park"),
                core.attached.get(1).options());
        assertEquals(0, run("set", "one", "on-eio=", "on-enospc=report"));
        assertTrue(core.calls.contains("set one {on-eio=, on-enospc=report}"), core.calls::toString);
        assertEquals(2, run("set", "one"));
        assertEquals(2, run("set", "one", "on-eio"));
    }

    @Test
    void theOldToolsKeepTheirArguments() {
        assertEquals(0, run("qcow-create", "100", "a.qcow"));
        assertEquals(0, run("qcow-create", "-r", "-f", "qcow2", "100", "/a.qcow2", "base.img"));
        assertEquals(0, run("qcow-create", "100", "/b.qcow", "tap:qcow:/a.qcow"));
        assertEquals(2, run("qcow-create", "-f", "vmdk", "100", "/c"));
        assertEquals(2, run("qcow-create", "0", "/c"));
        assertEquals(2, run("qcow-create", "/c"));
        assertEquals(0, run("img2qcow", "/a.qcow", "/a.img"));
        assertEquals(0, run("qcow2raw", "/a.img", "/a.qcow"));
        assertEquals(
                List.of(
                        "create tap:qcow:" + directory + "/a.qcow 104857600 null {}",
                        "create tap:qcow2:/a.qcow2 104857600 tap:aio:" + directory + "/base.img {} reserved",
                        "create tap:qcow:/b.qcow 104857600 tap:qcow:/a.qcow {}",
                        "convert tap:aio:/a.img tap:qcow:/a.qcow {}",
                        "convert tap:qcow:/a.qcow tap:aio:/a.img {}"),
                core.calls);
    }

    @Test
    void createTakesASizeOrABacking() {
        assertEquals(
                0, run("create", "tap:qcow:new.qcow", "10G", "--backing", "tap:aio:./base.img", "-o", "cluster=4k"));
        assertEquals(0, run("create", "tap:qcow:/n", "--backing", "tap:aio:/b"));
        assertEquals(
                List.of(
                        "create tap:qcow:" + directory + "/new.qcow 10737418240 tap:aio:" + directory
                                + "/base.img {cluster=4k}",
                        "create tap:qcow:/n -1 tap:aio:/b {}"),
                core.calls);
        assertEquals(2, run("create", "tap:qcow:/n"));
        assertEquals(2, run("create", "tap:qcow:/n", "lots"));
        assertTrue(err.contains("10G"), err);
        assertEquals(2, core.calls.size());
    }

    @Test
    void wrongUsageIsSaidInPlainWords() {
        run();
        assertEquals("blktap: no verb given; see blktap --help", err.strip());
        run("attatch", "foo");
        assertEquals("blktap: no verb 'attatch' (did you mean attach?); see blktap --help", err.strip());
        run("help", "nope");
        assertEquals("blktap: no verb 'nope'; see blktap --help", err.strip());
        run("attach", "tap:ram:x", "-o", "novalue");
        assertEquals("blktap: -o novalue: expected KEY=VALUE; see blktap attach --help", err.strip());
        run("create", "tap:raw:x");
        assertEquals("blktap: SIZE is missing: give a size such as 10G, or --backing", err.strip());
        run("create", "tap:raw:x", "10X");
        assertEquals("blktap: bad size 10X: expected a size such as 512M or 10G", err.strip());
    }

    @Test
    void checkFailsIfSomethingIsWrong() {
        assertEquals(0, run("check", "tap:qcow:/a"));
        assertEquals("clean: 7 clusters in use", out.strip());
        core.report = new CheckReport(7, 1, List.of("first", "second"));
        assertEquals(1, run("check", "tap:qcow:/a"));
        assertEquals(
                List.of(
                        "error: first",
                        "error: second",
                        "to repair: 1 leaked cluster",
                        "2 errors, 1 leaked cluster: 7 clusters in use"),
                out.lines().toList());
        assertEquals("blktap: tap:qcow:/a: 2 errors, 1 leaked cluster", err.strip());
    }

    @Test
    void leaksAndLeftoversAreNoErrorsAndHaveAStatusOfTheirOwn() {
        core.report = new CheckReport(7, 2, List.of());
        assertEquals(3, run("check", "tap:qcow:/a"));
        assertEquals(
                List.of("to repair: 2 leaked clusters", "no errors, but 2 leaked clusters: 7 clusters in use"),
                out.lines().toList());
        core.report = new CheckReport(7, 0, List.of(), List.of("log of 1 entry: replayed"));
        assertEquals(3, run("check", "tap:qcow:/a"));
        assertEquals(
                List.of("to repair: log of 1 entry: replayed", "no errors, but 1 leftover: 7 clusters in use"),
                out.lines().toList());
        assertEquals("", err);
    }

    @Test
    void aRepairIsMadeWhereTheFirstLookFindsNoErrorsButLeftovers() {
        core.report = new CheckReport(7, 0, List.of(), List.of("log of 1 entry: replayed"));
        core.repaired = new CheckReport(7, 0, List.of());
        assertEquals(0, run("check", "tap:qcow:/a", "--repair"));
        assertEquals(
                List.of("found: 1 leftover", "repaired: log of 1 entry: replayed", "clean: 7 clusters in use"),
                out.lines().toList());
        assertEquals(List.of("check tap:qcow:/a", "repair tap:qcow:/a", "check tap:qcow:/a"), core.calls);
    }

    @Test
    void aCleanImageIsNotOpenedForRepair() {
        assertEquals(0, run("check", "tap:qcow:/a", "--repair"));
        assertEquals(List.of("check tap:qcow:/a"), core.calls);
    }

    @ParameterizedTest
    @CsvSource({"drivers, ram", "nodes, nbd", "engines, libaio"})
    void servicesAsATableOrAnArray(String verb, String name) {
        assertEquals(0, run(verb));
        assertTrue(out.lines().anyMatch(line -> line.startsWith(name)), out);
        assertEquals(0, run(verb, "--json"));
        assertTrue(out.contains("\"name\": \"" + name + "\""), out);
    }

    @Test
    void theFirstEngineIsTheDefault() {
        assertEquals(0, run("engines"));
        assertEquals(
                List.of("ENGINE  STATE    BUNDLE  WHAT IT IS", "libaio  default  a 1"),
                out.lines().toList());
        assertEquals(0, run("engines", "--json"));
        assertTrue(out.contains("\"state\": \"default\""), out);
    }

    @Test
    void withoutTheCoreItIsSaidSo() {
        Surroundings alone = new Surroundings(() -> null, () -> null, directory, false);
        assertEquals(1, run(alone, "nodes"));
        assertTrue(err.contains("core is not active"), err);
        assertEquals(1, run(alone, "check", "tap:qcow:/a"));
        assertFalse(err.isEmpty());
    }

    @Test
    void aBadValueOfAnOptionIsWrongUsage() {
        core.failure = Options.bad("cache", "1", "64K to 1G");
        assertEquals(2, run("attach", "tap:qcow:/vm/a", "-o", "cache=1"));
        assertEquals("blktap: bad option cache=1: expected 64K to 1G", err.strip());
    }

    private int offline(String... arguments) {
        StringWriter output = new StringWriter();
        int status = TestVerbs.VERBS.withoutDaemon(
                List.of(arguments), directory, new PrintWriter(output), new PrintWriter(output));
        out = output.toString();
        return status;
    }

    @Test
    void pagesAndWrongUsageNeedNoDaemon() {
        for (String[] page : new String[][] {{"help", "attach"}, {"attach", "--help"}, {"attach", "-h"}}) {
            assertEquals(0, offline(page));
            assertTrue(out.contains("Usage: blktap attach"), out);
        }
        assertEquals(0, offline("--help"));
        assertEquals(0, offline("--version"));
        for (String[] wrong : new String[][] {
            {}, {"frobnicate"}, {"attach"}, {"detach", "a", "b"}, {"list", "--jsno"}, {"help", "frobnicate"}
        }) {
            assertEquals(2, offline(wrong));
            assertTrue(out.startsWith("blktap: ") && out.lines().count() == 1, out);
        }
        assertEquals(Verbs.NEEDS_DAEMON, offline("attach", "tap:ram:x,size=1M"));
        assertEquals("", out);
    }

    // ---- again and again

    @Test
    void statsOfIntervals() {
        assertEquals(0, run("stats", "one", "--interval", "0.1", "--count", "2"));
        assertEquals(2, out.lines().filter(line -> line.contains("one")).count(), out);
        assertEquals(0, run("stats", "--interval", "0.1", "--count", "1", "--json"));
        JsonObject line = JsonParser.parseString(out.strip()).getAsJsonObject();
        assertEquals(3, line.get("inFlight").getAsInt());
        assertEquals(1, out.lines().count(), out);
        for (String bad : List.of("0", "-1", "1e9", "NaN")) {
            assertEquals(2, run("stats", "--interval", bad), bad);
        }
        assertEquals(1, run("stats", "nobody", "--interval", "1"));
    }

    @Test
    void watchPrintsLinesAndPaintsScreens() {
        assertEquals(0, run("watch", "--count", "2", "--interval", "0.1"));
        assertEquals(2, out.lines().count(), out);
        assertTrue(out.contains(" one running 0 ops/s, read 0 B/s, write 0 B/s, mean - µs, 3 in flight"), out);
        assertEquals(1, run("watch", "nobody"));
        Surroundings plain = core.in(directory);
        Surroundings screen = new Surroundings(
                plain.attachmentsNow(), plain.imagesNow(), null, null, null, directory, true, new Screen(4, 20));
        assertEquals(0, run("attach", "tap:ram:y,size=1M", "--id", "two"));
        assertEquals(0, run(screen, "watch", "--count", "1"));
        String[] lines = out.replaceAll("\u001b\\[[A-Z0-9]*", "").split("\n");
        assertEquals(3, lines.length, "title, heading and one of two rows: " + out);
        for (String each : lines) {
            assertTrue(each.length() <= 20, each);
        }
    }

    @Test
    void ratesAreThoseOfTheInterval() {
        AttachmentStats before = counters(100, 4096, 1, 50);
        AttachmentStats now = counters(300, 40960, 3, 150);
        Rates rates = Rates.between(before, now, 2);
        assertEquals(100, rates.of("write").perSecond());
        assertEquals(18432, rates.of("write").bytesPerSecond());
        assertEquals(2, rates.total().errors());
        // 300 times 150 without 100 times 50, by 200
        assertEquals(200, rates.total().mean());
        assertEquals(0, rates.of("read").perSecond());
        assertEquals(50, Rates.between(now, before, 2).of("write").perSecond(), "attached anew");
        assertTrue(Double.isNaN(Rates.between(now, now, 2).total().mean()));
    }

    private static AttachmentStats counters(long count, long bytes, long errors, double mean) {
        return new AttachmentStats(
                "a",
                0,
                0,
                0,
                Map.of(
                        "write",
                        new AttachmentStats.Counter(
                                count, bytes, errors, new AttachmentStats.Latency(mean, 0, 0, 0, 0, 0))));
    }
}
