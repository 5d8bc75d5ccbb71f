package org.blktap.itests;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A Ceph cluster on this machine ({@code itests/ceph/cluster}), and its programs. */
final class Ceph implements AutoCloseable {
    private final Path directory;
    final Path conf;

    private Ceph(Path directory) {
        this.directory = directory;
        conf = directory.resolve("ceph.conf");
    }

    /** Starts a new one; skips the test where Ceph is not installed. */
    static Ceph started(Path directory) throws Exception {
        assumeTrue(Files.exists(Path.of("/usr/bin/ceph-mon")), "no ceph-mon: itests/packages ceph installs it");
        Ceph ceph = new Ceph(directory);
        try {
            ceph.cluster(Map.of("CEPH_PORT", Integer.toString(FreePort.tcpBelowClients())), "start");
        } catch (AssertionError e) {
            ceph.close();
            throw e;
        }
        return ceph;
    }

    private Run cluster(Map<String, String> environment, String command) throws IOException, InterruptedException {
        return Run.of(
                        environment,
                        Path.of(System.getProperty("project.root"), "itests/ceph/cluster")
                                .toString(),
                        command,
                        directory.toString())
                .ok();
    }

    void stopOsd() throws Exception {
        cluster(Map.of(), "osd-stop");
    }

    void startOsd() throws Exception {
        cluster(Map.of(), "osd-start");
    }

    /** Runs {@code rbd} or {@code ceph}. */
    Run run(String... command) throws Exception {
        return Run.of(Map.of("CEPH_CONF", conf.toString()), command).ok();
    }

    Run rbd(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("rbd"));
        command.addAll(List.of(arguments));
        return run(command.toArray(String[]::new));
    }

    /** Takes the lock of an image from whoever has it, as another host does that believes it dead. */
    void takeLock(String image) throws Exception {
        JsonObject lock = JsonParser.parseString(
                        rbd("lock", "ls", image, "--format", "json").out())
                .getAsJsonArray()
                .get(0)
                .getAsJsonObject();
        rbd(
                "lock",
                "rm",
                image,
                lock.get("id").getAsString(),
                lock.get("locker").getAsString());
    }

    /** Makes a user that may do with images of the pool what clients do, and nothing else. Returns its keyring. */
    Path user(String name) throws Exception {
        Path keyring = directory.resolve(name + ".keyring");
        run(
                "ceph",
                "auth",
                "get-or-create",
                "client." + name,
                "mon",
                "profile rbd",
                "osd",
                "profile rbd pool=rbd",
                "-o",
                keyring.toString());
        return keyring;
    }

    @Override
    public void close() throws Exception {
        cluster(Map.of(), "stop");
    }
}
