package org.blktap.shell.command;

import java.io.PrintWriter;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.disk.DiskException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** All verbs, as one picocli command line. */
public final class Verbs {
    /** In the order of the help page. Listed here, so that the start of the daemon need not load the command line. */
    public static final List<String> NAMES = List.of("attach", "detach", "plug", "unplug", "list", "info", "stats", "create", "check", "convert", "map", "resize",
            "qcow-create", "img2qcow", "qcow2raw", "drivers", "nodes",
            "engines", "park", "resume", "eject", "insert", "deploy", "undeploy", "diag", "status", "xen-setup", "shell", "help");
    /** An answer of {@link #offline}. */
    public static final int NEEDS_DAEMON = -1;
    private static final System.Logger LOG = System.getLogger("org.blktap.shell");
    /** Columns of a page of help; the option column takes a third. */
    private static final int PAGE_COLUMNS = 110;

    @Command(name = "blktap", description = "User-space block devices for virtual machines.", synopsisSubcommandLabel = "VERB",
            commandListHeading = "%nVerbs:%n", footer = {"", "Examples:",
        "  blktap create tap:aio:/vm/a.img 10G", "  blktap attach tap:aio:/vm/a.img --id a --node vhost-user --node nbd",
        "  blktap list --json", "  blktap detach a", "", "blktap VERB --help explains a verb. Exit status: 0 done, 1 refused or failed, 2 wrong usage."})
    private static final class Top implements Runnable {
        @Option(names = {"-h", "--help"}, usageHelp = true, description = "Shows this help.")
        boolean help;
        @Option(names = {"-V", "--version"}, versionHelp = true, description = "Shows the version.")
        boolean version;
        @Spec
        CommandSpec spec;

        @Override
        public void run() {
            throw new ParameterException(spec.commandLine(), "no verb given");
        }
    }

    private Verbs() {
    }

    /** A fresh command line: picocli's objects keep the values of the last parse. */
    public static CommandLine commandLine(Surroundings here) {
        return commandLine(here, NAMES);
    }

    /** With these verbs only. */
    private static CommandLine commandLine(Surroundings here, List<String> verbs) {
        CommandLine top = new CommandLine(new Top());
        for (String each : verbs) {
            top.addSubcommand(verb(each, here));
        }
        top.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
        top.setUsageHelpWidth(PAGE_COLUMNS);
        top.getCommandSpec().version("blktap " + version());
        top.setExecutionExceptionHandler((e, line, parsed) -> {
            line.getErr().println("blktap: " + message(e));
            boolean usage = e instanceof DiskException known && known.reason() == DiskException.Reason.BAD_OPTION;
            return usage ? CommandLine.ExitCode.USAGE : CommandLine.ExitCode.SOFTWARE;
        });
        top.setParameterExceptionHandler((e, arguments) -> {
            e.getCommandLine().getErr().println("blktap: " + usageMessage(e));
            return CommandLine.ExitCode.USAGE;
        });
        return top;
    }

    private static TapCommand verb(String name, Surroundings here) {
        return switch (name) {
            case "attach" -> new Attach(here);
            case "detach" -> new Detach(here);
            case "plug" -> new Plug(here);
            case "unplug" -> new Unplug(here);
            case "list" -> new ListAll(here);
            case "info" -> new Info(here);
            case "stats" -> new Stats(here);
            case "create" -> new Create(here);
            case "check" -> new Check(here);
            case "convert" -> new Convert(here);
            case "map" -> new MapExtents(here);
            case "resize" -> new Resize(here);
            case "qcow-create" -> new QcowCreate(here);
            case "img2qcow" -> new Img2qcow(here);
            case "qcow2raw" -> new Qcow2raw(here);
            case "drivers" -> new Drivers(here);
            case "nodes" -> new Nodes(here);
            case "engines" -> new Engines(here);
            case "park" -> new Park(here);
            case "resume" -> new Resume(here);
            case "eject" -> new Eject(here);
            case "insert" -> new Insert(here);
            case "deploy" -> new Deploy(here);
            case "undeploy" -> new Undeploy(here);
            case "diag" -> new Diag(here);
            case "status" -> new Status(here);
            case "xen-setup" -> new XenSetup(here);
            case "shell" -> new ShellPage(here);
            case "help" -> new Help(here);
            default -> throw new IllegalArgumentException(name);
        };
    }

