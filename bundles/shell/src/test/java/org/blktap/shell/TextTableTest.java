package org.blktap.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class TextTableTest {
    private static String print(TextTable table) {
        StringWriter out = new StringWriter();
        PrintWriter writer = new PrintWriter(out);
        table.print(writer);
        writer.flush();
        return out.toString().replace(System.lineSeparator(), "\n");
    }

    @Test
    void wordsAreAlignedLeftAndNumbersRight() {
        TextTable table = new TextTable("ID", "SIZE", "N");
        table.row("a", "512 B", 7);
        table.row("longer", "10.0 GiB", 12345);
        assertEquals("""
                ID          SIZE      N
                a          512 B      7
                longer  10.0 GiB  12345
                """, print(table));
    }

    @Test
    void aTableOfNothingIsItsHeading() {
        assertEquals("ID  SIZE\n", print(new TextTable("ID", "SIZE")));
    }

    @Test
    void controlCharactersCannotSpoilTheTerminal() {
        TextTable table = new TextTable("ID");
        table.row("a\u001b[2J\nb");
        assertEquals("ID\na?[2J?b\n", print(table));
    }

    @Test
    void sizesAsPeopleReadThem() {
        assertEquals("0 B", TextTable.size(0));
        assertEquals("1023 B", TextTable.size(1023));
        assertEquals("1.0 KiB", TextTable.size(1024));
        assertEquals("1.5 KiB", TextTable.size(1536));
        assertEquals("10.0 GiB", TextTable.size(10L << 30));
        assertEquals("1.0 GiB", TextTable.size((1L << 30) - 1));
        assertEquals("2.0 PiB", TextTable.size(2L << 50));
        assertEquals("8.0 EiB", TextTable.size(Long.MAX_VALUE));
    }
}
