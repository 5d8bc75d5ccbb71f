package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The control group of a process for one disk, which is a directory here, and the supervisor outside of it. */
class SuperviseIT {
    /** Stands in for the daemon: counts its starts, and ends each as the test says. */
    private static final String DAEMON = """
            #!/bin/sh
            echo >>"$STARTS"
            . "$HERE/start$(wc -l <"$STARTS")"
            """;

    /** Restores what is on record, with another directory for control groups. */
    private static final String RESTORE = """
            import importlib.machinery, importlib.util, os, sys
            loader = importlib.machinery.SourceFileLoader("own_process", sys.argv[1] + "/libexec/own-process")
            program = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
            loader.exec_module(program)
            program.CGROUPS = sys.argv[4]
            program.by_systemd = lambda: False
            os.geteuid = lambda: 0
            sys.exit(program.restore(*sys.argv[1:4]))
            """;

    @TempDir
    Path directory;

    private Path home;
    private Path data;
    private Path group;

    @BeforeEach
    void prepare() throws Exception {
        home = UnpackedDistribution.copy(directory);
        Files.writeString(home.resolve("bin/blktapd"), DAEMON);
        data = Files.createDirectories(directory.resolve("data/instances/a"));
        Files.createFile(data.resolve("own-process"));
        group = Files.createDirectories(directory.resolve("groups/blktap/a"));
        Files.createFile(group.resolve("cgroup.procs"));
    }

    private void start(int number, String script) throws Exception {
        Files.writeString(directory.resolve("start" + number), script);
    }

    private Run supervise() throws Exception {
        Map<String, String> environment = new HashMap<>();
        environment.put("BLKTAP_RUN_DIR", directory.resolve("run").toString());
        environment.put("BLKTAP_DATA_DIR", directory.resolve("data").toString());
        environment.put("STARTS", directory.resolve("starts").toString());
        environment.put("HERE", directory.toString());
        environment.put("GROUP", group.toString());
        return Run.of(environment, home.resolve("libexec/supervise").toString(), "a", group.toString());
    }

    private List<String> starts() throws Exception {
        return Files.readAllLines(directory.resolve("starts"));
    }

    /** It is empty while no process runs, so anybody may have removed it; a VM waits for the disk. */
    @Test
    void aGroupThatIsGoneKeepsNoDiskFromItsVm() throws Exception {
        start(1, "rm -r \"$GROUP\"; exit 134");
        start(2, "exit 134");
        start(3, "exit 0");
        Run run = supervise().ok();
        assertEquals(3, starts().size(), run::toString);
        assertTrue(run.err().contains("goes on without its limits"), run::toString);
        assertFalse(Files.exists(data));
    }

    /** Only a process that has run before goes on without its limits. */
    @Test
    void aFirstStartWithoutItsGroupFails() throws Exception {
        Files.delete(group.resolve("cgroup.procs"));
        Files.delete(group);
        assertEquals(1, supervise().status());
        assertFalse(Files.exists(directory.resolve("starts")));
    }

    /** A group may have been that of an earlier process of this name. */
    @Test
    void onlyWhatTheKernelKillsMeanwhileIsSaidToBeKilled() throws Exception {
        Files.writeString(group.resolve("memory.events"), "max 9\noom_kill 3\n");
        Files.writeString(group.resolve("memory.max"), (256 << 20) + "\n");
        start(1, "exit 134");
        start(2, "echo oom_kill 4 >\"$GROUP/memory.events\"; exit 137");
        start(3, "echo oom_kill 5 >\"$GROUP/memory.events\"; rm \"$GROUP/memory.max\"; exit 137");
        start(4, "exit 0");
        Run run = supervise().ok();
        assertEquals(
                List.of(
                        "supervise: the instance a has ended with status 134 and is started again",
                        "supervise: the instance a has ended with status 137, killed by the kernel at its limit of"
                                + " memory, 256 MiB, and is started again",
                        "supervise: the instance a has ended with status 137 and is started again"),
                run.err().lines().toList());
    }

    /** The group of a process that is being started is empty, like one that is left. */
    @Test
    void theDefaultInstanceRemovesGroupsOnlyOfInstancesThatAreNoMore() throws Exception {
        Files.delete(group.resolve("cgroup.procs"));
        Path left = Files.createDirectory(group.resolveSibling("b"));
        Run.of(
                        "python3",
                        "-c",
                        RESTORE,
                        home.toString(),
                        directory.resolve("run").toString(),
                        directory.resolve("data").toString(),
                        directory.resolve("groups").toString())
                .ok();
        assertTrue(Files.exists(group));
        assertFalse(Files.exists(left));
    }
}
