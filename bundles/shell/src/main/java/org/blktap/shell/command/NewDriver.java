package org.blktap.shell.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.shell.project.DriverProject;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "new-driver",
        summary = "Writes a Maven project for a driver of your own.",
        operands = {"TYPE=TEXT", "[DIRECTORY=FILE]"},
        values = "--repository=FILE",
        runs = Where.CLIENT)
@Command(
        footer = {
            "",
            "The project has a driver that works, its unit test and a README. It is compiled against the api in the",
            "folder maven/ of this installation.",
            "",
            "Examples:",
            "  new-driver mine",
            "  new-driver mine /home/me/mine --group com.example"
        })
public final class NewDriver extends TapCommand {
    @Parameters(index = "0", description = "The type in tap:<type>:<path>: small letters, digits, - and _.")
    String type;

    @Parameters(
            index = "1",
            description = "Where to write it, driver-TYPE if left out. It must be empty, or not there yet.")
    String directory;

    @Option(
            names = "--group",
            paramLabel = "NAME",
            description = "The Maven group, and the beginning of the Java package (org.example).")
    String group = "org.example";

    @Option(
            names = "--repository",
            paramLabel = "DIR",
            description = "The Maven repository that has blktap's api, if not this installation's maven/.")
    String repository;

    @Override
    void run(PrintWriter out) throws Exception {
        if (!DriverProject.isType(type)) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad type " + type + ": expected small letters, digits, - and _, a letter first");
        }
        if (!DriverProject.isGroup(group)) {
            throw Options.bad("--group", group, "small letters and dots, as in org.example, and no keyword of Java");
        }
        Path artifacts =
                repository == null ? here.directories().home().resolve("maven").toAbsolutePath() : path(repository);
        if (!Files.isDirectory(artifacts.resolve("org/blktap/api"))) {
            throw new DiskException(
                    Reason.NOT_FOUND,
                    FileNames.text(artifacts) + ": no Maven repository with blktap's api; name one with --repository");
        }
        Path project = path(directory == null ? "driver-" + type : directory);
        try {
            if (!isEmpty(project)) {
                throw new DiskException(
                        Reason.EXISTS, FileNames.text(project) + ": exists already; choose another directory");
            }
            new DriverProject(type, group, artifacts).write(project).forEach(each -> out.println(FileNames.text(each)));
        } catch (IOException e) {
            throw DiskException.io(FileNames.text(project), "write", e);
        }
    }

    private Path path(String text) {
        return call.directory().resolve(FileNames.path(text)).normalize();
    }

    private static boolean isEmpty(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return Files.notExists(directory);
        }
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.findAny().isEmpty();
        }
    }
}
