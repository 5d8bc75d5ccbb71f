package org.blktap.shell;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.command.Surroundings;
import org.blktap.shell.command.Verbs;
import org.osgi.framework.Bundle;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** What may come next on a line of the prompt. */
final class Completion {
    private static final Set<String> TAKE_ID = Set.of("detach", "plug", "unplug", "info", "stats", "park", "resize", "resume", "eject", "insert", "diag");
    private static final Set<String> TAKE_SPEC = Set.of("attach", "create", "check", "convert", "map", "resize", "insert");
    /** Names of one directory that are offered at most. */
    private static final int MAX_FILES = 500;

    private final Surroundings here;
    private final Path directory;
    private final Supplier<Collection<String>> commands;

    /**
     * @param whole whether a blank may follow it
     * @param hint what it is, or null
     */
    record Proposal(String value, String hint, boolean whole) {
        static Proposal of(String value) {
            return new Proposal(value, null, true);
        }
    }

    /** @param commands all of gogo's */
    Completion(Surroundings here, Path directory, Supplier<Collection<String>> commands) {
        this.here = here;
        this.directory = directory;
        this.commands = commands;
    }

    /**
     * @param before the words before the one at the cursor
     * @param word as far as it is typed; what does not begin with it may be among the answer
     */
    List<Proposal> complete(List<String> before, String word) {
        List<Proposal> all = new ArrayList<>();
        Map<String, CommandLine> verbs = Verbs.commandLine(here).getSubcommands();
        if (before.isEmpty()) {
            verbs.forEach((name, verb) -> all.add(new Proposal(name, verb.getCommandSpec().usageMessage().description()[0], true)));
            commands.get().stream().filter(name -> !verbs.containsKey(name)).forEach(name -> all.add(Proposal.of(name)));
            GogoSession.LEAVE.forEach(name -> all.add(Proposal.of(name)));
            return all;
        }
        String name = before.get(0).replaceFirst("^tap:", "");
        String previous = before.get(before.size() - 1);
        CommandLine verb = verbs.get(name);
        if (verb == null) {
            return all;
        }
        try {
            if (previous.equals("--node")) {
                here.attachments().nodes().forEach(node -> all.add(new Proposal(node.name(), node.summary(), true)));
            } else if (previous.equals("--backing")) {
                specs(word, all);
            } else if (!takesValue(verb, previous)) {
                operands(name, before, word, all);
                options(verb, all);
            }
        } catch (DiskException e) {
            // without a core there is nothing of it to offer
            return all;
        }
        return all;
    }

    private static boolean takesValue(CommandLine verb, String option) {
        OptionSpec spec = verb.getCommandSpec().findOption(option);
        return option.startsWith("-") && spec != null && spec.arity().max() > 0;
    }

    private static void options(CommandLine verb, List<Proposal> all) {
        for (OptionSpec option : verb.getCommandSpec().options()) {
            all.add(new Proposal(option.longestName(), option.description().length == 0 ? null : option.description()[0], true));
        }
    }

    private void operands(String verb, List<String> before, String word, List<Proposal> all) throws DiskException {
        if (TAKE_ID.contains(verb) && !word.startsWith("tap:")) {
            here.attachments().list().forEach(each -> all.add(new Proposal(each.id(), each.spec(), true)));
        }
        if (TAKE_SPEC.contains(verb) && before.stream().noneMatch(each -> each.startsWith("tap:") && each != before.get(0))) {
            specs(word, all);
        } else if (verb.equals("deploy")) {
            files("", word, all);
        } else if (verb.equals("undeploy")) {
            deployed().forEach(each -> all.add(Proposal.of(each)));
        } else if (verb.equals("help")) {
            Verbs.commandLine(here).getSubcommands().keySet().forEach(each -> all.add(Proposal.of(each)));
        }
    }

    /** The symbolic names of what is in deploy/. */
    private List<String> deployed() {
        String folder = Path.of(System.getProperty("blktap.deploy.dir", "deploy")).toAbsolutePath().normalize().toFile().toURI().toString();
        return Arrays.stream(here.bundles().getBundles()).filter(each -> each.getLocation().startsWith(folder)).map(Bundle::getSymbolicName).toList();
    }

    private void specs(String word, List<Proposal> all) throws DiskException {
        for (Attachments.ServiceStatus driver : here.attachments().drivers()) {
            String prefix = "tap:" + driver.name() + ":";
            if (word.startsWith(prefix)) {
                files(prefix, word.substring(prefix.length()), all);
            } else {
                all.add(new Proposal(prefix, driver.summary(), false));
            }
        }
    }

    /** The names in the directory that is typed so far. */
    private void files(String prefix, String typed, List<Proposal> all) {
        String folder = typed.substring(0, typed.lastIndexOf('/') + 1);
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory.resolve(folder))) {
            for (Path file : files) {
                boolean isFolder = Files.isDirectory(file);
                String name = file.getFileName().toString();
                if (all.size() < MAX_FILES && name.startsWith(typed.substring(folder.length())) && (!name.startsWith(".")
                        || typed.startsWith(folder + "."))) {
                    all.add(new Proposal(prefix + folder + name + (isFolder ? "/" : ""), null, !isFolder));
                }
            }
        } catch (IOException | InvalidPathException e) {
            // what is typed leads to no directory: nothing to offer
            return;
        }
    }
}
