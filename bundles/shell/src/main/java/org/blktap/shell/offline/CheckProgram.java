package org.blktap.shell.offline;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.blktap.api.disk.Printable;
import org.blktap.api.settings.Directories;
import org.blktap.config.SettingsCheck;
import org.blktap.shell.launch.LaunchOptions;
import org.blktap.shell.launch.SettingsFile;

/**
 * {@code blktapd --check-config}: checks the file of settings without a daemon, and prints what a daemon would log
 * about it. Exit status 1 if it prints anything.
 */
public final class CheckProgram {
    private CheckProgram() {}

    public static void main(String[] arguments) {
        Path file = LaunchOptions.settings();
        Directories directories = LaunchOptions.directories();
        try {
            List<String> problems =
                    problems(SettingsFile.read(file), directories.home().resolve("bundle"), directories.deploy());
            problems.forEach(each -> System.err.println(Printable.of("blktapd: " + file + ": " + each)));
            System.exit(problems.isEmpty() ? 0 : 1);
        } catch (IOException e) {
            System.err.println(Printable.of("blktapd: " + e.getMessage()));
            System.exit(1);
        }
    }

    static List<String> problems(Map<String, Map<String, Object>> sections, Path... folders) throws IOException {
        Map<String, Map<String, Object>> left = new TreeMap<>(sections);
        List<String> problems = new ArrayList<>();
        for (Path jar : Stream.of(folders).flatMap(CheckProgram::jars).toList()) {
            try {
                String section = LocalBundle.symbolicName(jar);
                Map<String, Object> values = left.remove(section);
                if (values != null) {
                    problems.addAll(SettingsCheck.of(section, values, LocalBundle.settings(jar))
                            .problems());
                }
            } catch (IOException e) {
                // the daemon starts without it, too
                problems.add(jar + ": cannot be read: " + e.getMessage());
            }
        }
        left.keySet().forEach(section -> problems.add(section + ": no bundle has this name"));
        return problems;
    }

    private static Stream<Path> jars(Path folder) {
        try {
            List<Path> all = new ArrayList<>();
            LocalServices.jars(folder).forEach(all::add);
            return all.stream();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
