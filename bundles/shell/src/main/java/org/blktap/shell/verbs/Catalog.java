package org.blktap.shell.verbs;

import java.util.List;
import org.blktap.api.command.Verb;
import org.blktap.api.disk.DiskException;

/** The verbs that are there. Any thread. */
public interface Catalog {
    /** A verb's object for one call, which {@link #close} gives back. */
    interface Lease extends AutoCloseable {
        Verb verb();

        @Override
        default void close() {
        }
    }

    /** All, by name. */
    List<Declaration> all();

    /** One by its name; null if there is none. May wait a few seconds for one whose bundle is starting. */
    Declaration find(String name);

    /**
     * Makes an object for a call.
     *
     * @throws DiskException NOT_FOUND if it has gone meanwhile, or cannot be made
     */
    Lease lease(String name) throws DiskException;

    /** Why a verb that some bundle declares is not there; null if none does. */
    default String whyAbsent(String name) {
        return null;
    }
}
