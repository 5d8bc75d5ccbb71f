package org.blktap.shell.offline;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.parsers.SAXParser;
import javax.xml.parsers.SAXParserFactory;
import org.osgi.framework.Constants;
import org.xml.sax.Attributes;
import org.xml.sax.SAXException;
import org.xml.sax.helpers.DefaultHandler;

/**
 * A component's description, as Declarative Services writes it in {@code OSGI-INF/*.xml} (OSGi Compendium, chapter
 * 112.4).
 */
final class Description extends DefaultHandler {
    /** A reference to services, with its attributes by name. */
    record Reference(Map<String, String> attributes) {
        String type() {
            return attributes.get("interface");
        }

        String get(String attribute) {
            return attributes.get(attribute);
        }

        boolean optional() {
            return attributes.getOrDefault("cardinality", "1..1").startsWith("0");
        }

        boolean multiple() {
            return attributes.getOrDefault("cardinality", "1..1").endsWith("n");
        }
    }

    final Set<String> interfaces = new LinkedHashSet<>();
    final List<Reference> references = new ArrayList<>();
    final Map<String, Object> properties = new LinkedHashMap<>();
    private Map<String, String> component = Map.of();
    private String implementation;
    /** A property whose values are the text of its element. */
    private Map<String, String> listed;

    private final StringBuilder text = new StringBuilder();

    /** Reads descriptions, one after the other. */
    static final class Reader {
        private final SAXParser parser;

        Reader() throws IOException {
            try {
                SAXParserFactory factory = SAXParserFactory.newDefaultInstance();
                factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
                parser = factory.newSAXParser();
            } catch (SAXException | ParserConfigurationException e) {
                throw new IOException("no XML parser: " + e.getMessage(), e);
            }
        }

        Description read(InputStream in) throws IOException {
            Description description = new Description();
            try {
                parser.parse(in, description);
            } catch (SAXException e) {
                throw new IOException("not a component's description: " + e.getMessage(), e);
            }
            return description;
        }
    }

    String implementation() {
        return implementation;
    }

    /** An attribute of the component itself. */
    String get(String attribute, String otherwise) {
        return component.getOrDefault(attribute, otherwise);
    }

    /** Whether it is made without anybody who asks for its services. */
    boolean immediate() {
        return Boolean.parseBoolean(get("immediate", Boolean.toString(interfaces.isEmpty())))
                && Boolean.parseBoolean(get("enabled", "true"));
    }

    @Override
    public void startElement(String uri, String local, String qualified, Attributes given) {
        Map<String, String> attributes = new LinkedHashMap<>();
        for (int i = 0; i < given.getLength(); i++) {
            attributes.put(given.getQName(i), given.getValue(i));
        }
        switch (qualified.substring(qualified.indexOf(':') + 1)) {
            case "component" -> component = attributes;
            case "implementation" -> implementation = attributes.get("class");
            case "provide" -> interfaces.add(attributes.get("interface"));
            case "reference" -> references.add(new Reference(attributes));
            case "property" -> {
                listed = attributes.containsKey("value") ? null : attributes;
                text.setLength(0);
                if (listed == null) {
                    properties.put(
                            attributes.get("name"),
                            value(attributes.getOrDefault("type", "String"), attributes.get("value")));
                }
            }
            default -> {
                // what this work does not need
            }
        }
    }

    @Override
    public void characters(char[] characters, int start, int length) {
        text.append(characters, start, length);
    }

    @Override
    public void endElement(String uri, String local, String qualified) {
        if (listed != null && qualified.endsWith("property")) {
            String type = listed.getOrDefault("type", "String");
            properties.put(
                    listed.get("name"),
                    text.toString()
                            .strip()
                            .lines()
                            .map(each -> value(type, each.strip()))
                            .toList());
            listed = null;
        }
    }

    private static Object value(String type, String text) {
        return switch (type) {
            case "Integer" -> Integer.valueOf(text);
            case "Long" -> Long.valueOf(text);
            case "Boolean" -> Boolean.valueOf(text);
            case "Double" -> Double.valueOf(text);
            default -> text;
        };
    }

    /** A component's properties: its own, and its name. */
    Map<String, Object> all() {
        Map<String, Object> all = new LinkedHashMap<>(properties);
        all.putIfAbsent("component.name", get("name", implementation));
        all.computeIfPresent(
                Constants.SERVICE_RANKING, (key, value) -> value instanceof Number number ? number.intValue() : value);
        return all;
    }
}
