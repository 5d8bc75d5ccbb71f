package org.blktap.manual;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class ManPageTest {
    private static final ManPage.Title TITLE = new ManPage.Title("blktap-a", 7, "1.0");

    private static String page(String markdown) {
        return ManPage.of(
                TITLE,
                markdown,
                link -> link.equals("../b/README.md") ? new ManPage.Title("blktap-b", 7, "1.0") : null);
    }

    @Test
    void aHeadingIsTheNameAndTextBeforeSectionsTheDescription() {
        String page = page("# format-a: `tap:a:<file>`\n\nText.\n\n## Limits\n\nNone.\n");
        assertTrue(page.startsWith("'\\\" t\n"), page);
        assertTrue(
                page.contains(".SH NAME\nblktap\\-a \\- tap:a:<file>\n.SH DESCRIPTION\n.PP\nText.\n.SH \"LIMITS\"\n"),
                page);
    }

    @Test
    void noLineOfTextIsACommand() {
        String page = page("# a: b\n\n.so /etc/passwd\n'so x\n\n    .so /etc/passwd\n    'so x\n");
        assertFalse(page.lines().anyMatch(each -> each.startsWith(".so") || each.startsWith("'so")), page);
        assertTrue(page.contains("\\&.so /etc/passwd"), page);
    }

    @Test
    void tablesAreTables() {
        String page = page("# a: b\n\n| option | meaning |\n|---|---|\n| `x=Y` | a \\| b |\n");
        assertTrue(page.contains("lb lb\nlt ltx.\noption\tmeaning\n\\fBx=Y\\fR\ta | b\n.TE"), page);
    }

    @Test
    void longCellsAreFilledAndMayBreakInWords() {
        String page =
                page("# a: b\n\n| a | b |\n|---|---|\n| `tls-certificates=/etc/pki/blktap` here | .so is text |\n");
        assertTrue(
                page.contains(
                        "T{\n\\fBtls\\-\\:certificates=\\:/\\:etc/\\:pki/\\:blktap\\fR here\nT}\tT{\n\\&.so is text\nT}"),
                page);
    }

    @Test
    void pagesThatAreLinkedAreNamedAtTheEnd() {
        String page = page("# a: b\n\n[b](../b/README.md#x), [itself](#b), [c](c.md), [web](https://example.org/b)\n");
        assertTrue(page.endsWith(".SH \"SEE ALSO\"\n.BR blktap (8) ,\n.BR blktapd (8) ,\n.BR blktap\\-b (7)\n"), page);
    }

    @Test
    void aSectionOfAPageCanBeOne() {
        assertEquals(
                "# x: drives\n\nText.\n\n## More\n\nof it.",
                ManualPages.section("# core\n\n## Drives\n\nText.\n\n### More\n\nof it.\n\n## Next\n", "Drives", "x"));
    }

    @Test
    void listsAndLinksAndCode() {
        String page = page("# a: b\n\n- one [link](x.md) *it*\n- two\n\n1. first\n\n```\n$ a --b\n```\n");
        assertTrue(page.contains(".IP \\(bu 3\none link \\fIit\\fR\n.IP \\(bu 3\ntwo\n.IP 1. 4\nfirst\n"), page);
        assertTrue(page.contains(".nf\n$ a \\-\\-b\n.fi"), page);
    }

    @Test
    void bundlesForUsersHavePages() {
        assertEquals("qcow2", ManualPages.subject("format-qcow2"));
        assertEquals("luks", ManualPages.subject("filter-luks"));
        assertEquals("node-nbd", ManualPages.subject("node-nbd"));
        assertEquals("raw", ManualPages.subject("aio"));
        assertEquals("rbd", ManualPages.subject("client-rbd"));
        assertNull(ManualPages.subject("core"));
    }
}
