package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code block-blktap} with names that are more than names, with devices that vanish and daemons that end. */
class HostileHotplugIT extends HotplugScript {
    @Test
    void messagesAreOneLineOfPlainText() throws Exception {
        answer = "magic";
        backend(BACKEND, "tap:qcow:" + image, "w");
        failed(script("add", BACKEND), BACKEND, "bad magic \\033[2J\\377\\134x");
    }

    /** What a shell, a log or the daemon's prompt would take for something else. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "a b",
                "a;touch x",
                "$(touch x)",
                "`touch x`",
                "a'b",
                "a\"b",
                "a\\nb",
                "-rf",
                "a|b>c",
                "*",
                "#a",
                "a{b}",
                "a%s%n",
                "a&",
                "\u001b[2J",
                "..."
            })
    void anyNameIsAName(String name) throws Exception {
        Path hostile = test.resolve(name);
        Files.write(hostile, new byte[1 << 20]);
        backend(BACKEND, "aio:" + hostile, "w");
        script("add", BACKEND).ok();
        assertEquals(
                "tap:aio:" + hostile,
                daemon.attachment("xen-1-51712").get("spec").getAsString());
        script("remove", BACKEND).ok();
        Files.delete(hostile);
        Files.delete(store.resolve(BACKEND + "/physical-device-path"));
        failed(script("add", BACKEND), BACKEND, "no such file");
        try (Stream<Path> files = Files.list(Path.of("."))) {
            assertTrue(files.noneMatch(file -> file.endsWith("x")));
        }
    }

    @Test
    void namesOfSeveralLinesAreRefused() throws Exception {
        backend(BACKEND, "qcow:/no/a\nblktap: no daemon answers on x", "w");
        failed(script("add", BACKEND), BACKEND, "line break");
    }

    /** XenStore takes 4 KiB, and four digits stand for a byte that is no plain text. */
    @Test
    void longNamesHaveTheirErrorToo() throws Exception {
        backend(BACKEND, "qcow:/" + "\u00e9".repeat(100) + "/" + "\u00e9".repeat(1500), "w");
        failed(script("add", BACKEND), BACKEND, "\\303\\251");
        backend(BACKEND, "qcow:" + "/no such directory".repeat(200), "w");
        failed(script("add", BACKEND), BACKEND, "no such directory");
        answer = "long";
        failed(script("add", BACKEND), BACKEND, "cannot be opened");
    }

    /** A name may be any text, also one that the daemon says in another case. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "no daemon answers on x",
                "attachment 'xen-1-51712' exists already",
                "the connection to the daemon broke"
            })
    void namesAreNotTakenForAnswers(String name) throws Exception {
        backend(BACKEND, "qcow:/no/" + name, "w");
        failed(script("add", BACKEND), BACKEND, "no such file");
        assertEquals(
                1, asked().stream().filter(line -> line.startsWith("attach ")).count());
    }

    /** The toolstack has removed it meanwhile, and removes nothing of it any more. */
    @Test
    void aDeviceThatVanishesDoesNotComeBack() throws Exception {
        answer = "vanish";
        backend(BACKEND, "qcow:" + image, "w");
        assertEquals(1, script("add", BACKEND).status());
        assertFalse(Files.exists(store.resolve("backend")));
        assertEquals(
                List.of("attach", "detach"),
                asked().stream().map(line -> line.replaceAll(" .*", "")).toList());
        // before it is looked at
        assertEquals(1, script("add", BACKEND).status());
        assertFalse(Files.exists(store.resolve("backend")));
    }

    @Test
    void aDaemonThatRestartsMeanwhileIsWaitedFor() throws Exception {
        answer = "broke";
        backend(BACKEND, "qcow:" + image, "w");
        script("add", BACKEND).ok();
        assertEquals("connected", node(BACKEND + "/hotplug-status"));
        assertEquals(
                List.of("attach", "attach", "detach", "attach"),
                asked().stream().map(line -> line.replaceAll(" .*", "")).toList());
        // a record that it leaves has no device when it starts again
        script("remove", BACKEND).ok();
        assertNull(node(BACKEND + "/hotplug-error"));
    }
}
