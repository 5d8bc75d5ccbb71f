package org.blktap.api.command;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.osgi.annotation.versioning.ProviderType;

/**
 * One call of a verb: the caller's arguments and output, and the services that the verb uses. Only on the verb's
 * thread; {@link #cancelled} on any.
 */
@ProviderType
public interface Call {
    /** Standard output: the answer. */
    PrintWriter out();

    /** Standard error: remarks and progress. Failures are exceptions. */
    PrintWriter err();

    /** Whether a person reads {@link #err} at a terminal. */
    boolean terminal();

    /** Whether the caller has interrupted the call or has disconnected. Long work that can be undone must then end. */
    boolean cancelled();

    /** The caller's working directory, absolute. Relative paths start there. */
    Path directory();

    /**
     * Parses the spec of a disk to read. A path that is not absolute starts in the caller's directory.
     *
     * @throws DiskException BAD_OPTION if it is not a spec
     */
    TapSpec spec(String text) throws DiskException;

    /** @throws DiskException NOT_FOUND if there is no core, or no daemon */
    Attachments attachments() throws DiskException;

    /** @throws DiskException NOT_FOUND if there is no core */
    Images images() throws DiskException;

    /** Begins to show the progress of long work. The caller closes it before it prints anything else. */
    Progress progress();

    /** Prints a value as JSON on {@link #out}: records as objects with their fields' names. */
    void json(Object value);

    /** Prints a value as JSON on {@link #out}, in one line: for output that goes on. */
    void jsonLine(Object value);

    /** The terminal that {@link #out} is; null if it is a file or a pipe. */
    default Screen screen() {
        return null;
    }

    /** Prints rows as aligned columns on {@link #out}; columns of numbers are aligned to the right. */
    void table(List<String> heading, List<? extends List<?>> rows);
}
