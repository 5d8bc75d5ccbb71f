package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.blktap.itests.hog.MemoryHog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Without memory the daemon ends as a whole, with the status that the pages name, and the next one has the disks again.
 */
class OutOfMemoryIT {
    private static final int STATUS = 3;

    @TempDir
    Path directory;

    @Test
    void theDaemonEndsAndTheDisksComeBack() throws Exception {
        Path image = directory.resolve("a.qcow2");
        try (Daemon daemon = Daemon.started(directory)) {
            daemon.blktap("create", "tap:qcow2:" + image, "64M").ok();
            daemon.attach("tap:qcow2:" + image, "a", "--node", "nbd", "--node", "vhost-user");
            int round = 0;
            for (String kind : new String[] {"heap", "direct", "thread"}) {
                round++;
                Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "write -P " + round + " " + round + "M 1M")
                        .ok();
                Path jar = deploy(daemon.home.resolve("deploy"), kind);
                assertEquals(STATUS, daemon.awaitEnd(), () -> kind + ":\n" + daemon.log());
                assertTrue(daemon.log().contains("OutOfMemoryError"), daemon::log);
                Files.delete(jar);
                daemon.start();
                Wait.until("the disk is back", () -> daemon.state("a").equals("running"));
                for (int i = 1; i <= round; i++) {
                    Run.of("qemu-io", "-f", "raw", daemon.nbd("a"), "-c", "read -P " + i + " " + i + "M 1M")
                            .ok();
                }
            }
            daemon.detach("a");
            // counted ahead and not used is a leak (3), as after a kill; anything else would be damage
            Run check = Run.of("qemu-img", "check", image.toString());
            assertTrue(check.status() == 0 || check.status() == 3, check::toString);
        }
    }

    private static Path deploy(Path deploy, String kind) throws Exception {
        Manifest manifest = new Manifest();
        Attributes main = manifest.getMainAttributes();
        main.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        main.putValue("Bundle-ManifestVersion", "2");
        main.putValue("Bundle-SymbolicName", "hog");
        main.putValue("Bundle-Activator", MemoryHog.class.getName());
        main.putValue("Import-Package", "org.osgi.framework");
        main.putValue("Hog", kind);
        Path temporary = deploy.resolve(".hog.jar.new");
        String file = MemoryHog.class.getName().replace('.', '/') + ".class";
        try (JarOutputStream jar = new JarOutputStream(Files.newOutputStream(temporary), manifest);
                InputStream code = MemoryHog.class.getClassLoader().getResourceAsStream(file)) {
            jar.putNextEntry(new JarEntry(file));
            code.transferTo(jar);
            jar.closeEntry();
        }
        return Files.move(temporary, deploy.resolve("hog.jar"), StandardCopyOption.ATOMIC_MOVE);
    }
}
