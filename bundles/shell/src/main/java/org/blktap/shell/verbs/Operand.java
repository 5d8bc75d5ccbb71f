package org.blktap.shell.verbs;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import org.blktap.api.command.OperandKind;

/**
 * An operand as a verb declares it.
 *
 * @param label for people
 * @param optional whether it may be left out
 * @param repeated whether there may be several
 */
public record Operand(String label, Set<OperandKind> kinds, boolean optional, boolean repeated) {
    /** @throws IllegalArgumentException if it names an unknown kind */
    static Operand parse(String text) {
        boolean optional = text.startsWith("[") && text.endsWith("]");
        String rest = optional ? text.substring(1, text.length() - 1) : text;
        boolean repeated = rest.endsWith("...");
        rest = repeated ? rest.substring(0, rest.length() - 3) : rest;
        int equals = rest.indexOf('=');
        String label = equals < 0 ? rest : rest.substring(0, equals);
        if (label.isEmpty()) {
            throw new IllegalArgumentException("an operand without a label: " + text);
        }
        return new Operand(label, kinds(rest.substring(equals + 1)), optional, repeated);
    }

    static Set<OperandKind> kinds(String names) {
        Set<OperandKind> kinds = EnumSet.noneOf(OperandKind.class);
        Arrays.stream(names.split("\\|")).map(OperandKind::valueOf).forEach(kinds::add);
        return kinds;
    }

    /** The number of words, in picocli's notation. */
    public String arity() {
        return (optional ? "0.." : "1") + (repeated ? optional ? "*" : "..*" : optional ? "1" : "");
    }

    /** The operand as in a synopsis. */
    @Override
    public String toString() {
        String shown = label + (repeated ? "..." : "");
        return optional ? "[" + shown + "]" : shown;
    }
}
