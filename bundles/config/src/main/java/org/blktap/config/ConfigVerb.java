package org.blktap.config;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.settings.Directories;
import org.blktap.config.ConfiguredSettings.Value;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The verb {@code config}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "config",
        summary = "Shows every setting with its value, default and source; reads the file again.",
        operands = "[SECTION=TEXT]")
@Command(
        description =
                "Settings are in etc/blktap.json, in a section for each bundle: { \"org.blktap.core\": { \"drain.seconds\": 120 } }",
        footer = {
            "",
            "Exit status: 1 if the file has anything that is not in force; stderr says what.",
            "",
            "Examples:",
            "  config",
            "  config core",
            "  config --reload"
        })
public final class ConfigVerb implements Verb {
    private static final String OURS = "org.blktap.";

    @Reference
    ConfiguredSettings settings;

    @Reference
    Directories directories;

    @Parameters(description = "Only this section, with what each setting means; org.blktap. may be left out.")
    String section;

    @Option(names = "--reload", description = "Reads the file again first.")
    boolean reload;

    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    /** A line of the answer. */
    record Row(String section, String setting, Object value, Object initial, String source, String description) {
        Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("section", section);
            map.put("setting", setting);
            map.put("value", value);
            map.put("default", initial);
            map.put("source", source);
            map.put("description", description);
            return map;
        }
    }

    @Override
    public int run(Call call) throws DiskException {
        if (reload) {
            settings.reload();
        }
        List<Row> rows = Stream.concat(
                        ofDirectories().stream(), settings.values().stream().map(ConfigVerb::row))
                .filter(each -> section == null
                        || each.section().equals(section)
                        || each.section().equals(OURS + section))
                .toList();
        if (rows.isEmpty()) {
            throw new DiskException(Reason.NOT_FOUND, section + ": no bundle of this name has settings");
        }
        if (json) {
            call.json(rows.stream().map(Row::toMap).toList());
        } else if (section == null) {
            call.table(
                    List.of("SECTION", "SETTING", "VALUE", "DEFAULT", "SOURCE"),
                    rows.stream().map(ConfigVerb::cells).toList());
        } else {
            call.table(
                    List.of("SECTION", "SETTING", "VALUE", "DEFAULT", "SOURCE", "WHAT IT IS"),
                    rows.stream()
                            .map(each -> {
                                List<Object> cells = new ArrayList<>(cells(each));
                                cells.add(each.description());
                                return cells;
                            })
                            .toList());
        }
        List<String> problems = settings.problems();
        problems.forEach(each -> call.err().println("blktap: " + each));
        return problems.isEmpty() ? 0 : 1;
    }

    private static Row row(Value value) {
        Setting setting = value.setting();
        return new Row(
                setting.section(),
                setting.key(),
                value.value(),
                setting.initial(),
                value.source(),
                setting.description());
    }

    private static List<Object> cells(Row row) {
        return List.of(
                row.section(),
                row.setting(),
                SettingsCheck.text(row.value()),
                SettingsCheck.text(row.initial()),
                row.source());
    }

    private List<Row> ofDirectories() {
        Directories initial = Directories.of(directories.home());
        return List.of(
                directory(
                        "run",
                        directories.run(),
                        initial.run(),
                        "BLKTAP_RUN_DIR",
                        "Sockets; clients of the daemon need it too."),
                directory("data", directories.data(), initial.data(), "BLKTAP_DATA_DIR", "Attachments and cache."),
                directory("deploy", directories.deploy(), initial.deploy(), "BLKTAP_DEPLOY_DIR", "Watched for jars."),
                directory(
                        "control",
                        directories.control(),
                        initial.control(),
                        "BLKTAP_CONTROL_DIR",
                        "Minors and sockets of tap-ctl."));
    }

    private static Row directory(String name, Path value, Path initial, String variable, String description) {
        return new Row(
                ConfiguredSettings.DIRECTORIES,
                name,
                value.toString(),
                initial.toString(),
                value.equals(initial) ? "default" : variable,
                description + " Set by " + variable + ", at the start.");
    }
}
