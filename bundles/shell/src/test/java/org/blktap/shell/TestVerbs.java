package org.blktap.shell;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.verbs.ClassCatalog;
import org.blktap.shell.verbs.Declaration;

/** This bundle's verbs, found as bnd finds them: all classes with the annotation. */
public final class TestVerbs {
    public static final List<Class<?>> CLASSES = classes();
    public static final Verbs VERBS = new Verbs(new ClassCatalog(CLASSES));
    /** In the order of their names. */
    public static final List<String> NAMES =
            VERBS.catalog().all().stream().map(Declaration::name).toList();

    private TestVerbs() {}

    private static List<Class<?>> classes() {
        try {
            URI root = Verbs.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI();
            List<Class<?>> found = new ArrayList<>();
            try (Stream<Path> files = Files.walk(Path.of(root))) {
                for (Path file : (Iterable<Path>)
                        files.filter(each -> each.toString().endsWith(".class")).sorted()::iterator) {
                    String name = Path.of(root)
                            .relativize(file)
                            .toString()
                            .replace('/', '.')
                            .replaceAll("\\.class$", "");
                    Class<?> type = Class.forName(name, false, TestVerbs.class.getClassLoader());
                    if (type.isAnnotationPresent(VerbDeclaration.class)) {
                        found.add(type);
                    }
                }
            }
            return found;
        } catch (IOException | URISyntaxException | ClassNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }
}
