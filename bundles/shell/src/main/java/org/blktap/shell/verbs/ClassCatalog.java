package org.blktap.shell.verbs;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.blktap.api.command.Verb;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/** Verbs whose classes can be loaded without a framework. */
public final class ClassCatalog implements Catalog {
    private final Map<String, Declaration> declarations = new TreeMap<>();
    private final Map<String, Class<?>> classes = new TreeMap<>();

    /** @param types classes with a declaration; of several with one name the first is used */
    public ClassCatalog(Collection<Class<?>> types) {
        for (Class<?> each : types) {
            Declaration declaration = Declaration.of(each);
            if (declarations.putIfAbsent(declaration.name(), declaration) == null) {
                classes.put(declaration.name(), each);
            }
        }
    }

    /** Adds a verb that can be listed, but not run. */
    void addUnusable(Declaration declaration) {
        declarations.putIfAbsent(declaration.name(), declaration);
    }

    /** The name of a verb's class; null if only its summary is known. */
    public String className(String name) {
        Class<?> type = classes.get(name);
        return type == null ? null : type.getName();
    }

    @Override
    public List<Declaration> all() {
        return List.copyOf(declarations.values());
    }

    @Override
    public Declaration find(String name) {
        return declarations.get(name);
    }

    @Override
    public Lease lease(String name) throws DiskException {
        Class<?> type = classes.get(name);
        if (type == null) {
            throw new DiskException(Reason.NOT_FOUND, "the verb " + name + " is there in the daemon only");
        }
        try {
            Verb verb = (Verb) type.getConstructor().newInstance();
            return () -> verb;
        } catch (ReflectiveOperationException | LinkageError e) {
            throw new DiskException(Reason.NOT_FOUND, "the verb " + name + " is there in the daemon only: " + e, e);
        }
    }
}
