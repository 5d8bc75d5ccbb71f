package org.blktap.shell.pages;

import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.blktap.api.command.OperandKind;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.tapctl.TapCtl;
import org.blktap.shell.verbs.ClassCatalog;
import org.blktap.shell.verbs.Declaration;

/**
 * Writes the verbs as a function of {@code sh}, by which {@code bin/blktap} chooses the process without starting Java.
 */
public final class VerbIndex {
    private static final String HEAD = """
            # Made by the build from what the verbs of bundle/ and deploy/ declare.
            # declared [WORD...]: sets runs, the process that runs the verb; class, its class; long, whether it is worth the better compiler; alone, how many
            # words are certainly no wrong usage, so that only a daemon can answer; ids, whether its operands name attachments.
            declared() {
              runs=daemon class= long= alone=-1 ids=
              case ${1:-} in
            """;

    private VerbIndex() {}

    /** The text of {@code libexec/verbs.sh}. */
    public static String of(ClassCatalog catalog) {
        StringBuilder text = new StringBuilder(HEAD);
        for (Declaration each : catalog.all()) {
            String settings = settings(catalog, each);
            if (!settings.isEmpty()) {
                text.append("    ")
                        .append(each.name())
                        .append(')')
                        .append(settings)
                        .append(" ;;\n");
            }
        }
        PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
        List<String> alone = TapCtl.verbs().stream()
                .filter(each -> TapCtl.offline(List.of(each), nowhere, nowhere) == Verbs.NEEDS_DAEMON)
                .toList();
        text.append("    ")
                .append(TapCtl.NAME)
                .append(") case ${2:-} in ")
                .append(String.join("|", alone))
                .append(") alone=2 ;; esac ;;\n");
        return text.append("  esac\n}\n").toString();
    }

    private static String settings(ClassCatalog catalog, Declaration verb) {
        StringBuilder text = new StringBuilder();
        if (verb.runs() != Where.DAEMON) {
            text.append(" runs=").append(verb.runs().name().toLowerCase(Locale.ROOT));
        }
        if (verb.runs() == Where.CLIENT || verb.runs() == Where.CLIENT_FOR_IMAGES) {
            text.append(" class=").append(catalog.className(verb.name())).append(verb.longRunning() ? " long=yes" : "");
        }
        PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
        if (verb.operands().stream().anyMatch(each -> each.kinds().contains(OperandKind.ID))) {
            text.append(" ids=yes");
        }
        if ((verb.runs() == Where.DAEMON || verb.runs() == Where.ANYWHERE)
                && new Verbs(catalog).withoutDaemon(List.of(verb.name()), Path.of("/"), nowhere, nowhere)
                        == Verbs.NEEDS_DAEMON) {
            text.append(" alone=1");
        }
        return text.toString();
    }
}
