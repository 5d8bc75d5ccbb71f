package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Makes the picture of the README: disks with names as on a host, under load. Needs root, and that there is no /vm. */
final class WebPagePicture {
    /** The charts show two minutes. */
    private static final int SECONDS = 75;

    private static final Path DIRECTORY = Path.of("/vm");

    private final WebPage page;

    WebPagePicture(WebPage page) {
        this.page = page;
    }

    void write(Path file) throws Exception {
        assertFalse(Files.exists(DIRECTORY), DIRECTORY + " is in use");
        page.daemon.detach("a");
        List<Process> load = new ArrayList<>();
        try {
            disks();
            load.add(page.load("web1-root", 600, "--rate_iops=500,240", "--bs=32k"));
            load.add(page.load("db", 600, "--rate_iops=900,500", "--bs=8k", "--iodepth=2"));
            load.add(page.load("web1-data", 600, "--rate_iops=120,60", "--bs=64k"));
            page.view("disks");
            page.daemon
                    .blktap("move", "web1-data", "tap:qcow2:/vm/fast/data.qcow2", "--speed", "1M")
                    .ok();
            // changes of load, so that the lines are no straight ones
            for (int second = 0; second < SECONDS; second += 15) {
                Process more = page.load("web1-root", 7, "--rate_iops=" + (200 + 12 * second) + ",100", "--bs=64k");
                load.add(more);
                Thread.sleep(15_000);
            }
            page.browser.systemTheme("light");
            page.browser.see("h1", "Disks");
            Files.createDirectories(file.getParent());
            Files.write(file, page.browser.picture());
        } finally {
            for (Process each : load) {
                WebPage.end(each);
            }
            page.detachAll();
            Run.of("rm", "-rf", DIRECTORY.toString()).ok();
        }
    }

    private void disks() throws Exception {
        Files.createDirectories(DIRECTORY.resolve("images"));
        Files.createDirectories(DIRECTORY.resolve("fast"));
        create("tap:raw:/vm/images/debian-13.img", "8G");
        create("tap:qcow2:/vm/web1-root.qcow2", "8G", "--backing", "tap:raw:/vm/images/debian-13.img");
        attach(
                "tap:qcow2:/vm/web1-root.qcow2",
                "web1-root",
                "--node",
                "vhost-user",
                "--node",
                "nbd",
                "--filter",
                "throttle,iops=4000");
        page.daemon.blktap("snapshot", "web1-root", "--name", "daily").ok();
        create("tap:vhdx:/vm/web1-data.vhdx", "120G");
        attach("tap:vhdx:/vm/web1-data.vhdx", "web1-data", "--node", "nbd");
        create("tap:qcow2:/vm/db.qcow2", "500G");
        attach("tap:qcow2:/vm/db.qcow2", "db", "--node", "nbd", "--filter", "trace", "--filter", "bitmap,names=daily");
        create("tap:vhd:/vm/win-c.vhd", "80G");
        attach("tap:vhd:/vm/win-c.vhd", "win-c", "--node", "vhost-user");
        page.daemon.blktap("park", "win-c").ok();
        create("tap:raw:/vm/images/install.iso", "650M");
        attach("tap:raw:/vm/images/install.iso", "install", "--node", "vhost-user", "--read-only");
    }

    private void create(String... arguments) throws Exception {
        blktap("create", arguments);
    }

    private void attach(String spec, String id, String... more) throws Exception {
        page.daemon.attach(spec, id, more);
    }

    private void blktap(String verb, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(verb));
        command.addAll(List.of(arguments));
        page.daemon.blktap(command.toArray(String[]::new)).ok();
    }
}
