package org.blktap.shell;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** Aligned columns under a heading; a column whose values are all numbers or sizes is aligned to the right. */
public final class TextTable {
    /** Shown with one decimal, it would read 1024.0. */
    private static final double ROUNDS_UP = 1023.95;

    private final List<String[]> rows = new ArrayList<>();

    public TextTable(String... heading) {
        rows.add(heading);
    }

    /** Values past the last heading are left out. */
    public void row(Object... values) {
        String[] row = new String[rows.get(0).length];
        for (int i = 0; i < row.length; i++) {
            // a line break or an escape sequence in a name must not spoil the table
            row[i] = String.valueOf(values[i]).replaceAll("\\p{Cntrl}", "?");
        }
        rows.add(row);
    }

    public void print(PrintWriter out) {
        int columns = rows.get(0).length;
        int[] width = new int[columns];
        boolean[] right = new boolean[columns];
        for (int c = 0; c < columns; c++) {
            right[c] = rows.size() > 1;
            for (int r = 0; r < rows.size(); r++) {
                String cell = rows.get(r)[c];
                width[c] = Math.max(width[c], cell.length());
                right[c] &= r == 0 || cell.matches("-|[0-9][0-9.]*( [KMGTPE]?i?B)?");
            }
        }
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int c = 0; c < columns; c++) {
                String pad = " ".repeat(width[c] - row[c].length());
                line.append(c == 0 ? "" : "  ").append(right[c] ? pad + row[c] : row[c] + pad);
            }
            out.println(line.toString().stripTrailing());
        }
    }

    /** Bytes as people read them: {@code 10.0 GiB}. */
    public static String size(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        double value = bytes;
        int unit = -1;
        while (value >= ROUNDS_UP && unit < 5) {
            value /= 1024;
            unit++;
        }
        return String.format(java.util.Locale.ROOT, "%.1f %siB", value, "KMGTPE".charAt(unit));
    }
}
