package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.openqa.selenium.WebElement;

/** The web page in a real Chromium: what an operator does with it. */
class WebPageIT extends WebPage {
    @Test
    void theListShowsStateSizeChainNodesAndFilters() throws Exception {
        create("aio", "base.img", "64M");
        create("qcow2", "middle.qcow2", "64M", "--backing", spec("aio", "base.img"));
        create("qcow2", "top.qcow2", "64M", "--backing", spec("qcow2", "middle.qcow2"));
        attachAll("top.qcow2");
        row("a", "qcow2 › qcow2 › aio");
        for (String each :
                List.of("running", "64.0 MiB", spec("qcow2", "top.qcow2"), "nbd", "vhost-user", "throttle")) {
            row("a", each);
        }
        daemon.attach(create("vhd", "b.vhd", "32M"), "b", "--read-only");
        row("b", "read-only");
        browser.type("input[aria-label='Filter disks']", "vhd");
        browser.gone("tr[data-disk=a]", "");
        row("b", "vhd");
        browser.click("tr[data-disk=b] a", "b");
        browser.see("h1", "b");
        browser.see(".facts", "read-only");
    }

    @Test
    void aDiskIsAttachedAndDetached() throws Exception {
        create("qcow2", "new.qcow2", "32M");
        browser.click("button.attach");
        browser.type("#attach-path", directory.resolve("new.qcow2").toString());
        browser.type("#attach-id", "new");
        browser.click("dialog button.add", "Add filter");
        browser.type("dialog input[name=filter]", "throttle,iops=5000");
        browser.click("dialog button[type=submit]");
        browser.see(".toast", "new is attached");
        row("new", "running");
        assertEquals("running", daemon.state("new"));
        assertEquals(
                "[\"throttle,iops=5000\"]",
                daemon.attachment("new").get("filters").toString());
        io("new", "write -P 7 0 64k", "read -P 7 0 64k");
        browser.click("tr[data-disk=new] a", "new");
        browser.click("button.danger", "Detach");
        browser.click("dialog button[type=submit]", "Detach");
        browser.see("h1", "Disks");
        browser.gone("tr[data-disk=new]", "");
        assertEquals("absent", daemon.state("new"));
    }

    @Test
    void aRefusedAttachShowsWhatTheDaemonSays() throws Exception {
        Path missing = directory.resolve("missing.qcow2");
        Run command = daemon.blktap("attach", "tap:qcow2:" + missing, "--id", "x");
        assertNotEquals(0, command.status());
        String says = command.err().strip().replaceFirst("^blktap: ", "");
        browser.click("button.attach");
        browser.type("#attach-path", missing.toString());
        browser.click("dialog button[type=submit]");
        browser.see("dialog [role=alert]", says);
        assertEquals(missing.toString(), browser.see("#attach-path").getAttribute("value"), "nothing is typed twice");
        browser.click("dialog button", "Cancel");
        browser.gone("dialog", "");
        assertEquals("[]", daemon.list().toString());
    }

