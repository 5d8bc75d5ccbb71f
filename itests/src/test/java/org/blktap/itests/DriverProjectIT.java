package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A driver outside of the tree: its project is written, built against the distribution's own Maven repository, and
 * dropped into deploy/.
 */
class DriverProjectIT {
    @TempDir
    static Path directory;

    /**
     * A local repository with everything of the build's own except our artifacts, which come from the distribution. Its
     * plugins are the build's, so that nothing is downloaded.
     */
    private static Path localRepository() throws IOException {
        Path repository = Files.createDirectories(directory.resolve("repository/org"));
        Path build = Path.of(System.getProperty("local.repository"));
        link(build, repository.getParent(), "org");
        link(build.resolve("org"), repository, "blktap");
        return repository.getParent();
    }

    private static void link(Path from, Path to, String except) throws IOException {
        try (Stream<Path> entries = Files.list(from)) {
            for (Path each : (Iterable<Path>)
                    entries.filter(entry -> !entry.getFileName().toString().equals(except))::iterator) {
                Files.createSymbolicLink(to.resolve(each.getFileName()), each);
            }
        }
    }

    @Test
    void aDriverOutsideOfTheTreeIsBuiltAndDroppedIn() throws Exception {
        try (Daemon daemon = new Daemon(directory, java.util.Map.of())) {
            Path project = directory.resolve("my project");
            daemon.blktap("new-driver", "new", project.toString()).ok();
            Path pom = project.resolve("pom.xml");
            // what formats need, and what their tests need, is in the repository too
            String more =
                    "<dependency><groupId>org.blktap</groupId><artifactId>image</artifactId><scope>provided</scope></dependency>"
                            + "<dependency><groupId>org.blktap</groupId><artifactId>image</artifactId><type>test-jar</type><scope>test</scope></dependency>"
                            + "<dependency><groupId>org.blktap</groupId><artifactId>api</artifactId><type>test-jar</type><scope>test</scope></dependency>"
                            + "<dependency><groupId>org.blktap</groupId><artifactId>linux</artifactId><scope>test</scope></dependency>";
            Files.writeString(
                    pom, Files.readString(pom).replaceFirst("(?s)(.*)(</dependencies>.*<build>)", "$1" + more + "$2"));
            Path test = project.resolve("src/test/java/org/example/tapnew/NewDriverTest.java");
            Files.writeString(
                    test,
                    Files.readString(test)
                            .replaceFirst(
                                    "(?m)^import java.nio.ByteBuffer;$",
                                    "import java.nio.ByteBuffer;\nimport org.blktap.api.testkit.TestDiskContext;\nimport org.blktap.image.ClusterMap;\nimport org.blktap.image.sim.SimLoop;"));
            Run.of(
                            "mvn",
                            "-B",
                            "-o",
                            "-q",
                            "-f",
                            pom.toString(),
                            "-Dmaven.repo.local=" + localRepository(),
                            "-Daether.offline.protocols=file",
                            "package")
                    .ok();

            Path jar = project.resolve("target/driver-new-1.0.0-SNAPSHOT.jar");
            try (JarFile opened = new JarFile(jar.toFile())) {
                String imports = opened.getManifest().getMainAttributes().getValue("Import-Package");
                assertTrue(
                        imports.matches(".*org\\.blktap\\.api\\.disk;version=\"\\[\\d+\\.\\d+,\\d+\\)\".*"), imports);
                // a version of its own
                String version = opened.getManifest().getMainAttributes().getValue("Bundle-Version");
                assertTrue(version.startsWith("1.0.0."), version);
            }
            byte[] bytes = new byte[1 << 20];
            new Random(1).nextBytes(bytes);
            Path image = Files.write(directory.resolve("image"), bytes);
            daemon.start();
            Files.copy(jar, daemon.home.resolve("deploy/driver-new.jar"));
            Wait.until(
                    "the driver is there",
                    () -> daemon.blktap("drivers").ok().out().contains("\nnew "));
            daemon.attach("tap:new:" + image, "mine", "--node", "nbd");
            assertEquals("running", daemon.state("mine"));
            Path copy = directory.resolve("copy");
            daemon.blktap("convert", daemon.nbd("mine"), "tap:raw:" + copy).ok();
            assertArrayEquals(bytes, Files.readAllBytes(copy));
            daemon.detach("mine");
        }
    }

    @Test
    void theRepositoryHasSourcesAndJavadoc() throws Exception {
        Path home = new Daemon(Files.createDirectory(directory.resolve("other")), java.util.Map.of()).home;
        String version = home.getFileName().toString().substring("blktap-".length());
        for (String artifact : List.of("api", "image")) {
            for (String suffix : List.of(".pom", ".jar", "-sources.jar", "-javadoc.jar")) {
                Path file = home.resolve(
                        "maven/org/blktap/" + artifact + "/" + version + "/" + artifact + "-" + version + suffix);
                assertTrue(
                        Files.size(file) > 0 && Files.exists(file.resolveSibling(file.getFileName() + ".sha1")),
                        file.toString());
            }
        }
        // one jar of each, the one that the daemon runs
        assertEquals(
                -1,
                Files.mismatch(
                        home.resolve("bundle/api.jar"),
                        home.resolve("maven/org/blktap/api/" + version + "/api-" + version + ".jar")));
    }
}
