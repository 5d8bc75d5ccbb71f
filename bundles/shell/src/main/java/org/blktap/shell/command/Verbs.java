package org.blktap.shell.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.verbs.Catalog;
import org.blktap.shell.verbs.Declaration;
import org.blktap.shell.verbs.InstalledVerbs;
import picocli.CommandLine;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Runs verbs: parses their arguments, and turns failures into one line and an exit status. Any thread. */
public final class Verbs {
    /** An answer of {@link #offline}. */
    public static final int NEEDS_DAEMON = -1;

    private static final System.Logger LOG = System.getLogger("org.blktap.shell");

    private final Catalog catalog;

    public Verbs(Catalog catalog) {
        this.catalog = catalog;
    }

    /** The version of this bundle, as Maven writes it. */
    public static String version() {
        String version = Verbs.class.getPackage().getImplementationVersion();
        return version == null ? "(not packaged)" : version;
    }

    /** The verbs that are there. */
    public Catalog catalog() {
        return catalog;
    }

    /** Uses a verb's command line. */
    private interface Use<T> {
        T with(CommandLine line) throws DiskException;
    }

    /** Runs with a command line that has one verb. */
    private <T> T use(Declaration verb, Use<T> use) throws DiskException {
        try (Catalog.Lease lease = catalog.lease(verb.name())) {
            return use.with(CommandLines.of(List.of(verb), Map.of(verb.name(), lease.verb())));
        }
    }

    /** Returns picocli's model of a verb's arguments and page. */
    public CommandSpec spec(Declaration verb) throws DiskException {
        return use(verb, line -> line.getSubcommands().get(verb.name()).getCommandSpec());
    }

    /** The options of a verb, for completion. */
    public List<OptionSpec> options(Declaration verb) throws DiskException {
        return spec(verb).options();
    }

    /** Prints the page of a verb, or of all if there is no name; false if there is no such verb. */
    boolean page(String name, PrintWriter out) throws DiskException {
        if (name == null) {
            CommandLines.of(catalog.all(), Map.of()).usage(out);
            return true;
        }
        Declaration verb = catalog.find(name);
        return verb != null
                && use(verb, line -> {
                    line.getSubcommands().get(name).usage(out);
                    return true;
                });
    }

    /** Runs a command for a caller who can interrupt it only by disconnecting; returns the exit status. */
    public int execute(Surroundings here, List<String> arguments, PrintWriter out, PrintWriter err) {
        return execute(here, arguments, out, err, () -> false, err::println);
    }

    /**
     * Runs a command, and returns its exit status.
     *
     * @param interrupted whether the caller wants it to end
     * @param failure receives the failure as one line
     */
    public int execute(
            Surroundings here,
            List<String> arguments,
            PrintWriter out,
            PrintWriter err,
            BooleanSupplier interrupted,
            Consumer<String> failure) {
        VerbCall call = new VerbCall(this, here, out, err, interrupted);
        Declaration verb = arguments.isEmpty() ? null : catalog.find(arguments.get(0));
        int status;
        try {
            String absent = verb == null && !arguments.isEmpty() ? catalog.whyAbsent(arguments.get(0)) : null;
            if (absent != null) {
                throw new DiskException(DiskException.Reason.NOT_FOUND, absent);
            }
            Use<Integer> run = line -> execute(line, call, arguments, failure);
            status = verb == null ? run.with(CommandLines.of(catalog.all(), Map.of())) : use(verb, run);
        } catch (DiskException | RuntimeException | LinkageError e) {
            status = failed(e, failure);
        }
        out.flush();
        err.flush();
        return status;
    }

    private static int execute(CommandLine top, VerbCall call, List<String> arguments, Consumer<String> failure) {
        top.setExecutionStrategy(parsed -> run(parsed, call));
        top.setExecutionExceptionHandler((e, line, parsed) -> failed(e, failure));
        top.setParameterExceptionHandler((e, given) -> {
            failure.accept("blktap: " + usageMessage(e));
            return CommandLine.ExitCode.USAGE;
        });
        return top.setOut(call.out()).setErr(call.err()).execute(arguments.toArray(String[]::new));
    }

    private static int run(ParseResult parsed, VerbCall call) {
        Integer shown = CommandLine.executeHelpRequest(parsed);
        if (shown != null) {
            return shown;
        }
        ParseResult verb = parsed.subcommand();
        CommandLine top = parsed.commandSpec().commandLine();
        if (verb == null) {
            throw new ParameterException(top, "no verb given");
        }
        try {
            return ((Verb) verb.commandSpec().userObject()).run(call);
        } catch (UsageException e) {
            throw new ParameterException(verb.commandSpec().commandLine(), e.getMessage());
        } catch (Exception e) {
            throw new ExecutionException(top, e.toString(), e);
        }
    }

