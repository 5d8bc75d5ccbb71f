package org.blktap.shell;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;

class DeployerTest {
    @TempDir
    Path directory;
    private Path deploy;
    private Bundle[] installed = {};
    private final BundleContext context = Fakes.proxy(BundleContext.class, (proxy, method, arguments) -> {
        assertEquals("getBundles", method.getName());
        return installed;
    });

    @BeforeEach
    void make() throws IOException {
        deploy = Files.createDirectory(directory.resolve("deploy"));
    }

    private Path jar(String file, String name) throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        if (name != null) {
            manifest.getMainAttributes().putValue("Bundle-SymbolicName", name);
        }
        Path path = directory.resolve(file);
        new JarOutputStream(Files.newOutputStream(path), manifest).close();
        return path;
    }

    private static Bundle bundle(String name, String location, int state, long modified) {
        return Fakes.proxy(Bundle.class, (proxy, method, arguments) -> switch (method.getName()) {
            case "getSymbolicName" -> name;
            case "getLocation" -> location;
            case "getState" -> state;
            case "getLastModified" -> modified;
            default -> throw new AssertionError(method.getName());
        });
    }

    private void onlyInDeploy(String... names) throws IOException {
        try (Stream<Path> files = Files.list(deploy)) {
            assertArrayEquals(names, files.map(file -> file.getFileName().toString()).sorted().toArray());
        }
    }

    @Test
    void theNameLosesItsVersion() {
        assertEquals("driver-zero.jar", Deployer.withoutVersion("driver-zero-3.0.0-SNAPSHOT.jar"));
        assertEquals("driver-zero.jar", Deployer.withoutVersion("driver-zero.jar"));
        assertEquals("format-qcow2.jar", Deployer.withoutVersion("format-qcow2-1.jar"));
        assertEquals("qcow2.jar", Deployer.withoutVersion("qcow2.jar"));
    }

    @Test
    void theJarIsThereWholeAndReplacesTheOneOfItsName() throws Exception {
        Deployer deployer = new Deployer(deploy, context);
        Path target = deployer.put(jar("x-1.0.jar", "x;singleton:=true")).target();
        assertEquals(deploy.resolve("x.jar"), target);
        Path next = jar("x-1.1.jar", "x");
        Files.write(next, new byte[1000], java.nio.file.StandardOpenOption.APPEND);
        Object before = Files.getAttribute(target, "unix:ino");
        deployer.put(next);
        assertArrayEquals(Files.readAllBytes(next), Files.readAllBytes(target));
        assertTrue(!before.equals(Files.getAttribute(target, "unix:ino")), "renamed into place, not written over");
        onlyInDeploy("x.jar");
    }

    @Test
    void whatIsNoBundleIsRefused() throws Exception {
        Deployer deployer = new Deployer(deploy, context);
        assertEquals(Reason.NOT_FOUND, assertThrows(DiskException.class, () -> deployer.put(directory.resolve("none.jar"))).reason());
        assertEquals(Reason.WRONG_TYPE, assertThrows(DiskException.class, () -> deployer.put(directory)).reason());
        Path text = Files.writeString(directory.resolve("text.jar"), "no jar");
        assertEquals(Reason.WRONG_TYPE, assertThrows(DiskException.class, () -> deployer.put(text)).reason());
        Path plain = jar("plain.jar", null);
        assertTrue(assertThrows(DiskException.class, () -> deployer.put(plain)).getMessage().contains("Bundle-SymbolicName"));
        onlyInDeploy();
    }

    @Test
    void aFailedCopyLeavesNothing() throws Exception {
        Path source = jar("x.jar", "x");
        Files.createDirectories(deploy.resolve("x.jar/occupied"));
        assertEquals(Reason.IO, assertThrows(DiskException.class, () -> new Deployer(deploy, context).put(source)).reason());
        onlyInDeploy("x.jar");
    }

    @Test
    void aBundleKeepsItsFile() throws Exception {
        installed = new Bundle[] {bundle("x", deploy.resolve("other.jar").toFile().toURI().toString(), Bundle.ACTIVE, 0)};
        assertEquals(deploy.resolve("other.jar"), new Deployer(deploy, context).put(jar("x-2.jar", "x")).target());
        onlyInDeploy("other.jar");
    }

    @Test
    void thePlatformIsNotReplaced() throws Exception {
        installed = new Bundle[] {bundle("x", "file:/opt/blktap/bundle/x.jar", Bundle.ACTIVE, 0)};
        Path source = jar("x-2.jar", "x");
        assertTrue(assertThrows(DiskException.class, () -> new Deployer(deploy, context).put(source)).getMessage().contains("platform"));
        onlyInDeploy();
    }

    @Test
    void waitsForTheNewBundleNotTheOld() throws Exception {
        String location = deploy.resolve("x.jar").toFile().toURI().toString();
        installed = new Bundle[] {bundle("x", location, Bundle.ACTIVE, 0)};
        Deployer deployer = new Deployer(deploy, context);
        Deployer.Deployed deployed = deployer.put(jar("x-2.jar", "x"));
        Bundle next = bundle("x", location, Bundle.ACTIVE, deployed.sinceMillis() + 1);
        Thread fileInstall = new Thread(() -> installed = new Bundle[] {next});
        fileInstall.start();
        assertSame(next, deployer.await(deployed));
        fileInstall.join();
    }
}
