package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/prometheus.md, as an administrator follows it: the daemon, Prometheus, the alerts and the dashboard. */
class PrometheusPageIT extends DaemonUser {
    private static final String SERVER =
            "prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/var/lib/prometheus/metrics2";
    private static final String QUERY = "promtool query instant http://127.0.0.1:9090 ";
    /** Panels of the dashboard that show nothing of a daemon without such disks and jobs. */
    private static final Set<String> EMPTY = Set.of("State reasons", "Progress of jobs");

    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    @TempDir
    Path directory;

    private Page page;
    private int metricsPort;
    private int serverPort;
    private Path rules;
    private Process server;
    private Process load;

    @BeforeEach
    void start() throws Exception {
        daemon = Daemon.started(directory);
        metricsPort = FreePort.tcp();
        serverPort = FreePort.tcp();
        Path etc = Files.createDirectory(directory.resolve("etc"));
        rules = etc.resolve("alerts.yml");
        Map<String, String> names = new LinkedHashMap<>();
        names.put("/opt/blktap", daemon.home.toString());
        names.put("/etc/prometheus", etc.toString());
        names.put("/var/lib/prometheus", directory.toString());
        names.put("/run/blktap", daemon.runDir.toString());
        names.put("127.0.0.1:9920", "127.0.0.1:" + metricsPort);
        names.put("127.0.0.1:9090", "127.0.0.1:" + serverPort);
        page = new Page("prometheus.md", daemon, names);
    }

    @AfterEach
    void stop() throws Exception {
        for (Process each : new Process[] {load, server}) {
            if (each != null) {
                each.destroy();
                each.waitFor();
            }
        }
        daemon.close();
    }

    private static String text(String name) throws IOException {
        return Files.readString(
                Path.of(System.getProperty("project.root")).resolve("docs").resolve(name));
    }