    @Test
    void aDiskIsParkedAndResumed() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "32M"), "a", "--node", "nbd");
        browser.click("button[aria-label='Park a']");
        row("a", "parked by an operator");
        assertEquals("parked", daemon.state("a"));
        browser.click("button[aria-label='Resume a']");
        row("a", "running");
        assertEquals("running", daemon.state("a"));
        // what others do is seen, too
        daemon.blktap("park", "a").ok();
        row("a", "parked");
        daemon.blktap("resume", "a").ok();
        row("a", "running");
    }

    @Test
    void aSnapshotMakesTheChainLonger() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "32M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 1M");
        view("disks/a");
        browser.see("ol.chain", "a.qcow2");
        browser.click("button", "Snapshot");
        browser.type("#snapshot-name", "before");
        browser.click("dialog button[type=submit]");
        browser.see("ol.chain", "a.qcow2.before.qcow2");
        Wait.until("the chain has two images", () -> chain().equals(List.of("a.qcow2.before.qcow2", "a.qcow2")));
        assertEquals(
                spec("qcow2", "a.qcow2.before.qcow2"),
                daemon.attachment("a").get("spec").getAsString());
        // the third image is one that the list of disks does not name
        daemon.blktap("snapshot", "a", "--name", "again").ok();
        Wait.until("the chain has three images", () -> chain().size() == 3);
        assertEquals("a.qcow2", chain().get(2));
        browser.click("button", "Resize");
        browser.type("#resize-size", "48M");
        browser.click("dialog button[type=submit]");
        browser.see(".facts", "48.0 MiB");
        io("a", "read -P 1 0 1M", "write 47M 1M");
    }

    @Test
    void nodesAndFiltersComeAndGo() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "32M"), "a", "--node", "nbd");
        view("disks/a");
        browser.click("button.add", "Add node");
        browser.type("#plug-node", "nonsense");
        browser.click("dialog button[type=submit]");
        browser.see("dialog [role=alert]", "nonsense");
        browser.type("#plug-node", "vhost-user");
        browser.click("dialog button[type=submit]");
        browser.see("section[aria-labelledby=nodes-title]", "vhost-user");
        browser.click("button[aria-label='Remove node nbd']");
        browser.click("dialog button[type=submit]", "Remove");
        browser.gone("section[aria-labelledby=nodes-title] li", "nbd+unix");
        assertEquals(1, daemon.attachment("a").getAsJsonArray("nodes").size());

        browser.click("button.add", "Add filter");
        browser.type("#filter-spec", "throttle,iops=5000,iops-burst=9000");
        browser.click("dialog button[type=submit]");
        browser.see("section[aria-labelledby=filters-title]", "iops-burst=9000");
        browser.click("button[aria-label='Options of throttle']");
        browser.type("#filter-options", "iops=4000");
        browser.click("dialog button[type=submit]");
        browser.gone("section[aria-labelledby=filters-title]", "iops-burst");
        assertEquals(
                "[\"throttle,iops=4000\"]",
                daemon.attachment("a").get("filters").toString());
        browser.click("button[aria-label='Remove filter throttle']");
        browser.click("dialog button[type=submit]", "Remove");
        browser.see("section[aria-labelledby=filters-title]", "without a filter");
        assertEquals("[]", daemon.attachment("a").get("filters").toString());
    }

    @Test
    void aJobIsPausedResumedAndCancelled() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "64M"), "a", "--node", "nbd");
        io("a", "write -P 1 0 48M", "flush");
        view("jobs");
        browser.click("button.main", "Start job");
        browser.type("#job-to", directory.resolve("b.qcow2").toString());
        browser.type("#job-speed", "2M");
        browser.click("dialog button[type=submit]");
        WebElement job = browser.see("li[data-job]", "running");
        String number = job.getAttribute("data-job");
        assertEquals("RUNNING", job(number).get("state").getAsString());
        grows(job);
        browser.click("button[aria-label='Pause job " + number + "']");
        browser.see("li[data-job]", "paused");
        assertEquals("PAUSED", job(number).get("state").getAsString());
        browser.click("button[aria-label='Resume job " + number + "']");
        browser.see("li[data-job]", "running");
        browser.click("button[aria-label='Speed of job " + number + "']");
        browser.type("#speed", "4M");
        browser.click("dialog button[type=submit]");
        browser.see("li[data-job]", "at most 4.0 MiB/s");
        grows(job);
        browser.click("button[aria-label='Cancel job " + number + "']");
        browser.see("section[aria-label=Ended] li[data-job='" + number + "']");
        assertEquals("FAILED", job(number).get("state").getAsString());
        assertEquals(
                spec("qcow2", "a.qcow2"), daemon.attachment("a").get("spec").getAsString());
        assertFalse(Files.exists(directory.resolve("b.qcow2")));
    }

    @Test
    void aJarIsDeployedAndItsTypeAppears() throws Exception {
        Path jar = Path.of(System.getProperty("example.jar"));
        view("bundles");
        browser.see("section[aria-label='Types of disks']", "qcow2");
        Path broken = Files.writeString(directory.resolve("broken.jar"), "no jar");
        browser.choose("#jar", broken);
        browser.see("main > [role=alert]", "broken.jar");
        browser.choose("#jar", jar);
        browser.see("tr[data-bundle='org.blktap.driver-zero']", "active");
        browser.see("section[aria-label='Types of disks']", "zero");
        view("disks");
        browser.click("button.attach");
        browser.click("#attach-type option[value=zero]");
        browser.type("#attach-path", "1G");
        browser.type("#attach-id", "z");
        browser.click("dialog button[type=submit]");
        row("z", "1.0 GiB");
        view("bundles");
        browser.click("button[aria-label='Take out org.blktap.driver-zero']");
        browser.click("dialog button[type=submit]", "Take out");
        browser.gone("tr[data-bundle='org.blktap.driver-zero']", "");
        view("disks");
        row("z", "parked");
    }

    @Test
    void healthDiagnosisAndEventsAreThoseOfTheCommands() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "32M"), "a", "--node", "nbd");
        row("a", "running");
        daemon.blktap("park", "a").ok();
        view("health");
        browser.see("tr[data-check=disks]", "a is parked");
        JsonObject report =
                JsonParser.parseString(daemon.blktap("health", "--json").out()).getAsJsonObject();
        browser.see("h1 + .state", report.get("status").getAsString());
        for (var each : report.getAsJsonArray("checks")) {
            JsonObject check = each.getAsJsonObject();
            browser.see(
                    "tr[data-check=" + check.get("name").getAsString() + "]",
                    check.get("status").getAsString());
        }
        browser.see(".diag", "attachment a");
        for (String line : daemon.blktap("diag").ok().out().strip().split("\n")) {
            if (!line.startsWith("all ")) {
                browser.see(".diag", line.strip());
            }
        }
        view("events");
        browser.see(".event-table tbody tr", "parked");
        daemon.blktap("resume", "a").ok();
        browser.see(".event-table tbody tr", "resumed");
        browser.click("select[aria-label=Kind] option", "parked");
        browser.gone(".event-table tbody tr", "resumed");
        browser.see(".event-table tbody tr", "parked");
    }

    @Test
    void chartsMoveUnderTheLoadOfAClient() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "64M"), "a", "--node", "nbd");
        row("a", "running");
        Wait.until("there are figures", () -> throughput().contains("read 0 B/s, write 0 B/s"));
        String calm = canvas();
        Process fio = load("a", LONG ? 60 : 5);
        Wait.until("reads and writes are seen", () -> throughput().matches(".*read [^0]\\S* .*write [^0]\\S* .*"));
        Wait.until(
                "latency is seen",
                () -> browser.see("#latency .plot")
                        .getAttribute("aria-label")
                        .matches(".*read \\d+\\S* (µs|ms).*write \\d+\\S* (µs|ms)"));
        String first = canvas();
        assertNotEquals(calm, first);
        Wait.until("the lines move", () -> !canvas().equals(first));
        Wait.until("the row has figures", () -> browser.now("tr[data-disk=a]", "iB/s") != null);
        view("disks/a");
        Wait.until("the disk has lines", () -> throughput().matches(".*read [^0]\\S* .*"));
        browser.see("section[aria-labelledby=operations-title]", "write");
        browser.see("section[aria-labelledby=nodes-title]", "clients");
        assertTrue(fio.waitFor(Run.LIMIT_SECONDS, java.util.concurrent.TimeUnit.SECONDS), "fio ends");
        assertEquals(0, fio.exitValue());
        Wait.until("it is calm again", () -> throughput().contains("read 0 B/s, write 0 B/s"));
        if (PICTURE != null) {
            new WebPagePicture(this).write(Path.of(System.getProperty("project.root"), "docs/images/page.png"));
        }
    }
}
