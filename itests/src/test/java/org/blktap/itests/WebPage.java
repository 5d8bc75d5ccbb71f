package org.blktap.itests;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.By;
import org.openqa.selenium.WebElement;

/**
 * A daemon with the bundle of the page, and a browser that is signed in. With {@code BLKTAP_BROWSER=long} the tests
 * take longer; with the property {@code picture} they write the picture of the README.
 */
abstract class WebPage extends HttpUser {
    static final boolean LONG = "long".equals(System.getenv("BLKTAP_BROWSER"));
    static final String PICTURE = System.getProperty("picture");

    Browser browser;
    private String page;

    @RegisterExtension
    final TestExecutionExceptionHandler keeper = (test, failure) -> {
        throw browser.keep(test, failure);
    };

    @BeforeAll
    void startBrowser(@TempDir Path of) throws Exception {
        browser = Browser.started(of.resolve("browser"));
        page = url("/");
    }

    @AfterAll
    void stopBrowser() {
        if (browser != null) {
            browser.close();
        }
    }

    @BeforeEach
    void signIn() throws Exception {
        browser.size(Browser.WIDTH, Browser.HEIGHT);
        browser.open("about:blank");
        browser.open(page);
        browser.see("#token, h1");
        if (browser.now("#token", "") != null) {
            browser.type("#token", token());
            browser.click("button[type=submit]", "Sign in");
        }
        browser.see("h1", "Disks");
    }

    @AfterEach
    void pageHasNoErrors() {
        browser.assertNoComplaint();
    }

    /** Goes to a view of the page. */
    void view(String name) {
        browser.open(page + "#/" + name);
    }

    /** Waits for the row of a disk, with a text in it. */
    WebElement row(String id, String text) throws Exception {
        return browser.see("tr[data-disk='" + id + "']", text);
    }

    /** A client of NBD that reads and writes for some seconds. */
    Process load(String id, int seconds, String... more) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "fio",
                "--name=load",
                "--ioengine=nbd",
                "--uri=" + daemon.nbd(id),
                "--rw=randrw",
                "--bs=16k",
                "--iodepth=4",
                "--time_based",
                "--runtime=" + seconds,
                "--rate_iops=400,300",
                "--size=32m"));
        command.addAll(java.util.List.of(more));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("fio-" + id + ".log").toFile())
                .start();
    }

    static void end(Process process) throws InterruptedException {
        process.destroy();
        process.waitFor(Run.LIMIT_SECONDS, TimeUnit.SECONDS);
    }

    /** Attaches an image as {@code a}, with all that a row shows. */
    void attachAll(String name) throws Exception {
        String[] options = {"--node", "nbd", "--node", "vhost-user", "--filter", "throttle,iops=2000"};
        daemon.attach(spec("qcow2", name), "a", options);
    }

    List<String> chain() {
        return browser.all("ol.chain code").stream()
                .map(each -> Path.of(each).getFileName().toString())
                .toList();
    }

    static void grows(WebElement job) throws Exception {
        int before = percent(job);
        Wait.until("the progress grows", () -> percent(job) > before);
    }

    static int percent(WebElement job) {
        return Integer.parseInt(job.findElement(By.tagName("progress")).getAttribute("value"));
    }

    String throughput() throws Exception {
        return browser.see("#throughput .plot").getAttribute("aria-label");
    }

    String canvas() {
        return browser.run("return document.querySelector('#throughput canvas').toDataURL()")
                .toString();
    }

    /** Of the background: 0 to 255. */
    double brightness() {
        return ((Number) browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
                        + ".slice(0, 3).reduce((sum, each) => sum + Number(each), 0) / 3"))
                .doubleValue();
    }
}
