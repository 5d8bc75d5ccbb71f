package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the HTTP API does, by curl: all of its operations, and what is refused with which words. */
class HttpApiIT extends HttpUser {
    private static String attachBody(String spec, String id, String more) {
        return "{'spec':'" + spec + "','id':'" + id + "','nodes':['nbd']" + more + "}";
    }

    private static List<String> texts(JsonArray array) {
        List<String> texts = new ArrayList<>();
        array.forEach(each -> texts.add(each.getAsString()));
        return texts;
    }

    @Test
    void disksAreAttachedChangedAndDetached() throws Exception {
        String spec = create("qcow2", "a.qcow2", "64M");
        JsonObject made = ask(
                        "POST",
                        "/api/v1/attachments",
                        attachBody(spec, "a", ",'filters':['throttle,iops=5000'],'options':{'on-eio':'park'}"))
                .is(201)
                .object();
        assertEquals("running", made.get("state").getAsString());
        assertEquals(
                daemon.nbd("a"),
                made.getAsJsonArray("nodes")
                        .get(0)
                        .getAsJsonObject()
                        .get("address")
                        .getAsString());
        assertEquals(List.of("throttle,iops=5000"), texts(made.getAsJsonArray("filters")));
        assertEquals(
                1,
                ask("GET", "/api/v1/attachments", null)
                        .is(200)
                        .json()
                        .getAsJsonArray()
                        .size());

        io("a", "write 0 64k", "read 0 4k");
        JsonObject stats =
                get("/api/v1/stats").getAsJsonArray("attachments").get(0).getAsJsonObject();
        JsonObject write = stats.getAsJsonObject("operations").getAsJsonObject("write");
        assertEquals(writes("a"), write.get("count").getAsLong());
        assertTrue(write.getAsJsonObject("latency").get("p99").getAsDouble() > 0, stats::toString);

        JsonObject parked =
                ask("POST", "/api/v1/attachments/a/park", null).is(200).object();
        assertEquals("operator", parked.getAsJsonObject("reason").get("kind").getAsString());
        assertEquals(
                "running",
                ask("POST", "/api/v1/attachments/a/resume", "{}")
                        .is(200)
                        .object()
                        .get("state")
                        .getAsString());
        JsonObject taken = ask("POST", "/api/v1/attachments/a/snapshot", "{'name':'monday'}")
                .is(200)
                .object();
        assertEquals(List.of(spec + ".monday.qcow2", spec), texts(taken.getAsJsonArray("chain")));
        assertEquals(
                128 << 20,
                ask("POST", "/api/v1/attachments/a/resize", "{'size':'128M'}")
                        .is(200)
                        .object()
                        .get("sizeBytes")
                        .getAsLong());
        assertEquals(
                texts(taken.getAsJsonArray("chain")),
                texts(get("/api/v1/attachments/a").getAsJsonArray("chain")));

        ask("DELETE", "/api/v1/attachments/a?force=true", null).is(204);
        ask("GET", "/api/v1/attachments/a", null).says(404, "no attachment 'a'");
    }

    @Test
    void nodesAndFiltersComeAndGo() throws Exception {
        ask("POST", "/api/v1/attachments", attachBody(create("qcow2", "a.qcow2", "64M"), "a", ""))
                .is(201);
        JsonObject plugged = ask("POST", "/api/v1/attachments/a/plug", "{'node':'vhost-user'}")
                .is(200)
                .object();
        assertEquals(List.of("nbd", "vhost-user"), kinds(plugged));
        ask("POST", "/api/v1/attachments/a/plug", "{'node':'nonsense'}").says(422, "nonsense");
        ask("POST", "/api/v1/attachments/a/plug", "{}").says(400, "node is missing");
        ask("POST", "/api/v1/attachments/no/plug", "{'node':'nbd'}").says(404, "no attachment 'no'");
        ask("POST", "/api/v1/attachments/a/unplug", "{'node':'xen'}").says(404, "xen");
        assertEquals(
                List.of("nbd"),
                kinds(ask("POST", "/api/v1/attachments/a/unplug", "{'node':'vhost-user','force':true}")
                        .is(200)
                        .object()));

        String filters = "/api/v1/attachments/a/filters";
        assertEquals("[]", ask("GET", filters, null).is(200).text());
        JsonObject added = ask("POST", filters, "{'filter':'throttle,iops=5000,iops-burst=9000'}")
                .is(200)
                .object();
        assertTrue(added.get("pausedMicros").getAsLong() >= 0, added::toString);
        ask("POST", filters, "{'filter':'trace','below':'throttle'}").is(200);
        assertEquals(
                List.of("trace", "throttle,iops=5000,iops-burst=9000"),
                texts(get("/api/v1/attachments/a").getAsJsonArray("filters")));
        ask("PATCH", filters + "/throttle", "{'options':{'iops':4000,'iops-burst':null}}")
                .is(200);
        JsonObject throttle =
                ask("GET", filters, null).is(200).json().getAsJsonArray().get(1).getAsJsonObject();
        assertEquals("throttle,iops=4000", throttle.get("spec").getAsString());
        assertTrue(throttle.getAsJsonObject("values").size() > 0, throttle::toString);
        ask("POST", filters, "{'filter':'trace'}").says(409, "trace");
        ask("PATCH", filters + "/throttle", "{'options':{'iosp':1}}").says(400, "iosp");
        ask("PATCH", filters + "/throttle", "{}").says(400, "options is missing");
        ask("DELETE", filters + "/tee", null).says(404, "tee");
        ask("DELETE", filters + "/trace", null).is(200);
        ask("DELETE", filters + "/throttle", null).is(200);
        assertEquals("[]", ask("GET", filters, null).is(200).text());
        io("a", "write -P 3 0 64k", "read -P 3 0 64k");
    }

