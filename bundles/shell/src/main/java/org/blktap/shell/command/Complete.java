package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.List;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "complete",
        summary = "Lists what the last word of a command line may become, for the completion of a shell.",
        operands = "[WORD=TEXT...]",
        runs = Where.ANYWHERE)
@Command(
        description = "One line each. A word that is whole has a blank after it.",
        footer = {"", "Example:", "  complete -- attach tap:qco"})
public final class Complete extends TapCommand {
    @Parameters(description = "The words after blktap, the last one as far as it is typed.")
    List<String> words = List.of();

    @Override
    void run(PrintWriter out) {
        int last = words.size() - 1;
        String word = last < 0 ? "" : words.get(last);
        new Completion(call.verbs().catalog(), call.verbs()::options, here, List::of)
                .complete(last < 0 ? List.of() : words.subList(0, last), word).stream()
                        .filter(each -> each.value().startsWith(word)
                                && (word.startsWith("-") || !each.value().startsWith("-"))
                                && each.value().indexOf('\n') < 0)
                        .forEach(each -> out.println(each.value() + (each.whole() ? " " : "")));
    }
}
