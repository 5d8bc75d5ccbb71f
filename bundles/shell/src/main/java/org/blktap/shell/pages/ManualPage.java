package org.blktap.shell.pages;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import org.blktap.api.disk.DiskException;
import org.blktap.api.settings.Directories;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.verbs.Declaration;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** The manual page {@code blktap(8)}, in the language of man(7). */
public final class ManualPage {
    private static final String HEAD = """
            .\\" Made by the build from what the verbs declare.
            .TH BLKTAP 8 "" "blktap %s" "System Administration"
            .SH NAME
            blktap \\- user\\-space block devices for virtual machines
            .SH SYNOPSIS
            .B blktap
            .RB [ \\-\\-instance
            .IR NAME ]
            .I VERB
            .RI [ OPTION ]...\\&
            .RI [ OPERAND ]...
            .br
            .B blktap \\-\\-help
            |
            .B blktap \\-\\-version
            .SH DESCRIPTION
            Gives a command to the daemon
            .BR blktapd ,
            or works on images that are not attached, for which no daemon is needed.
            A disk is named by a tap spec,
            .IR tap:<type>:<path> .
            .PP
            With
            .B \\-\\-instance
            the command is for another instance of the daemon than the default one:
            .BR blktap\\-instances (7).
            .SH VERBS
            """;
    private static final String FOOT = """
            .SH EXIT STATUS
            0 done, 1 refused or failed, 2 wrong usage. Verbs with others say so above. An error is one line on standard error.
            .SH ENVIRONMENT
            .TP
            .B BLKTAP_RUN_DIR
            The directory of the daemon's sockets, %s if it is not set.
            .TP
            .B BLKTAP_INSTANCE
            The instance, as
            .BR \\-\\-instance .
            README.md of the installation has the other variables.
            """.formatted(Directories.DEFAULT_RUN);

    private ManualPage() {}

    /** The page's text. */
    public static String of(Verbs verbs, String version) throws DiskException {
        StringBuilder text = new StringBuilder(String.format(HEAD, text(version)));
        for (Declaration each : verbs.catalog().all()) {
            verb(text, each, verbs.spec(each));
        }
        return text.append(FOOT).toString();
    }

    private static void verb(StringBuilder text, Declaration verb, CommandSpec spec) {
        List<OptionSpec> options = spec.options().stream()
                .filter(option -> !option.usageHelp())
                .sorted(Comparator.comparing(OptionSpec::longestName))
                .toList();
        String operands = verb.operands().stream().map(each -> " " + each).collect(Collectors.joining());
        text.append(".SS \"")
                .append(text(verb.name() + (options.isEmpty() ? "" : " [OPTION]...") + operands)
                        .replace("\"", "\\(dq"))
                .append("\"\n");
        Arrays.stream(spec.usageMessage().description())
                .forEach(line -> text.append(text(line)).append("\n.br\n"));
        for (PositionalParamSpec each : spec.positionalParameters()) {
            if (each.description().length > 0) {
                entry(text, "\\fI" + text(each.paramLabel()) + "\\fR", each.description());
            }
        }
        for (OptionSpec each : options) {
            String names = Arrays.stream(each.names())
                    .map(name -> "\\fB" + text(name) + "\\fR")
                    .collect(Collectors.joining(", "));
            entry(
                    text,
                    names + (each.arity().max() > 0 ? " \\fI" + text(each.paramLabel()) + "\\fR" : ""),
                    each.description());
        }
        String[] footer = spec.usageMessage().footer();
        if (footer.length > 0) {
            text.append(".PP\n.nf\n");
            Arrays.stream(footer)
                    .filter(line -> !line.isEmpty())
                    .forEach(line -> text.append(text(line)).append('\n'));
            text.append(".fi\n");
        }
    }

    private static void entry(StringBuilder text, String label, String[] description) {
        text.append(".TP\n")
                .append(label)
                .append('\n')
                .append(text(String.join(" ", description)))
                .append('\n');
    }

    /** Escapes plain text, so that no character of it is a command. */
    private static String text(String plain) {
        String escaped = plain.replace("\\", "\\e").replace("-", "\\-");
        return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
    }
}
