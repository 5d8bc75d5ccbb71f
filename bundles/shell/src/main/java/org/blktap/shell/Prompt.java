package org.blktap.shell;

import java.io.IOError;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.apache.felix.service.command.CommandSession;
import org.blktap.shell.client.Frame;
import org.blktap.shell.client.RawUtf8;
import org.blktap.shell.command.Surroundings;
import org.jline.reader.Candidate;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Size;
import org.jline.terminal.impl.ExternalTerminal;

/** The prompt on a client's terminal, with history and completion. The client has put its terminal into raw mode. */
final class Prompt {
    private static final int DEFAULT_COLUMNS = 80;
    private static final int DEFAULT_ROWS = 24;

    private final GogoSession gogo;
    private final Surroundings here;
    private final Path directory;

    Prompt(GogoSession gogo, Surroundings here, Path directory) {
        this.gogo = gogo;
        this.here = here;
        this.directory = directory;
    }

    /** Receives the exit status while the connection is open. */
    interface Ending {
        void exit(int status) throws IOException;
    }

    /**
     * Until the user leaves or the client goes.
     *
     * @param ending called before the terminal is closed: that interrupts the reader of {@code in}, which closes a socket
     */
    void run(Frame.Request request, InputStream in, OutputStream out, Ending ending) throws IOException {
        try (ExternalTerminal terminal = new ExternalTerminal("blktap", request.terminal(), in, out, StandardCharsets.UTF_8)) {
            terminal.setSize(Size.of(request.columns() > 0 ? request.columns() : DEFAULT_COLUMNS,
                    request.rows() > 0 ? request.rows() : DEFAULT_ROWS));
            PrintStream console = new PrintStream(terminal.output(), true, RawUtf8.OUTPUT);
            try (CommandSession session = gogo.open(InputStream.nullInputStream(), console, console)) {
                ending.exit(prompt(reader(terminal, session), session, console));
            }
        } catch (IOError e) {
            // JLine's way to say that the client has gone
            throw new IOException(e.getMessage(), e);
        }
    }

    private LineReader reader(ExternalTerminal terminal, CommandSession session) {
        Completion completion = new Completion(here, directory, () -> GogoSession.commands(session));
        return LineReaderBuilder.builder().terminal(terminal).appName("blktap")
                // a path may have an exclamation mark; nobody expects history in it
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .completer((reader, line, candidates) -> completion.complete(line.words().subList(0, line.wordIndex()), line.word())
                        .forEach(each -> candidates.add(new Candidate(each.value(), each.value(), null, each.hint(), null, null,
                                each.whole()))))
                .build();
    }

    private static int prompt(LineReader reader, CommandSession session, PrintStream console) {
        int status = 0;
        while (true) {
            String line;
            try {
                line = reader.readLine("blktap> ").strip();
            } catch (UserInterruptException e) {
                // Ctrl-C drops the line, as in every shell
                continue;
            } catch (EndOfFileException e) {
                return status;
            }
            if (GogoSession.LEAVE.contains(line)) {
                return status;
            }
            if (!line.isEmpty()) {
                status = GogoSession.execute(session, line, console, console);
            }
        }
    }
}