    /** @throws IOException also while it is starting */
    private JsonObject api(String path) throws Exception {
        HttpResponse<String> response = CLIENT.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + serverPort + "/api/v1/" + path))
                        .build(),
                BodyHandlers.ofString());
        if (response.statusCode() == 503) {
            throw new IOException(response.body());
        }
        JsonObject answer = JsonParser.parseString(response.body()).getAsJsonObject();
        assertEquals("success", answer.get("status").getAsString(), path + ": " + response.body());
        return answer.getAsJsonObject("data");
    }

    private int found(String query) throws Exception {
        return api("query?query=" + URLEncoder.encode(query, StandardCharsets.UTF_8))
                .getAsJsonArray("result")
                .size();
    }

    private void startServer(String command, String... words) throws Exception {
        Path log = directory.resolve("prometheus.log");
        String path = "--storage.tsdb.path=" + directory.resolve("metrics2");
        server = page.start(command, log, path, path + " --web.listen-address=127.0.0.1:" + serverPort);
        Wait.until("Prometheus has the daemon's figures", () -> {
            assertTrue(server.isAlive(), () -> {
                try {
                    return Files.readString(log);
                } catch (IOException e) {
                    return e.toString();
                }
            });
            try {
                return found("up == 1") == 1;
            } catch (IOException e) {
                // does not answer yet
                return false;
            }
        });
    }

    private void startLoad() throws Exception {
        load = new ProcessBuilder(
                        "fio",
                        "--name=load",
                        "--ioengine=nbd",
                        "--uri=" + daemon.nbd("a"),
                        "--rw=randrw",
                        "--bs=4k",
                        "--iodepth=4",
                        "--rate_iops=100",
                        "--size=16m",
                        "--time_based",
                        "--runtime=3600")
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("load.log").toFile())
                .start();
    }

    /** Queries of the page's table, and of the dashboard, as they are sent for all hosts and disks. */
    private Map<String, Set<String>> queries() throws Exception {
        Map<String, Set<String>> all = new LinkedHashMap<>();
        Matcher table =
                Pattern.compile("(?m)^\\| [a-z][^|`]* \\| `([^`]+)` \\|$").matcher(text("prometheus.md"));
        while (table.find()) {
            all.computeIfAbsent("the page", any -> new TreeSet<>())
                    .add(table.group(1).replaceAll("\\[\\dm\\]", "[10s]"));
        }
        JsonObject dashboard = JsonParser.parseString(
                        Files.readString(daemon.home.resolve("share/grafana/blktap.json")))
                .getAsJsonObject();
        Set<Integer> ids = new TreeSet<>();
        for (JsonElement each : dashboard.getAsJsonArray("panels")) {
            JsonObject panel = each.getAsJsonObject();
            assertTrue(ids.add(panel.get("id").getAsInt()), "two panels of one id");
            if (panel.has("targets")) {
                for (JsonElement target : panel.getAsJsonArray("targets")) {
                    all.computeIfAbsent(panel.get("title").getAsString(), any -> new TreeSet<>())
                            .add(target.getAsJsonObject()
                                    .get("expr")
                                    .getAsString()
                                    .replace("$instance", ".*")
                                    .replace("$id", ".*")
                                    .replace("$__rate_interval", "10s"));
                }
            }
        }
        return all;
    }

    @Test
    void thePageIsTrue() throws Exception {
        Matcher settings =
                Pattern.compile("`(\\{ \"org.blktap.metrics\".*?\\})`").matcher(text("prometheus.md"));
        assertTrue(settings.find());
        daemon.configure(settings.group(1).replace("9920", Integer.toString(metricsPort)));
        page.run("blktap config --reload");
        page.run("blktap config metrics");
        Wait.until("metrics.sock is there", () -> Files.exists(daemon.runDir.resolve("metrics.sock")));
        String spec = "tap:qcow2:" + directory.resolve("a.qcow2");
        daemon.blktap("create", spec, "32M").ok();
        daemon.attach(spec, "a", "--node", "nbd", "--filter", "throttle,iops=50");
        daemon.blktap("snapshot", "a", "--name", "s").ok();
        startLoad();
        page.run("curl --fail --unix-socket /run/blktap/metrics.sock http://localhost/metrics");
        page.run("curl --fail http://127.0.0.1:9920/metrics");

        page.run(
                "cp /opt/blktap/share/prometheus/prometheus.yml /opt/blktap/share/prometheus/alerts.yml /etc/prometheus");
        Path config = rules.resolveSibling("prometheus.yml");
        Files.writeString(
                config,
                Files.readString(config)
                        .replace("127.0.0.1:9920", "127.0.0.1:" + metricsPort)
                        .replace("15s", "1s"));
        page.run("promtool check config /etc/prometheus/prometheus.yml");
        page.run("promtool check rules /etc/prometheus/alerts.yml");
        startServer(SERVER);
        page.run(QUERY + "up");
        Run chain = page.run(QUERY + "blktap_attachment_chain_length");
        assertTrue(chain.out().contains("id=\"a\"") && chain.out().contains("=> 2 @"), chain::toString);
        Wait.until("rates are known", () -> found("rate(blktap_attachment_operations_total{id=\"a\"}[10s]) > 0") > 0);
        page.run(QUERY + "'rate(blktap_attachment_operations_total[1m])'");
        assertQueriesFindWhatTheyShow();
        alertsTellWhatIsWrong();
        operatorsFollowTheAlerts();

        server.destroy();
        server.waitFor();
        startServer(SERVER + " --enable-feature=native-histograms");
        String quantile = "histogram_quantile(0.99,rate(blktap_attachment_latency_seconds[1m]))";
        Wait.until("there are native histograms", () -> found(quantile + " > 0") > 0);
        page.run(QUERY + "'" + quantile + "'");
        page.assertAllRun();
    }

    private void assertQueriesFindWhatTheyShow() throws Exception {
        Map<String, Set<String>> all = queries();
        assertTrue(
                all.size() > 20 && all.get("the page").size() > 4,
                () -> all.keySet().toString());
        for (Map.Entry<String, Set<String>> each : all.entrySet()) {
            for (String query : each.getValue()) {
                if (EMPTY.contains(each.getKey()) || query.contains("== 1")) {
                    found(query);
                } else {
                    Wait.until(each.getKey() + ": " + query, () -> found(query) > 0);
                }
            }
        }
    }

    /** Made up for all alerts; one by the daemon itself. */
    private void alertsTellWhatIsWrong() throws Exception {
        Path test = directory.resolve("alerts-test.yml");
        try (var made = PrometheusPageIT.class.getResourceAsStream("/alerts-test.yml")) {
            Files.writeString(
                    test,
                    new String(made.readAllBytes(), StandardCharsets.UTF_8).replace("[ALERTS]", "[" + rules + "]"));
        }
        Run.of("promtool", "test", "rules", test.toString()).ok();
        Set<String> onPage = new TreeSet<>();
        Pattern.compile("`(Blktap\\w+)`")
                .matcher(text("prometheus.md"))
                .results()
                .forEach(each -> onPage.add(each.group(1)));
        Set<String> inForce = new TreeSet<>();
        for (JsonElement rule :
                api("rules").getAsJsonArray("groups").get(0).getAsJsonObject().getAsJsonArray("rules")) {
            assertEquals("ok", rule.getAsJsonObject().get("health").getAsString(), rule::toString);
            inForce.add(rule.getAsJsonObject().get("name").getAsString());
        }
        assertEquals(inForce, onPage);
        String tested = Files.readString(test);
        inForce.forEach(each -> assertTrue(tested.contains('"' + each + '"') || tested.contains(each), each));
        assertFalse(api("alerts").toString().contains("BlktapDiskParked"));
    }

    private void operatorsFollowTheAlerts() throws Exception {
        page.run("blktap info ID", "ID", "a");
        page.run("blktap stats");
        page.run("blktap diag");
        page.run("blktap filter add ID trace", "ID", "a");
        page.run("blktap why ID", "ID", "a");
        daemon.blktap("park", "a").ok();
        Wait.until("it is seen", () -> found("blktap_attachment_state{state=\"parked\"} == 1") == 1);
        page.run("blktap resume ID", "ID", "a");
        page.run("blktap commit ID", "ID", "a");
        page.run("blktap jobs");
    }
}
