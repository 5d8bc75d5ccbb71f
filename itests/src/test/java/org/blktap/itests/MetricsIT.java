package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** {@code GET /metrics}: where it is answered, and that it says what the commands say. */
class MetricsIT extends SharedDaemon {
    private static final Pattern SERIES = Pattern.compile("(?m)^(blktap_\\S+|process_\\S+|jvm_\\S+) (\\S+)$");

    private Run listen(String... places) throws Exception {
        daemon.configure("{\"org.blktap.metrics\": {\"listen\": ["
                + List.of(places).stream().map(each -> '"' + each + '"').collect(Collectors.joining(","))
                + "]}}");
        return daemon.blktap("config", "--reload");
    }

    private Path socket() {
        return daemon.runDir.resolve("metrics.sock");
    }

    /** The text at the unix socket, once it is there. */
    private String scrape(String... more) throws Exception {
        List<String> curl = new ArrayList<>(
                List.of("curl", "-sS", "--fail", "--unix-socket", socket().toString(), "http://localhost/metrics"));
        curl.addAll(List.of(more));
        Wait.until("the socket is there", () -> Files.exists(socket()));
        return Run.of(curl.toArray(String[]::new)).ok().out();
    }

    private Map<String, Double> values() throws Exception {
        return SERIES.matcher(scrape())
                .results()
                .collect(Collectors.toMap(each -> each.group(1), each -> Double.parseDouble(each.group(2))));
    }

    private static boolean answers(String address, int port) {
        try (Socket client = new Socket()) {
            client.connect(new InetSocketAddress(address, port), 2000);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void nothingListensUntilTheSettingsSayWhereAndOnlyOnTheHostItself() throws Exception {
        listen();
        Wait.until("the socket is gone", () -> !Files.exists(socket()));
        int port = FreePort.tcp();
        listen("unix", "0.0.0.0:" + port);
        Wait.until(
                "diag shows why", () -> daemon.blktap("diag").out().contains("an address of the loopback interface"));
        assertFalse(answers("127.0.0.1", port));
        assertFalse(Files.exists(socket()), "all or nothing");
        listen("unix", "127.0.0.1:" + port, "[::1]:" + port);
        Wait.until("both answer", () -> answers("127.0.0.1", port) && answers("::1", port));
        assertFalse(
                daemon.blktap("diag").out().contains("loopback"),
                daemon.blktap("diag").out());
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(socket())));
        listen();
        Wait.until("nothing listens", () -> !answers("127.0.0.1", port) && !Files.exists(socket()));
        String log = daemon.log();
        assertFalse(log.contains("NoClassDefFound") || log.contains("ClassNotFound"), log);
    }

