package org.blktap.shell.command;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.blktap.api.command.Verb;
import org.blktap.shell.verbs.Declaration;
import org.blktap.shell.verbs.Operand;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.Option;

/** Makes picocli's command lines from the declarations of verbs and the fields of their objects. */
final class CommandLines {
    /** Columns of a page of help; the option column takes a third. */
    private static final int PAGE_COLUMNS = 110;

    @Command(
            name = "blktap",
            description = "User-space block devices for virtual machines.",
            synopsisSubcommandLabel = "VERB",
            commandListHeading = "%nVerbs:%n",
            footer = {
                "",
                "Examples:",
                "  blktap create tap:aio:/vm/a.img 10G",
                "  blktap attach tap:aio:/vm/a.img --id a --node vhost-user --node nbd",
                "  blktap list --json",
                "  blktap detach a",
                "",
                "blktap --instance NAME VERB gives the command to another instance of the daemon.",
                "blktap VERB --help explains a verb. Exit status: 0 done, 1 refused or failed, 2 wrong usage."
            })
    private static final class Top {
        @Option(
                names = {"-h", "--help"},
                usageHelp = true,
                description = "Shows this help.")
        boolean help;

        @Option(
                names = {"-V", "--version"},
                versionHelp = true,
                description = "Shows the version.")
        boolean version;
    }

    private CommandLines() {}

    /**
     * Makes a command line.
     *
     * @param listed the verbs that are known by name and summary
     * @param objects those of them that may be run, or whose page is shown
     */
    static CommandLine of(List<Declaration> listed, Map<String, Verb> objects) {
        CommandLine top = new CommandLine(new Top());
        // an argument is never the name of a file with more arguments
        top.setExpandAtFiles(false);
        for (Declaration each : listed) {
            Verb verb = objects.get(each.name());
            CommandSpec spec = verb == null ? CommandSpec.create() : CommandSpec.forAnnotatedObjectLenient(verb);
            declare(spec, each, verb != null);
            top.addSubcommand(each.name(), spec);
        }
        top.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
        top.setUsageHelpWidth(PAGE_COLUMNS);
        top.getCommandSpec().version("blktap " + Verbs.version());
        return top;
    }

    private static void declare(CommandSpec spec, Declaration declaration, boolean whole) {
        UsageMessageSpec page = spec.usageMessage();
        spec.name(declaration.name());
        page.description(Stream.concat(Stream.of(declaration.summary()), Arrays.stream(page.description()))
                .toArray(String[]::new));
        if (!whole) {
            return;
        }
        spec.addOption(OptionSpec.builder("-h", "--help")
                .usageHelp(true)
                .type(boolean.class)
                .arity("0")
                .description("Shows this help.")
                .build());
        List<PositionalParamSpec> fields = new ArrayList<>(spec.positionalParameters());
        List<Operand> operands = declaration.operands();
        if (fields.size() != operands.size()) {
            throw new IllegalStateException("the verb " + declaration.name() + " declares " + operands.size()
                    + " operands, and has fields for " + fields.size());
        }
        fields.forEach(spec::remove);
        for (int i = 0; i < fields.size(); i++) {
            PositionalParamSpec.Builder field = PositionalParamSpec.builder(fields.get(i));
            // the label has brackets and dots already; picocli would add those of the field, which may be left out or
            // not
            field.paramLabel(operands.get(i).toString())
                    .hideParamSyntax(true)
                    .arity(operands.get(i).arity());
            field.index(operands.get(i).repeated() ? i + "..*" : Integer.toString(i))
                    .required(!operands.get(i).optional());
            spec.addPositional(field.build());
        }
    }
}
