package org.blktap.shell.command;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.blktap.api.command.OperandKind;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.shell.instance.Instances;
import org.blktap.shell.verbs.Catalog;
import org.blktap.shell.verbs.Declaration;
import org.blktap.shell.verbs.Operand;
import org.osgi.framework.Bundle;
import picocli.CommandLine.Model.OptionSpec;

/** Completes command lines from the declarations of the verbs, for the prompt and for the caller's shell. */
public final class Completion {
    /** Names of one directory that are offered at most. */
    private static final int MAX_FILES = 500;

    private static final String SCHEME = "tap:";

    private final Catalog catalog;
    private final KnownOptions options;
    private final Surroundings here;
    private final Supplier<Collection<String>> others;

    /** The options of a verb. */
    public interface KnownOptions {
        /** @throws DiskException if the verb has gone */
        List<OptionSpec> of(Declaration verb) throws DiskException;
    }

    /**
     * A proposed word.
     *
     * @param whole whether a blank may follow it
     * @param hint what it is, or null
     */
    public record Proposal(String value, String hint, boolean whole) {
        static Proposal of(String value) {
            return new Proposal(value, null, true);
        }
    }

    /** @param others commands besides the verbs */
    public Completion(Catalog catalog, KnownOptions options, Surroundings here, Supplier<Collection<String>> others) {
        this.catalog = catalog;
        this.options = options;
        this.here = here;
        this.others = others;
    }

    /**
     * Proposes words for one place.
     *
     * @param before the words before the one at the cursor, from the verb on
     * @param word as far as it is typed; what does not begin with it may be among the answer
     */
    public List<Proposal> complete(List<String> before, String word) {
        List<Proposal> all = new ArrayList<>();
        if (before.isEmpty()) {
            verbs(all);
            Set<String> verbs = all.stream().map(Proposal::value).collect(Collectors.toSet());
            others.get().stream().filter(each -> !verbs.contains(each)).forEach(each -> all.add(Proposal.of(each)));
            return all;
        }
        if (before.equals(List.of("--instance"))) {
            Instances.known().names().forEach(each -> all.add(Proposal.of(each)));
            return all;
        }
        Declaration verb = catalog.find(before.get(0).replaceFirst("^tap:", ""));
        if (verb == null) {
            return all;
        }
        try {
            List<OptionSpec> known = options.of(verb);
            String previous = before.get(before.size() - 1);
            List<String> given = operands(known, before.subList(1, before.size()));
            if (before.size() > 1 && takesValue(known, previous)) {
                propose(verb.values().getOrDefault(previous, Set.of()), given, word, all);
                return all;
            }
            Operand operand = verb.operand(given.size());
            propose(operand == null ? Set.of() : operand.kinds(), given, word, all);
            for (OptionSpec option : known) {
                all.add(new Proposal(
                        option.longestName(), option.description().length == 0 ? null : option.description()[0], true));
            }
        } catch (DiskException e) {
            // without a core there is nothing of it to offer
            return all;
        }
        return all;
    }

    private void verbs(List<Proposal> all) {
        catalog.all().forEach(each -> all.add(new Proposal(each.name(), each.summary(), true)));
    }

    private static boolean takesValue(List<OptionSpec> known, String word) {
        return word.startsWith("-")
                && known.stream()
                        .anyMatch(option -> option.arity().max() > 0
                                && Arrays.asList(option.names()).contains(word));
    }

    /** Returns the words that are neither options nor their values. */
    private static List<String> operands(List<OptionSpec> known, List<String> words) {
        List<String> operands = new ArrayList<>();
        for (int i = 0; i < words.size(); i++) {
            if (takesValue(known, words.get(i))) {
                i++;
            } else if (!words.get(i).startsWith("-")) {
                operands.add(words.get(i));
            }
        }
        return operands;
    }

    private void propose(Set<OperandKind> kinds, List<String> given, String word, List<Proposal> all) {
        for (OperandKind kind : kinds) {
            try {
                propose(kind, given, word, all);
            } catch (DiskException e) {
                // without a core there is nothing of this kind
                continue;
            }
        }
    }

    private void propose(OperandKind kind, List<String> given, String word, List<Proposal> all) throws DiskException {
        switch (kind) {
            case ID -> {
                Instances.known().ownProcesses().forEach(each -> all.add(Proposal.of(each)));
                here.attachments().list().forEach(each -> all.add(new Proposal(each.id(), each.spec(), true)));
            }
            case SPEC, NEW -> specs(word, all);
            case NODE ->
                here.attachments().nodes().forEach(node -> all.add(new Proposal(node.name(), node.summary(), true)));
            case FILTER ->
                here.attachments()
                        .filters()
                        .forEach(filter -> all.add(new Proposal(filter.name(), filter.summary(), true)));
            case FILTERED -> filtered(given, all);
            case PLUGGED -> plugged(given, all);
            case FILE -> files("", word, all);
            case BUNDLE -> deployed().forEach(each -> all.add(Proposal.of(each)));
            case VERB -> verbs(all);
            default -> {
                // a size or a text: there is nothing to propose
            }
        }
    }

    /** Proposes the filters of the first attachment among the words. */
    private void filtered(List<String> given, List<Proposal> all) throws DiskException {
        here.attachments().list().stream()
                .filter(each -> given.contains(each.id()))
                .limit(1)
                .forEach(each ->
                        each.filters().forEach(spec -> all.add(new Proposal(Options.nameIn(spec), spec, true))));
    }

    private void plugged(List<String> given, List<Proposal> all) throws DiskException {
        for (AttachmentStatus.Node node : given.isEmpty()
                ? List.<AttachmentStatus.Node>of()
                : here.attachments().status(given.get(0)).nodes()) {
            all.add(new Proposal(node.address(), node.kind(), true));
        }
    }

    /** The symbolic names of what is in deploy/. */
    private List<String> deployed() {
        if (here.bundles() == null) {
            return List.of();
        }
        String folder = here.directories()
                .deploy()
                .toAbsolutePath()
                .normalize()
                .toFile()
                .toURI()
                .toString();
        return Arrays.stream(here.bundles().getBundles())
                .filter(each -> each.getLocation().startsWith(folder))
                .map(Bundle::getSymbolicName)
                .toList();
    }

    private void specs(String word, List<Proposal> all) throws DiskException {
        int path = word.startsWith(SCHEME) ? word.indexOf(':', SCHEME.length()) + 1 : 0;
        if (path > 0) {
            // of any type: without a daemon the types are not known
            files(word.substring(0, path), word.substring(path), all);
            return;
        }
        here.attachments()
                .drivers()
                .forEach(driver -> all.add(new Proposal(SCHEME + driver.name() + ":", driver.summary(), false)));
    }

    /** The names in the directory that is typed so far. */
    private void files(String prefix, String typed, List<Proposal> all) {
        String folder = typed.substring(0, typed.lastIndexOf('/') + 1);
        int most = all.size() + MAX_FILES;
        try (DirectoryStream<Path> files =
                Files.newDirectoryStream(here.directory().resolve(FileNames.path(folder)))) {
            for (Path file : files) {
                String name = FileNames.text(file.getFileName());
                if (all.size() < most
                        && name.startsWith(typed.substring(folder.length()))
                        && (!name.startsWith(".") || typed.startsWith(folder + "."))) {
                    boolean isFolder = Files.isDirectory(file);
                    all.add(new Proposal(prefix + folder + name + (isFolder ? "/" : ""), null, !isFolder));
                }
            }
        } catch (IOException | InvalidPathException e) {
            // what is typed leads to no directory: nothing to offer
            return;
        }
    }
}
