package org.blktap.config;

import java.io.IOException;
import java.io.InputStream;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.parsers.SAXParserFactory;
import org.xml.sax.Attributes;
import org.xml.sax.SAXException;
import org.xml.sax.helpers.DefaultHandler;

/** Reads a description of settings, as a bundle has it in {@value #FOLDER} (OSGi Compendium, chapter 105.8). */
public final class Metatype extends DefaultHandler {
    /** The folder of the descriptions in a bundle. */
    public static final String FOLDER = "OSGI-INF/metatype";

    /** The settings of each class of objects, whose PID is known only at the end. */
    private final Map<String, List<Attribute>> classes = new LinkedHashMap<>();

    private final Map<String, String> pids = new HashMap<>();
    private List<Attribute> attributes;
    private String pid;

    private record Attribute(Map<String, String> of, List<String> options) {}

    private Metatype() {}

    /** @throws IOException if it is not a description, or has types that settings cannot have */
    public static List<Setting> read(InputStream in) throws IOException {
        Metatype found = new Metatype();
        try {
            SAXParserFactory factory = SAXParserFactory.newDefaultInstance();
            factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            factory.newSAXParser().parse(in, found);
            return found.settings();
        } catch (SAXException | ParserConfigurationException | RuntimeException e) {
            throw new IOException("not a description of settings: " + (e.getMessage() == null ? e : e.getMessage()), e);
        }
    }

    @Override
    public void startElement(String uri, String local, String qualified, Attributes given) {
        Map<String, String> named = new HashMap<>();
        for (int i = 0; i < given.getLength(); i++) {
            named.put(given.getQName(i), given.getValue(i));
        }
        switch (qualified.substring(qualified.indexOf(':') + 1)) {
            case "OCD" -> classes.put(named.get("id"), attributes = new ArrayList<>());
            case "AD" -> attributes.add(new Attribute(named, new ArrayList<>()));
            case "Option" -> attributes.get(attributes.size() - 1).options().add(named.get("value"));
            case "Designate" -> pid = named.get("pid");
            case "Object" -> pids.put(named.get("ocdref"), pid);
            default -> {
                // names of the description as a whole
            }
        }
    }

    private List<Setting> settings() {
        List<Setting> all = new ArrayList<>();
        classes.forEach((id, of) -> {
            String section = pids.get(id);
            if (section != null) {
                of.forEach(each -> all.add(setting(section, each)));
            }
        });
        return all;
    }

    private static Setting setting(String section, Attribute attribute) {
        Map<String, String> of = attribute.of();
        Setting.Type type = Setting.Type.of(of.getOrDefault("type", "String"));
        boolean list = Integer.parseInt(of.getOrDefault("cardinality", "0")) != 0;
        if (list && type != Setting.Type.STRING) {
            throw new IllegalArgumentException("a list of settings has texts");
        }
        String text = of.getOrDefault("default", "");
        Object initial = list
                ? text.isEmpty() ? new String[0] : text.split(",")
                : switch (type) {
                    case INTEGER -> Integer.valueOf(text);
                    case LONG -> Long.valueOf(text);
                    case BOOLEAN -> Boolean.valueOf(text);
                    default -> text;
                };
        return new Setting(
                section,
                Objects.requireNonNull(of.get("id"), "a setting without an id"),
                type,
                list,
                initial,
                number(of.get("min")),
                number(of.get("max")),
                List.copyOf(attribute.options()),
                of.getOrDefault("description", ""));
    }

    private static BigDecimal number(String text) {
        return text == null ? null : new BigDecimal(text);
    }
}
