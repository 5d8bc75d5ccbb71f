package org.blktap.shell.verbs;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.Manifest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.command.VerbDeclaration;

/** The verbs of all jars of a class path, by the capabilities in their manifests. */
public final class InstalledVerbs {
    private static final System.Logger LOG = System.getLogger("org.blktap.shell");
    /** A clause of a header; it may have commas within quotation marks. */
    private static final Pattern CLAUSE = Pattern.compile("(?:[^,\"]++|\"[^\"]*+\")++");

    private static final Pattern ATTRIBUTE =
            Pattern.compile(";\\s*([A-Za-z]+)(?::String)?=(?:\"([^\"]*)\"|([^;,\"]*))");

    private InstalledVerbs() {}

    /** Reads the manifests; a class that cannot be loaded alone is listed with its summary. */
    public static ClassCatalog of(ClassLoader loader) throws IOException {
        List<Class<?>> types = new ArrayList<>();
        List<Declaration> others = new ArrayList<>();
        for (URL each : Collections.list(loader.getResources("META-INF/MANIFEST.MF"))) {
            try (InputStream in = each.openStream()) {
                for (Map<String, String> verb :
                        declared(new Manifest(in).getMainAttributes().getValue("Provide-Capability"))) {
                    try {
                        types.add(usable(Class.forName(verb.get("class"), false, loader)));
                    } catch (ReflectiveOperationException | LinkageError | IllegalArgumentException e) {
                        LOG.log(System.Logger.Level.DEBUG, each + ": " + e);
                        addListed(others, verb);
                    }
                }
            }
        }
        ClassCatalog catalog = new ClassCatalog(types);
        others.forEach(catalog::addUnusable);
        return catalog;
    }

    private static void addListed(List<Declaration> others, Map<String, String> verb) {
        try {
            others.add(Declaration.of(verb.get("name"), verb.get("summary")));
        } catch (IllegalArgumentException e) {
            LOG.log(System.Logger.Level.DEBUG, e.getMessage());
        }
    }

    private static Class<?> usable(Class<?> type) {
        Declaration.of(type);
        return type;
    }

    /** Name, class and summary of each verb in a header Provide-Capability, which may be null. */
    static List<Map<String, String>> declared(String header) {
        List<Map<String, String>> verbs = new ArrayList<>();
        Matcher clauses = CLAUSE.matcher(header == null ? "" : header);
        while (clauses.find()) {
            String clause = clauses.group().strip();
            if (!clause.startsWith(VerbDeclaration.NAMESPACE + ";")) {
                continue;
            }
            Map<String, String> attributes = new LinkedHashMap<>();
            Matcher each = ATTRIBUTE.matcher(clause);
            while (each.find()) {
                attributes.put(each.group(1), each.group(2) == null ? each.group(3) : each.group(2));
            }
            if (attributes.keySet().containsAll(List.of("name", "class", "summary"))) {
                verbs.add(attributes);
            }
        }
        return verbs;
    }
}
