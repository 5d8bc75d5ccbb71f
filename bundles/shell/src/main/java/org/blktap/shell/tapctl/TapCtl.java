package org.blktap.shell.tapctl;

import java.io.PrintWriter;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.command.Surroundings;
import org.blktap.shell.command.Verbs;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/**
 * {@code tap-ctl}, a program of its own with the arguments, output and exit statuses of blktap's (control/tap-ctl.c),
 * on our attachments.
 */
public final class TapCtl {
    /** The name in a client's request. */
    public static final String NAME = "tap-ctl";

    private static final System.Logger LOG = System.getLogger("org.blktap.shell");
    private static final int PAGE_COLUMNS = 110;
    private static final String PREFIX = NAME + ": ";

    @Command(
            name = NAME,
            description = "blktap's control of tapdisks, on this daemon.",
            synopsisSubcommandLabel = "VERB",
            commandListHeading = "%nVerbs:%n",
            footer = {"", "tap-ctl VERB -h explains a verb. Exit status: 0 done, else the error number (errno)."})
    private static final class Top implements Runnable {
        @Option(
                names = {"-h", "--help"},
                usageHelp = true,
                description = "Shows this help.")
        boolean help;

        @Spec
        CommandSpec spec;

        @Override
        public void run() {
            throw new ParameterException(spec.commandLine(), "no verb given");
        }
    }

    private TapCtl() {}

    /** Runs a command; its exit status. */
    public static int execute(Surroundings here, List<String> arguments, PrintWriter out, PrintWriter err) {
        return execute(
                new Taps(
                        here,
                        new Minors(
                                here.directories().control(),
                                ProcessHandle.current().pid())),
                arguments,
                out,
                err);
    }

    /** Runs what needs no daemon, like {@link Verbs#offline}. The client finds this method by its name. */
    public static int offline(List<String> arguments, PrintWriter out, PrintWriter err) {
        Surroundings nowhere = new Surroundings(() -> null, () -> null, Path.of(""), false);
        CommandLine line = commandLine(new Taps(nowhere, null));
        try {
            ParseResult parsed = line.parseArgs(words(arguments));
            ParseResult verb = parsed.subcommand();
            if (verb != null && !verb.isUsageHelpRequested()) {
                return Verbs.NEEDS_DAEMON;
            }
        } catch (ParameterException e) {
            // reported below, as a daemon reports it
        }
        return execute(new Taps(nowhere, null), arguments, out, err);
    }

    /** The names of its verbs, sorted. */
    public static List<String> verbs() {
        return commandLine(new Taps(null, null)).getSubcommands().keySet().stream()
                .sorted()
                .toList();
    }

    static int execute(Taps taps, List<String> arguments, PrintWriter out, PrintWriter err) {
        int status = commandLine(taps).setOut(out).setErr(err).execute(words(arguments));
        out.flush();
        err.flush();
        return status;
    }

    private static String[] words(List<String> arguments) {
        // of tap-ctl's own messages, anywhere on the line
        return arguments.stream().filter(word -> !word.equals("--debug")).toArray(String[]::new);
    }

    static CommandLine commandLine(Taps taps) {
        CommandLine top = new CommandLine(new Top());
        for (TapCtlVerb each : List.of(
                new ListTaps(taps),
                new Allocate(taps),
                new Free(taps),
                new TapCreate(taps),
                new Destroy(taps),
                new Spawn(taps),
                new TapAttach(taps),
                new TapDetach(taps),
                new Open(taps),
                new Close(taps),
                new Pause(taps),
                new Unpause(taps),
                new TapStats(taps))) {
            top.addSubcommand(each);
        }
        top.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
        top.setUsageHelpWidth(PAGE_COLUMNS);
        top.setOverwrittenOptionsAllowed(true);
        top.setExecutionExceptionHandler((e, line, parsed) -> failed(e, line.getErr()));
        top.setParameterExceptionHandler((e, given) -> wrong(e));
        return top;
    }

    private static int wrong(ParameterException e) {
        e.getCommandLine()
                .getErr()
                .println(PREFIX + line(e.getMessage()) + "; see "
                        + e.getCommandLine().getCommandSpec().qualifiedName() + " -h");
        return TapErrno.EINVAL;
    }

    private static int failed(Exception e, PrintWriter err) {
        if (e instanceof Refused refused) {
            err.println(PREFIX + line(refused.getMessage()));
            return refused.errno();
        }
        if (e instanceof DiskException disk && disk.getMessage() != null) {
            err.println(PREFIX + line(disk.getMessage()));
            return TapErrno.of(disk.reason());
        }
        LOG.log(Level.ERROR, "a command failed in a way that it should not", e);
        err.println(PREFIX + "internal error, see the daemon's log: " + line(e.toString()));
        return TapErrno.EIO;
    }

    private static String line(String text) {
        return text.replaceAll("\\s*\\R\\s*", " ");
    }
}