    /** The version of this bundle, as Maven writes it. */
    public static String version() {
        String version = Verbs.class.getPackage().getImplementationVersion();
        return version == null ? "(not packaged)" : version;
    }

    private static String message(Exception e) {
        String text = e.getMessage();
        if (!(e instanceof DiskException) || text == null) {
            LOG.log(Level.ERROR, "a command failed in a way that it should not", e);
            text = "internal error, see the daemon's log: " + e;
        }
        return text.replaceAll("\\s*\\R\\s*", " ");
    }

    private static String usageMessage(ParameterException e) {
        StringBuilder text = new StringBuilder(wrong(e).replaceAll("\\s*\\R\\s*", " "));
        if (e instanceof UnmatchedArgumentException unmatched && !unmatched.getSuggestions().isEmpty()) {
            List<String> likely = unmatched.getSuggestions();
            // the best comes first; of the verbs there are always more that are a little alike
            text.append(" (did you mean ").append(text.indexOf("no verb") == 0 ? likely.get(0) : String.join(" or ", likely)).append("?)");
        }
        CommandSpec where = e.getCommandLine().getCommandSpec();
        return text.append("; see ").append(where.name().equals("help") && !(e instanceof UnmatchedArgumentException) ? where.root().name() : where.qualifiedName()).append(" --help").toString();
    }

    /** What is wrong, in our words where picocli's are those of a parser. */
    private static String wrong(ParameterException e) {
        if (e instanceof UnmatchedArgumentException unmatched && e.getCommandLine().getParent() == null && !unmatched.getUnmatched().isEmpty()
                && !unmatched.getUnmatched().get(0).startsWith("-")) {
            return "no verb '" + unmatched.getUnmatched().get(0) + "'";
        }
        if (e.getArgSpec() instanceof OptionSpec option && option.isOption() && Map.class.isAssignableFrom(option.type()) && e.getValue() != null
                && e.getValue().indexOf('=') < 0) {
            return option.longestName() + " " + e.getValue() + ": expected KEY=VALUE";
        }
        return e.getMessage();
    }

    /** Runs a command; its exit status. */
    public static int execute(Surroundings here, List<String> arguments, PrintWriter out, PrintWriter err) {
        // to know all verbs takes time, and help needs them
        String verb = arguments.isEmpty() ? "" : arguments.get(0);
        CommandLine line = NAMES.contains(verb) && !verb.equals("help") ? commandLine(here, List.of(verb)) : commandLine(here);
        int status = line.setOut(out).setErr(err).execute(arguments.toArray(String[]::new));
        out.flush();
        err.flush();
        return status;
    }

    /**
     * What needs no daemon: pages of help, and wrong usage. Found by name by the client.
     *
     * @return the exit status, or {@link #NEEDS_DAEMON} if nothing was done
     */
    public static int offline(List<String> arguments, PrintWriter out, PrintWriter err) {
        Surroundings nowhere = new Surroundings(() -> null, () -> null, null, null, Path.of(""), false);
        try {
            ParseResult parsed = commandLine(nowhere).parseArgs(arguments.toArray(String[]::new));
            ParseResult verb = parsed.subcommand();
            if (!parsed.isVersionHelpRequested() && verb != null && !verb.isUsageHelpRequested() && !verb.commandSpec().name().equals("help")) {
                return NEEDS_DAEMON;
            }
        } catch (ParameterException e) {
            // reported below, as a daemon reports it
        }
        return execute(nowhere, arguments, out, err);
    }
}
