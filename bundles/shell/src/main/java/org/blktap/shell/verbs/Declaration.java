package org.blktap.shell.verbs;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.api.command.OperandKind;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;

/**
 * The declaration of a verb.
 *
 * @param values kinds of the values of options, by the option's name
 */
public record Declaration(
        String name,
        String summary,
        List<Operand> operands,
        Map<String, Set<OperandKind>> values,
        Where runs,
        boolean longRunning) {
    /** Names that the shell, the index and the manual page can use unquoted. */
    private static final String NAME = "[a-z][a-z0-9-]*";

    public Declaration {
        if (name == null || !name.matches(NAME) || summary == null || summary.isBlank() || summary.indexOf('"') >= 0) {
            throw new IllegalArgumentException(
                    "a verb needs a name of lower case letters, digits and dashes, and a summary without quotation marks: "
                            + name);
        }
    }

    /** Reads the annotation of a verb's class. */
    public static Declaration of(Class<?> type) {
        VerbDeclaration declared = type.getAnnotation(VerbDeclaration.class);
        if (declared == null) {
            throw new IllegalArgumentException(type.getName() + " has no " + VerbDeclaration.class.getSimpleName());
        }
        return of(
                declared.name(),
                declared.summary(),
                declared.operands(),
                declared.values(),
                declared.runs(),
                declared.longRunning());
    }

    /** Reads the properties of a verb's service. */
    public static Declaration of(Map<String, ?> properties) {
        return of(
                (String) properties.get("verb.name"),
                (String) properties.get("verb.summary"),
                texts(properties.get("verb.operands")),
                texts(properties.get("verb.values")),
                Where.valueOf(properties.get("verb.runs").toString()),
                Boolean.TRUE.equals(properties.get("verb.longRunning")));
    }

    /** Makes the declaration of a verb of which only name and summary are known. */
    static Declaration of(String name, String summary) {
        return of(name, summary, new String[0], new String[0], Where.DAEMON, false);
    }

    private static String[] texts(Object property) {
        return property instanceof String[] texts
                ? texts
                : property instanceof String text ? new String[] {text} : new String[0];
    }

    private static Declaration of(
            String name, String summary, String[] operands, String[] values, Where runs, boolean longRunning) {
        Map<String, Set<OperandKind>> kinds = new LinkedHashMap<>();
        for (String each : values) {
            int equals = each.lastIndexOf('=');
            kinds.put(each.substring(0, equals), Operand.kinds(each.substring(equals + 1)));
        }
        return new Declaration(
                name, summary, Arrays.stream(operands).map(Operand::parse).toList(), kinds, runs, longRunning);
    }

    /** The operand at a place, or null if there is none. */
    public Operand operand(int place) {
        if (place < operands.size()) {
            return operands.get(place);
        }
        return !operands.isEmpty() && operands.get(operands.size() - 1).repeated()
                ? operands.get(operands.size() - 1)
                : null;
    }
}