    private static List<String> kinds(JsonObject disk) {
        List<String> kinds = new ArrayList<>();
        disk.getAsJsonArray("nodes")
                .forEach(each -> kinds.add(each.getAsJsonObject().get("kind").getAsString()));
        return kinds;
    }

    @Test
    void whatIsWrongIsRefusedInTheDaemonsWords() throws Exception {
        ask("POST", "/api/v1/attachments", "{'id':'a'}").says(400, "spec is missing");
        ask("POST", "/api/v1/attachments", "{'spec':'tap:raw:a/b'}").says(400, "relative");
        ask("POST", "/api/v1/attachments", "{'spec':'tap:ram:x,size=1M','node':[]}")
                .says(400, "unknown member 'node'");
        ask("POST", "/api/v1/attachments", attachBody("tap:raw:" + directory + "/no", "a", ""))
                .says(404, "no");
        ask("POST", "/api/v1/attachments", attachBody("tap:nonsense:/x", "a", ""))
                .says(422, "nonsense");
        ask("POST", "/api/v1/attachments", "{'spec':").says(400, "not JSON");
        ask("POST", "/api/v1/attachments", "[".repeat(5000)).says(400, "JSON");
        ask("POST", "/api/v1/attachments", "{'spec':'" + "x".repeat(70_000) + "'}")
                .says(413, "larger");
        ask("POST", "/api/v1/attachments", null, "-H", "Content-Type: text/plain", "-d", "{}")
                .says(415, "application/json");
        ask("POST", "/api/v1/attachments", attachBody("tap:ram:x,size=1M", "a", ""))
                .is(201);
        ask("POST", "/api/v1/attachments", attachBody("tap:ram:y,size=1M", "a", ""))
                .says(409, "a");
        ask("POST", "/api/v1/attachments/a/resize", "{'size':'many'}").says(400, "size");
        ask("DELETE", "/api/v1/attachments/a?force=perhaps", null).says(400, "force");
        ask("GET", "/api/v1/jobs/99", null).says(404, "no job '99'");
        ask("POST", "/api/v1/jobs", "{'kind':'nonsense','attachment':'a'}").says(404, "nonsense");
        ask("POST", "/api/v1/jobs", "{'kind':'commit','attachment':'a','tpo':'x'}")
                .says(400, "tpo");
        ask("GET", "/api/v1/diag?name=nothing", null).says(404, "nothing");
        curl(List.of("-H", "Authorization: Bearer " + token(), url("/api/v1/nothing")))
                .says(404, "openapi.json");
        curl(List.of("-X", "PUT", "-H", "Authorization: Bearer " + token(), url("/api/v1/attachments")))
                .says(405, "GET and POST");
    }

    @Test
    void jobsAreStartedWatchedAndChanged() throws Exception {
        String spec = create("qcow2", "a.qcow2", "64M");
        ask("POST", "/api/v1/attachments", attachBody(spec, "a", "")).is(201);
        ask("POST", "/api/v1/attachments/a/snapshot", null).is(200);
        io("a", "write 0 32M");
        String job = ask("POST", "/api/v1/jobs", "{'kind':'commit','attachment':'a','speed':1000000}")
                .is(201)
                .object()
                .get("id")
                .getAsString();
        assertEquals(List.of(job), texts(get("/api/v1/attachments/a").getAsJsonArray("jobs")));
        ask("POST", "/api/v1/jobs", "{'kind':'commit','attachment':'a'}").says(409, "job " + job);
        String path = "/api/v1/jobs/" + job;
        ask("POST", path + "/pause", null).is(200);
        Wait.until("it rests", () -> get(path).get("state").getAsString().equals("paused"));
        JsonObject changed =
                ask("PATCH", path, "{'speed':'2M','share':3}").is(200).object();
        assertEquals(2 << 20, changed.get("speed").getAsLong());
        assertEquals(3, changed.get("share").getAsInt());
        ask("POST", path + "/complete", null).says(409, "job " + job);
        ask("POST", path + "/resume", null).is(200);
        ask("POST", path + "/cancel", null).is(200);
        Wait.until("it has ended", () -> get(path).get("state").getAsString().equals("failed"));
        ask("PATCH", path, "{'speed':0}").says(409, "has ended");

        String second = ask("POST", "/api/v1/jobs", "{'kind':'commit','attachment':'a'}")
                .is(201)
                .object()
                .get("id")
                .getAsString();
        Wait.until(
                "it is done",
                () -> get("/api/v1/jobs/" + second).get("state").getAsString().equals("done"));
        assertEquals(List.of(spec), texts(get("/api/v1/attachments/a").getAsJsonArray("chain")));
        String target = spec("qcow2", "backup.qcow2");
        String third = ask(
                        "POST",
                        "/api/v1/jobs",
                        "{'kind':'backup','attachment':'a','target':'" + target
                                + "','options':{'cluster-size':'128K'}}")
                .is(201)
                .object()
                .get("id")
                .getAsString();
        Wait.until(
                "the backup is done",
                () -> get("/api/v1/jobs/" + third).get("state").getAsString().equals("done"));
        assertTrue(Run.of("qemu-img", "info", target.substring("tap:qcow2:".length()))
                .ok()
                .out()
                .contains("cluster_size: 131072"));
        assertTrue(
                ask("GET", "/api/v1/jobs", null).is(200).json().getAsJsonArray().size() >= 3);
    }

