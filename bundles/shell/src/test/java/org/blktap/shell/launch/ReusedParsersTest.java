package org.blktap.shell.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.xml.parsers.SAXParser;
import javax.xml.parsers.SAXParserFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.xml.sax.Attributes;
import org.xml.sax.SAXException;
import org.xml.sax.helpers.DefaultHandler;

class ReusedParsersTest {
    @AfterEach
    void end() {
        ReusedParsers.end();
    }

    private static SAXParser parser(boolean namespaces) throws Exception {
        SAXParserFactory factory = SAXParserFactory.newInstance();
        factory.setNamespaceAware(namespaces);
        return factory.newSAXParser();
    }

    private static List<String> elements(SAXParser parser, String text) throws Exception {
        List<String> all = new ArrayList<>();
        parser.parse(new ByteArrayInputStream(text.getBytes()), new DefaultHandler() {
            @Override
            public void startElement(String uri, String name, String prefixed, Attributes attributes) {
                all.add(uri + " " + name);
            }
        });
        return all;
    }

    @Test
    void aThreadGetsItsParserAgainWhileThePlatformStarts() throws Exception {
        ReusedParsers.begin();
        SAXParser parser = parser(true);
        assertEquals(List.of("urn:x a", " b"), elements(parser, "<x:a xmlns:x='urn:x'><b/></x:a>"));
        assertThrows(SAXException.class, () -> elements(parser, "<a><b></a>"));
        assertSame(parser, parser(true));
        // also after a document that was wrong
        assertEquals(List.of("urn:y a"), elements(parser, "<a xmlns='urn:y'/>"));
        assertNotSame(parser, parser(false));
        assertFalse(parser(false).isNamespaceAware());
        SAXParser other = CompletableFuture.supplyAsync(() -> {
                    try {
                        return parser(true);
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                })
                .get();
        assertNotSame(parser, other);
        ReusedParsers.end();
        assertNotSame(parser, parser(true));
        assertFalse(SAXParserFactory.newInstance() instanceof ReusedParsers);
    }

    @Test
    void oneThatAUserHasChosenStays() {
        String chosen = SAXParserFactory.newDefaultInstance().getClass().getName();
        System.setProperty("javax.xml.parsers.SAXParserFactory", chosen);
        try {
            ReusedParsers.begin();
            assertInstanceOf(SAXParserFactory.newDefaultInstance().getClass(), SAXParserFactory.newInstance());
            ReusedParsers.end();
            assertEquals(chosen, System.getProperty("javax.xml.parsers.SAXParserFactory"));
        } finally {
            System.clearProperty("javax.xml.parsers.SAXParserFactory");
        }
    }
}
