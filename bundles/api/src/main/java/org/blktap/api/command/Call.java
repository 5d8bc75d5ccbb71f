package org.blktap.api.command;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.osgi.annotation.versioning.ProviderType;

/** One call of a verb: its caller, and what the verb works on. For the thread that runs the verb; {@link #cancelled} for any. */
@ProviderType
public interface Call {
    /** Standard output: the answer. */
    PrintWriter out();

    /** Standard error: remarks and progress. Failures are exceptions. */
    PrintWriter err();

    /** Whether a person reads {@link #err} at a terminal. */
    boolean terminal();

    /** Whether the caller has interrupted the call, or has gone. Long work that can be undone ends then. */
    boolean cancelled();

    /** The caller's working directory, absolute. Relative paths start there. */
    Path directory();

    /**
     * Parses the spec of a disk to read. A path that is not absolute starts in the caller's directory.
     *
     * @throws DiskException BAD_OPTION if it is no spec
     */
    TapSpec spec(String text) throws DiskException;

    /** @throws DiskException NOT_FOUND if there is no core, or no daemon */
    Attachments attachments() throws DiskException;

    /** @throws DiskException NOT_FOUND if there is no core */
    Images images() throws DiskException;

    /** Prints a value as JSON on {@link #out}: records as objects with their fields' names. */
    void json(Object value);

    /** Prints rows as aligned columns on {@link #out}; columns of numbers are aligned to the right. */
    void table(List<String> heading, List<? extends List<?>> rows);
}