    @Test
    void bundlesAreDeployedAsTheVerbDoes() throws Exception {
        Path zero = daemon.home.resolve("examples/driver-zero.jar");
        JsonObject deployed = upload("driver-zero-9.9.jar", zero).is(201).object();
        assertEquals("org.blktap.driver-zero", deployed.get("name").getAsString());
        ask("POST", "/api/v1/attachments", "{'spec':'tap:zero:1M','id':'z'}").is(201);
        JsonObject listed = null;
        for (var each : ask("GET", "/api/v1/bundles", null).is(200).json().getAsJsonArray()) {
            JsonObject bundle = each.getAsJsonObject();
            listed = bundle.get("jar").getAsString().equals("driver-zero.jar") ? bundle : listed;
        }
        assertTrue(listed != null && listed.get("active").getAsBoolean(), String.valueOf(listed));

        upload("driver-zero.jar", daemon.home.resolve("README.md")).says(422, "not a jar");
        assertEquals("running", get("/api/v1/attachments/z").get("state").getAsString(), "the one before stays");
        for (String name :
                List.of("../evil.jar", "..%2fevil.jar", "a/b.jar", ".hidden.jar", "evil.txt", "", "%00.jar")) {
            upload(name, zero).says(400, "name");
        }
        upload("gson.jar", daemon.home.resolve("bundle/gson.jar")).says(409, "platform");
        Path large = directory.resolve("large.jar");
        Run.of("truncate", "-s", "65M", large.toString()).ok();
        upload("large.jar", large).says(413, "larger");
        ask(
                        "POST",
                        "/api/v1/bundles?name=large.jar",
                        null,
                        "-T",
                        large.toString(),
                        "-H",
                        "Content-Type: application/java-archive",
                        "-H",
                        "Transfer-Encoding: chunked")
                .says(413, "larger");
        try (var left = Files.list(daemon.dataDir.resolve("http/uploads"))) {
            assertEquals(0, left.count());
        }
        ask("DELETE", "/api/v1/attachments/z", null).is(204);
        ask("DELETE", "/api/v1/bundles/driver-zero", null).is(204);
        ask("DELETE", "/api/v1/bundles/driver-zero", null).says(404, "driver-zero");
        ask("DELETE", "/api/v1/bundles/http", null).says(409, "itself");
    }

    private Reply upload(String name, Path jar) throws Exception {
        return ask(
                "POST",
                "/api/v1/bundles?name=" + name,
                null,
                "-T",
                jar.toString(),
                "-H",
                "Content-Type: application/java-archive");
    }

    @Test
    void theDaemonShowsHowItIs() throws Exception {
        JsonObject itself = get("/api/v1/daemon");
        assertEquals(daemon.pid(), itself.get("pid").getAsLong());
        assertTrue(texts(itself.getAsJsonArray("drivers")).contains("qcow2"), itself::toString);
        assertEquals(
                daemon.blktap("diag").ok().out().strip(),
                String.join("\n", texts(get("/api/v1/diag").getAsJsonArray("lines"))));
        JsonObject all = get("/health");
        assertTrue(all.getAsJsonArray("checks").size() > 3, all::toString);
        Reply open = curl(List.of(url("/health"))).is(200);
        assertNull(open.object().get("checks"), "nothing of the daemon without the token");
        assertEquals("ok", open.object().get("status").getAsString());
        ask("POST", "/api/v1/attachments", attachBody("tap:ram:x,size=1M", "a", ""))
                .is(201);
        ask("POST", "/api/v1/attachments/a/park", null).is(200);
        Wait.until(
                "health shows it",
                () -> !ask("GET", "/health", null)
                        .object()
                        .get("status")
                        .getAsString()
                        .equals("ok"));
        Reply page = curl(List.of(url("/"))).is(200);
        assertEquals("text/html;charset=utf-8", page.type());
        assertEquals(page.text(), curl(List.of(url("/index.html"))).is(200).text());
        assertTrue(daemon.blktap("http").ok().out().contains(tokenFile().toString()));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(tokenFile())));
    }
}
