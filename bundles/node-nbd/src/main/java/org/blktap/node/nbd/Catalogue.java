package org.blktap.node.nbd;

import java.util.Collection;

/** The exports that clients of one listener may see. */
@FunctionalInterface
interface Catalogue {
    Collection<ExportInfo> exports();

    /** Whether one more client may use an export that is there. */
    default boolean hasPlace(String export) {
        return true;
    }

    /** The export of a name, or null; the empty name means the only export there is. */
    default ExportInfo find(String name) {
        Collection<ExportInfo> all = exports();
        if (name.isEmpty() && all.size() == 1) {
            return all.iterator().next();
        }
        for (ExportInfo export : all) {
            if (export.name().equals(name)) {
                return export;
            }
        }
        return null;
    }
}
