package org.blktap.deploy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
import org.osgi.framework.Version;

class DeployerTest {
    @TempDir
    Path directory;

    private Path deploy;
    private volatile Bundle[] installed = {};
    private final BundleContext context = proxy(BundleContext.class, (proxy, method, arguments) -> {
        assertEquals("getBundles", method.getName());
        return installed;
    });

    private DiskException unresolved;
    private String failure;
    private final List<String> remarks = new ArrayList<>();
    private final Deployer.JarCheck check = new Deployer.JarCheck() {
        @Override
        public List<String> resolves(Path jar) throws DiskException {
            if (unresolved != null) {
                throw unresolved;
            }
            return List.of("a remark");
        }

        @Override
        public String failure(Bundle bundle) {
            return failure;
        }
    };

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
        return proxy(Bundle.class, (proxy, method, arguments) -> switch (method.getName()) {
            case "getSymbolicName" -> name;
            case "getVersion" -> Version.emptyVersion;
            case "getLocation" -> location;
            case "getState" -> state;
            case "getLastModified" -> modified;
            default -> throw new AssertionError(method.getName());
        });
    }

    private void onlyInDeploy(String... names) throws IOException {
        try (Stream<Path> files = Files.list(deploy)) {
            assertArrayEquals(
                    names,
                    files.map(file -> file.getFileName().toString()).sorted().toArray());
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
        Deployer deployer = new Deployer(deploy, context, check);
        Path target = deployer.put(jar("x-1.0.jar", "x;singleton:=true"), remarks::add)
                .target();
        assertEquals(deploy.resolve("x.jar"), target);
        Path next = jar("x-1.1.jar", "x");
        Files.write(next, new byte[1000], java.nio.file.StandardOpenOption.APPEND);
        Object before = Files.getAttribute(target, "unix:ino");
        deployer.leave(next, remarks::add);
        assertArrayEquals(Files.readAllBytes(next), Files.readAllBytes(target));
        assertTrue(!before.equals(Files.getAttribute(target, "unix:ino")), "renamed into place, not written over");
        onlyInDeploy("x.jar");
    }

    @Test
    void whatIsNoBundleIsRefused() throws Exception {
        Deployer deployer = new Deployer(deploy, context, check);
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> deployer.put(directory.resolve("none.jar"), remarks::add))
                        .reason());
        assertEquals(
                Reason.WRONG_TYPE,
                assertThrows(DiskException.class, () -> deployer.put(directory, remarks::add))
                        .reason());
        Path text = Files.writeString(directory.resolve("text.jar"), "no jar");
        assertEquals(
                Reason.WRONG_TYPE,
                assertThrows(DiskException.class, () -> deployer.put(text, remarks::add))
                        .reason());
        Path plain = jar("plain.jar", null);
        assertTrue(assertThrows(DiskException.class, () -> deployer.put(plain, remarks::add))
                .getMessage()
                .contains("Bundle-SymbolicName"));
        onlyInDeploy();
    }

    @Test
    void aFailedCopyLeavesNothing() throws Exception {
        Path source = jar("x.jar", "x");
        Files.createDirectories(deploy.resolve("x.jar/occupied"));
        assertEquals(
                Reason.IO,
                assertThrows(DiskException.class, () -> new Deployer(deploy, context, check).put(source, remarks::add))
                        .reason());
        onlyInDeploy("x.jar");
    }

    @Test
    void aBundleKeepsItsFile() throws Exception {
        installed = new Bundle[] {
            bundle("x", deploy.resolve("other.jar").toFile().toURI().toString(), Bundle.ACTIVE, 0)
        };
        assertEquals(
                deploy.resolve("other.jar"),
                new Deployer(deploy, context, check).leave(jar("x-2.jar", "x"), remarks::add));
        onlyInDeploy("other.jar");
    }

    @Test
    void thePlatformIsNotReplaced() throws Exception {
        installed = new Bundle[] {bundle("x", "file:/opt/blktap/bundle/x.jar", Bundle.ACTIVE, 0)};
        Path source = jar("x-2.jar", "x");
        assertTrue(assertThrows(
                        DiskException.class, () -> new Deployer(deploy, context, check).put(source, remarks::add))
                .getMessage()
                .contains("platform"));
        onlyInDeploy();
    }

    @Test
    void waitsForTheNewBundleNotTheOld() throws Exception {
        String location = deploy.resolve("x.jar").toFile().toURI().toString();
        installed = new Bundle[] {bundle("x", location, Bundle.ACTIVE, 0)};
        Deployer deployer = new Deployer(deploy, context, check);
        Deployer.Deployed deployed = deployer.put(jar("x-2.jar", "x"), remarks::add);
        Bundle next = bundle("x", location, Bundle.ACTIVE, deployed.sinceMillis() + 1);
        Thread fileInstall = new Thread(() -> installed = new Bundle[] {next});
        fileInstall.setName("file-install");
        fileInstall.start();
        assertSame(next, deployer.await(deployed));
        fileInstall.join();
    }

    @Test
    void whatCannotResolveChangesNothing() throws Exception {
        Deployer deployer = new Deployer(deploy, context, check);
        Path good = jar("x-1.jar", "x");
        deployer.leave(good, remarks::add);
        unresolved = new DiskException(Reason.UNSUPPORTED, "nothing provides package no.such");
        Path bad = jar("x-2.jar", "x");
        Files.write(bad, new byte[10], java.nio.file.StandardOpenOption.APPEND);
        assertSame(unresolved, assertThrows(DiskException.class, () -> deployer.deploy(bad, remarks::add)));
        assertArrayEquals(Files.readAllBytes(good), Files.readAllBytes(deploy.resolve("x.jar")));
        onlyInDeploy("x.jar");
    }

    /** File Install's part: what lies in deploy/ is installed as of now. */
    private Thread install(String name, int state) {
        String location = deploy.resolve(name + ".jar").toFile().toURI().toString();
        Thread fileInstall = new Thread(() -> {
            while (!Thread.currentThread().isInterrupted()) {
                installed = Files.exists(deploy.resolve(name + ".jar"))
                        ? new Bundle[] {bundle(name, location, state, System.currentTimeMillis() + 1000)}
                        : new Bundle[0];
            }
        });
        fileInstall.setName("file-install");
        fileInstall.start();
        return fileInstall;
    }

    @Test
    void whatFailsWhenItStartsIsTakenBack() throws Exception {
        Thread fileInstall = install("x", Bundle.ACTIVE);
        try {
            failure = "component y fails: no luck";
            String message = assertThrows(
                            DiskException.class,
                            () -> new Deployer(deploy, context, check).deploy(jar("x.jar", "x"), remarks::add))
                    .getMessage();
            assertTrue(message.contains("no luck") && message.endsWith("; it is not deployed"), message);
            onlyInDeploy();
        } finally {
            fileInstall.interrupt();
            fileInstall.join();
        }
    }

    @Test
    void undeployTakesTheJarAway() throws Exception {
        Deployer deployer = new Deployer(deploy, context, check);
        deployer.leave(jar("x-1.jar", "org.blktap.x"), remarks::add);
        String location = deploy.resolve("x.jar").toFile().toURI().toString();
        for (String name : new String[] {"x", "x.jar", "org.blktap.x"}) {
            Files.write(deploy.resolve("x.jar"), new byte[1]);
            installed = new Bundle[] {bundle("org.blktap.x", location, Bundle.ACTIVE, 0)};
            Thread fileInstall = new Thread(() -> {
                while (Files.exists(deploy.resolve("x.jar"))) {
                    Thread.onSpinWait();
                }
                installed = new Bundle[0];
            });
            fileInstall.setName("file-install");
            fileInstall.start();
            assertEquals("org.blktap.x", deployer.undeploy(name).getSymbolicName());
            fileInstall.join();
        }
        onlyInDeploy();
    }

    @Test
    void whatIsOfThePlatformOrNotThereCannotBeUndeployed() {
        installed = new Bundle[] {bundle("org.blktap.core", "file:/opt/blktap/bundle/core.jar", Bundle.ACTIVE, 0)};
        Deployer deployer = new Deployer(deploy, context, check);
        assertTrue(assertThrows(DiskException.class, () -> deployer.undeploy("core"))
                .getMessage()
                .contains("platform"));
        assertEquals(
                Reason.NOT_FOUND,
                assertThrows(DiskException.class, () -> deployer.undeploy("none"))
                        .reason());
    }

    private static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }
}
