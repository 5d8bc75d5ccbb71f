package org.blktap.shell.command;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.blktap.api.command.Call;
import org.blktap.api.command.Progress;
import org.blktap.api.command.Screen;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;

/**
 * One call of a verb.
 *
 * @param verbs all verbs, for verbs such as {@code help}
 * @param interrupted whether the caller has interrupted the call
 */
record VerbCall(Verbs verbs, Surroundings here, PrintWriter out, PrintWriter err, BooleanSupplier interrupted)
        implements Call {
    @Override
    public boolean terminal() {
        return here.terminal();
    }

    @Override
    public boolean cancelled() {
        return interrupted.getAsBoolean() || err.checkError();
    }

    @Override
    public Path directory() {
        return here.directory();
    }

    @Override
    public TapSpec spec(String text) throws DiskException {
        return here.spec(text);
    }

    @Override
    public Attachments attachments() throws DiskException {
        return here.attachments();
    }

    @Override
    public Images images() throws DiskException {
        return here.images();
    }

    @Override
    public Progress progress() {
        return new ProgressBar(this, System::nanoTime);
    }

    @Override
    public void json(Object value) {
        out.println(Json.of(value));
    }

    @Override
    public void jsonLine(Object value) {
        out.println(Json.line(value));
    }

    @Override
    public Screen screen() {
        return here.screen();
    }

    @Override
    public void table(List<String> heading, List<? extends List<?>> rows) {
        TextTable table = new TextTable(heading.toArray(String[]::new));
        rows.forEach(row -> table.row(row.toArray()));
        table.print(out);
    }
}
