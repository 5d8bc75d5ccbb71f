package org.blktap.node.nbd;

import java.util.Collection;
import javax.security.auth.x500.X500Principal;

/** The exports of one listener. */
@FunctionalInterface
interface Catalogue {
    Collection<ExportInfo> exports();

    /** Whether one more client may use an export that is there. */
    default boolean hasPlace(String export) {
        return true;
    }

    /** Called when a client has asked for an export that its certificate does not open. */
    default void refused(String export, X500Principal peer) {}
}
