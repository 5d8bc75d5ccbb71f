package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The packages for Debian. */
class PackagesIT {
    private static final Path ROOT = Path.of(System.getProperty("project.root"));

    /** Installed, upgraded with running disks, removed and purged, by the commands of docs/install.md. */
    @Test
    void inAFreshDebian() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "only root makes a Debian");
        Namespaces.assumeMounts();
        Run check = Run.of(ROOT.resolve("itests/deb/check").toString(), "bookworm");
        assertTrue(
                check.out()
                        .contains(
                                "The packages were installed, upgraded with running disks, removed and purged on bookworm"),
                check::toString);
        check.ok();
    }

    /** The unit under a real systemd. */
    @Test
    void underSystemd() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "only root makes a Debian");
        Namespaces.assumeMounts();
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/systemd-nspawn")), "no systemd-nspawn");
        Run check = Run.of(ROOT.resolve("itests/deb/systemd").toString(), "bookworm");
        assertTrue(
                check.out().contains("systemd of bookworm started, reloaded, restarted and watched over the daemon"),
                check::toString);
        check.ok();
    }

    @Test
    void lintianFindsNoErrors() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/lintian")), "no lintian");
        List<String> packages;
        try (Stream<Path> files = Files.list(ROOT.resolve("packages/target"))) {
            packages = files.map(Path::toString)
                    .filter(each -> each.endsWith(".deb"))
                    .toList();
        }
        assertEquals(2, packages.size());
        for (String each : packages) {
            Run lintian = Run.of("lintian", "--allow-root", "--fail-on", "error", each);
            assertEquals(0, lintian.status(), lintian::toString);
        }
    }

    /** As a reader of 80 columns has them. */
    @Test
    void manualPagesAreFormattedWithoutWarnings() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/man")), "no man");
        Path pages = ROOT.resolve("distribution/target/generated/share/man");
        Run man = Run.of(
                Map.of(
                        "MANWIDTH",
                        "80",
                        "LC_ALL",
                        "C.UTF-8",
                        "MANPAGES",
                        pages.toRealPath().toString()),
                "bash",
                "-c",
                """
                cd "$MANPAGES" && for page in man*/*; do
                  name=${page#*/}
                  man -M "$MANPAGES" --warnings "${name##*.}" "${name%.*}" > /dev/null 2> >(sed "s/^/$name: /") || echo "$name cannot be shown"
                done
                wait
                """);
        assertEquals("", man.ok().out(), man::toString);
    }
}
