package org.blktap.shell.verbs;

import java.util.List;
import org.blktap.api.command.Verb;
import org.blktap.api.disk.DiskException;

/** The verbs that are there. Any thread. */
public interface Catalog {
    /** A verb's object for one call; {@link #close} releases it. */
    interface Lease extends AutoCloseable {
        Verb verb();

        @Override
        default void close() {}
    }

    /** All, by name. */
    List<Declaration> all();

    /** Returns a verb by its name, or null. May wait a few seconds for a verb whose bundle is starting. */
    Declaration find(String name);

    /**
     * Makes an object for a call.
     *
     * @throws DiskException NOT_FOUND if it has gone meanwhile, or cannot be made
     */
    Lease lease(String name) throws DiskException;

    /** Returns why a verb that a bundle declares is not present; null if no bundle declares it. */
    default String whyAbsent(String name) {
        return null;
    }
}