    @Test
    void bothTextsAreWhatPromtoolAccepts() throws Exception {
        listen("unix");
        daemon.attach(create("qcow2", "a.qcow2", "16M"), "a", "--node", "nbd", "--filter", "throttle,iops=1000");
        io("a", "write 0 64k", "read 0 4k");
        String curl = "curl -sS --fail --unix-socket " + socket() + " http://localhost/metrics";
        scrape();
        Run checked = Run.of("sh", "-c", curl + " | promtool check metrics").ok();
        assertEquals("", checked.out() + checked.err());
        String open = scrape("-H", "Accept: application/openmetrics-text; version=1.0.0");
        assertTrue(
                open.contains("# TYPE blktap_attachment_latency_seconds histogram\n") && open.endsWith("# EOF\n"),
                open);
        assertTrue(scrape(
                        "-H",
                        "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                                + "encoding=delimited")
                .contains("blktap_attachment_latency_seconds"));
    }

    @Test
    void figuresAreThoseOfTheCommands() throws Exception {
        listen("unix");
        daemon.attach(create("qcow2", "a.qcow2", "16M"), "a", "--node", "nbd", "--filter", "throttle,iops=1000");
        daemon.blktap("snapshot", "a", "--name", "s").ok();
        io("a", "write 0 64k", "write 64k 64k", "read 0 4k");
        Map<String, Double> values = values();
        var write = daemon.stats("a").getAsJsonObject("operations").getAsJsonObject("write");
        assertEquals(
                write.get("count").getAsDouble(),
                values.get("blktap_attachment_operations_total{id=\"a\",operation=\"write\"}"));
        assertEquals(
                write.get("bytes").getAsDouble(),
                values.get("blktap_attachment_bytes_total{id=\"a\",operation=\"write\"}"));
        assertEquals(
                write.get("count").getAsDouble(),
                values.get("blktap_attachment_latency_seconds_bucket{id=\"a\",operation=\"write\",le=\"+Inf\"}"));
        assertEquals(2, values.get("blktap_attachment_chain_length{id=\"a\"}"));
        assertTrue(values.get("blktap_image_allocated_bytes{depth=\"0\",id=\"a\",type=\"qcow2\"}") >= 128 << 10);
        assertTrue(values.containsKey("blktap_image_allocated_bytes{depth=\"1\",id=\"a\",type=\"qcow2\"}"));
        assertTrue(values.containsKey("blktap_filter_figure{figure=\"delayed_seconds\",filter=\"throttle\",id=\"a\"}"));
        assertEquals(1, values.get("blktap_attachment_parks_total{id=\"a\"}"), "the snapshot");
        assertTrue(values.get("blktap_loop_turns_total{loop=\"blktap-a\"}") > 0);
        assertTrue(values.get("process_open_fds") > 10 && values.get("jvm_threads_current") > 10);
        for (String limit : List.of("helpers", "nbd_clients", "vhost_user_requests", "xen_entries")) {
            assertTrue(values.get("blktap_limit_max{limit=\"" + limit + "\"}") > 0, limit);
        }
        values.forEach((series, value) -> assertNotEquals(
                "1.0 source failed", series.startsWith("blktap_source_failed") ? value + " source failed" : ""));
        daemon.blktap("park", "a").ok();
        values = values();
        assertEquals(1, values.get("blktap_attachment_state{id=\"a\",state=\"parked\"}"));
        assertEquals(1, values.get("blktap_attachment_reason{id=\"a\",reason=\"operator\"}"));
        daemon.detach("a");
        assertFalse(scrape().contains("id=\"a\""), "what is detached is gone");
    }

    @Test
    void jobsShowTheirProgress() throws Exception {
        listen("unix");
        daemon.attach(create("qcow2", "a.qcow2", "16M"), "a", "--node", "nbd");
        io("a", "write 0 8M");
        String job = started("move", "a", spec("qcow2", "b.qcow2"), "--speed", "64k");
        Map<String, Double> values = values();
        assertEquals(1, values.get("blktap_job_state{id=\"a\",kind=\"move\",state=\"running\"}"));
        assertTrue(values.get("blktap_job_size_bytes{id=\"a\",kind=\"move\"}") >= 8 << 20);
        daemon.blktap("job", "pause", job).ok();
        assertEquals(1, values().get("blktap_jobs{kind=\"move\",state=\"paused\"}"));
        daemon.blktap("job", "cancel", job).ok();
        assertFalse(scrape().contains("blktap_job_size_bytes"), "no job is at work");
    }

    @Test
    void slowClientsAndAKillLeaveNothingInTheWay() throws Exception {
        int port = FreePort.tcp();
        listen("unix", "127.0.0.1:" + port);
        Wait.until("the port answers", () -> answers("127.0.0.1", port));
        List<Socket> slow = new ArrayList<>();
        try {
            for (int i = 0; i < 20; i++) {
                Socket client = new Socket("127.0.0.1", port);
                client.getOutputStream().write("GET /metrics HTTP/1.1\r\nX:".getBytes());
                slow.add(client);
            }
            Run.of("curl", "-sS", "--fail", "http://127.0.0.1:" + port + "/metrics")
                    .ok();
        } finally {
            for (Socket each : slow) {
                each.close();
            }
        }
        daemon.kill();
        assertTrue(Files.exists(socket()), "a killed daemon leaves its socket");
        daemon.start();
        Matcher version =
                Pattern.compile("blktap_build_info\\{version=\"[^\"]+\"\\} 1").matcher(scrape());
        assertTrue(version.find());
    }
}