    private static int failed(Throwable e, Consumer<String> failure) {
        failure.accept("blktap: " + message(e));
        boolean usage = e instanceof DiskException known && known.reason() == DiskException.Reason.BAD_OPTION;
        return usage ? CommandLine.ExitCode.USAGE : CommandLine.ExitCode.SOFTWARE;
    }

    private static String message(Throwable e) {
        String text = e.getMessage();
        if (!(e instanceof DiskException) || text == null) {
            LOG.log(Level.ERROR, "a command failed in a way that it should not", e);
            text = "internal error, see the daemon's log: " + e;
        }
        return text.replaceAll("\\s*\\R\\s*", " ");
    }

    private static String usageMessage(ParameterException e) {
        StringBuilder text = new StringBuilder(wrong(e).replaceAll("\\s*\\R\\s*", " "));
        if (e instanceof UnmatchedArgumentException unmatched
                && !unmatched.getSuggestions().isEmpty()) {
            List<String> likely = unmatched.getSuggestions();
            // the best comes first; of the verbs there are always more that are a little alike
            text.append(" (did you mean ")
                    .append(text.indexOf("no verb") == 0 ? likely.get(0) : String.join(" or ", likely))
                    .append("?)");
        }
        CommandSpec where = e.getCommandLine().getCommandSpec();
        return text.append("; see ")
                .append(
                        where.userObject() instanceof Help && !(e instanceof UnmatchedArgumentException)
                                ? where.root().name()
                                : where.qualifiedName())
                .append(" --help")
                .toString();
    }

    /** Returns what is wrong; replaces those of picocli's messages that are about parsing. */
    private static String wrong(ParameterException e) {
        if (e instanceof UnmatchedArgumentException unmatched
                && e.getCommandLine().getParent() == null
                && !unmatched.getUnmatched().isEmpty()
                && !unmatched.getUnmatched().get(0).startsWith("-")) {
            return "no verb '" + unmatched.getUnmatched().get(0) + "'";
        }
        if (e.getArgSpec() instanceof OptionSpec option
                && option.isOption()
                && Map.class.isAssignableFrom(option.type())
                && e.getValue() != null
                && e.getValue().indexOf('=') < 0) {
            return option.longestName() + " " + e.getValue() + ": expected KEY=VALUE";
        }
        return e.getMessage();
    }

    /** Thrown by a verb that was called wrongly. */
    static final class UsageException extends Exception {
        private static final long serialVersionUID = 1;

        UsageException(String message) {
            super(message);
        }
    }

    /**
     * Runs what needs no daemon: pages of help, wrong usage, and verbs that run anywhere, with the verbs of all jars of
     * this class's loader. The client finds this method by its name.
     *
     * @return the exit status, or {@link #NEEDS_DAEMON} if nothing was done
     */
    public static int offline(List<String> arguments, Path directory, PrintWriter out, PrintWriter err)
            throws IOException {
        return new Verbs(InstalledVerbs.of(Verbs.class.getClassLoader())).withoutDaemon(arguments, directory, out, err);
    }

    /** Like {@link #offline}, with the verbs of this catalog. */
    public int withoutDaemon(List<String> arguments, Path directory, PrintWriter out, PrintWriter err) {
        Surroundings nowhere = new Surroundings(() -> null, () -> null, directory, false);
        return certainlyForDaemon(arguments) ? NEEDS_DAEMON : execute(nowhere, arguments, out, err);
    }

    /** Whether the arguments are valid and name a verb that only the daemon runs. */
    private boolean certainlyForDaemon(List<String> arguments) {
        Declaration verb = arguments.isEmpty() ? null : catalog.find(arguments.get(0));
        if (verb == null || verb.runs() == Where.ANYWHERE) {
            return false;
        }
        try {
            return use(verb, line -> {
                ParseResult parsed = line.parseArgs(arguments.toArray(String[]::new));
                return parsed.subcommand() != null && !parsed.subcommand().isUsageHelpRequested();
            });
        } catch (ParameterException e) {
            // reported when it is executed, as by a daemon
            return false;
        } catch (DiskException e) {
            // a verb that is known by name only has no page, and its arguments cannot be checked
            return true;
        }
    }
}
