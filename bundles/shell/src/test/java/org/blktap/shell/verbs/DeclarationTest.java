package org.blktap.shell.verbs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.api.command.OperandKind;
import org.blktap.api.command.VerbDeclaration.Where;
import org.junit.jupiter.api.Test;

class DeclarationTest {
    @Test
    void anOperandIsALabelAndKinds() {
        assertEquals(
                new Operand("ID|SPEC", EnumSet.of(OperandKind.ID, OperandKind.SPEC), false, false),
                Operand.parse("ID|SPEC"));
        assertEquals(new Operand("SIZE", EnumSet.of(OperandKind.SIZE), true, false), Operand.parse("[SIZE]"));
        assertEquals(
                new Operand("SIZE(MB)", EnumSet.of(OperandKind.SIZE), false, false), Operand.parse("SIZE(MB)=SIZE"));
        assertEquals(new Operand("WORD", EnumSet.of(OperandKind.TEXT), true, true), Operand.parse("[WORD=TEXT...]"));
        assertEquals(
                List.of("1", "0..1", "1..*", "0..*"),
                List.of("ID", "[ID]", "ID...", "[ID...]").stream()
                        .map(each -> Operand.parse(each).arity())
                        .toList());
        assertEquals("[WORD...]", Operand.parse("[WORD=TEXT...]").toString());
        for (String bad : List.of("", "WORD", "ID|WORD", "=ID", "X=")) {
            assertThrows(IllegalArgumentException.class, () -> Operand.parse(bad), bad);
        }
    }

    @Test
    void theLastOperandMayBeSeveral() {
        Declaration copy = Declaration.of(Map.of(
                "verb.name",
                "copy",
                "verb.summary",
                "Copies.",
                "verb.operands",
                new String[] {"ID", "[FILE...]"},
                "verb.runs",
                "DAEMON"));
        assertEquals(Set.of(OperandKind.ID), copy.operand(0).kinds());
        assertEquals(Set.of(OperandKind.FILE), copy.operand(1).kinds());
        assertEquals(Set.of(OperandKind.FILE), copy.operand(7).kinds());
        Declaration none = Declaration.of(Map.of(
                "verb.name", "none", "verb.summary", "Nothing.", "verb.runs", "CLIENT", "verb.longRunning", true));
        assertEquals(null, none.operand(0));
        assertEquals(Where.CLIENT, none.runs());
        assertTrue(none.longRunning());
        assertFalse(copy.longRunning());
    }

    @Test
    void namesAndSummariesFitEverywhere() {
        for (String bad : List.of("", "Up", "a b", "-a", "a;b", "*")) {
            assertThrows(IllegalArgumentException.class, () -> Declaration.of(bad, "Summary."), bad);
        }
        assertThrows(IllegalArgumentException.class, () -> Declaration.of("a", "a \"word\""));
        assertThrows(IllegalArgumentException.class, () -> Declaration.of("a", " "));
    }

    @Test
    void manifestsTellOfVerbs() {
        assertEquals(
                List.of(
                        Map.of("name", "list", "class", "org.x.List", "summary", "Lists, all; of them."),
                        Map.of("name", "b", "class", "c.D", "summary", "It's b.")),
                InstalledVerbs.declared(
                        "osgi.service;objectClass:List<String>=\"a,b\";uses:=\"x,y\",org.blktap.verb;name=list;class=\"org.x.List\";"
                                + "summary=\"Lists, all; of them.\",osgi.ee;filter:=\"(a=b)\", org.blktap.verb;name:String=\"b\";class=c.D;summary=\"It's b.\",org.blktap.verb;name=half"));
        assertEquals(List.of(), InstalledVerbs.declared(null));
        assertEquals(List.of(), InstalledVerbs.declared("x;a=\"" + "long,".repeat(20000) + "\""));
    }
}
