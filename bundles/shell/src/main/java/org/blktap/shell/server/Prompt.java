package org.blktap.shell.server;

import java.io.BufferedOutputStream;
import java.io.IOError;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import org.apache.felix.service.command.CommandSession;
import org.blktap.api.command.Screen;
import org.blktap.shell.client.Frame;
import org.blktap.shell.client.RawUtf8;
import org.blktap.shell.command.Completion;
import org.blktap.shell.command.Surroundings;
import org.blktap.shell.command.Verbs;
import org.jline.reader.Candidate;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal.Signal;
import org.jline.terminal.impl.ExternalTerminal;

/** The prompt on a client's terminal, with history and completion. The client has put its terminal into raw mode. */
final class Prompt {
    private static final int DEFAULT_COLUMNS = 80;
    private static final int DEFAULT_ROWS = 24;
    /** Lines of the history that are kept. */
    private static final int HISTORY_LINES = 1000;
    /** Separators of the commands on a line. */
    private static final List<String> BETWEEN_COMMANDS = List.of("|", ";", "&&", "||");

    private final GogoSession gogo;
    private final Verbs verbs;
    private final Surroundings here;
    private final Path history;

    /** @param history the file of the lines of earlier prompts; null to forget them */
    Prompt(GogoSession gogo, Verbs verbs, Surroundings here, Path history) {
        this.gogo = gogo;
        this.verbs = verbs;
        this.here = here;
        this.history = history;
    }

    /** Receives the exit status while the connection is open. */
    interface Ending {
        void exit(int status) throws IOException;
    }

    /**
     * Until the user leaves or the client goes.
     *
     * @param ending called before the terminal is closed: that interrupts the reader of {@code in}, which closes a
     *     socket
     */
    void run(Frame.VerbRequest request, InputStream in, OutputStream out, Ending ending) throws IOException {
        // the terminal writes byte by byte
        OutputStream buffered = new BufferedOutputStream(out);
        try (ExternalTerminal terminal =
                new ExternalTerminal("blktap", request.terminal(), in, buffered, StandardCharsets.UTF_8)) {
            Screen screen = new Screen(
                    request.rows() > 0 ? request.rows() : DEFAULT_ROWS,
                    request.columns() > 0 ? request.columns() : DEFAULT_COLUMNS);
            terminal.setSize(Size.of(screen.columns(), screen.rows()));
            PrintStream console = new PrintStream(terminal.output(), true, RawUtf8.OUTPUT);
            Foreground foreground = new Foreground(screen);
            terminal.handle(Signal.INT, signal -> foreground.interrupt());
            try (CommandSession session = gogo.open(InputStream.nullInputStream(), console, console)) {
                session.put(Foreground.VARIABLE, foreground);
                int status = prompt(reader(terminal, session), session, console, foreground);
                buffered.flush();
                ending.exit(status);
            }
        } catch (IOError e) {
            // JLine's way to say that the client has gone
            throw new IOException(e.getMessage(), e);
        }
    }

    private LineReader reader(ExternalTerminal terminal, CommandSession session) {
        Completion completion = new Completion(verbs.catalog(), verbs::options, here, () -> others(session));
        LineReaderBuilder builder = LineReaderBuilder.builder()
                .terminal(terminal)
                .appName("blktap")
                // a path may have an exclamation mark; nobody expects history in it
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .completer((reader, line, candidates) -> completion
                        .complete(command(line.words().subList(0, line.wordIndex())), line.word())
                        .forEach(each -> candidates.add(new Candidate(
                                each.value(), each.value(), null, each.hint(), null, null, each.whole()))));
        if (history != null) {
            // created with access for its owner only
            builder.variable(LineReader.HISTORY_FILE, history)
                    .variable(LineReader.HISTORY_IGNORE, String.join(":", GogoSession.LEAVE))
                    .variable(LineReader.HISTORY_SIZE, HISTORY_LINES)
                    .variable(LineReader.HISTORY_FILE_SIZE, HISTORY_LINES);
        }
        return builder.build();
    }

    private static Collection<String> others(CommandSession session) {
        Collection<String> others = new TreeSet<>(GogoSession.commands(session));
        others.addAll(GogoSession.LEAVE);
        return others;
    }

    /** The words of the last command on a line. */
    private static List<String> command(List<String> words) {
        int begin = words.size();
        while (begin > 0 && !BETWEEN_COMMANDS.contains(words.get(begin - 1))) {
            begin--;
        }
        return words.subList(begin, words.size());
    }

    private static int prompt(LineReader reader, CommandSession session, PrintStream console, Foreground foreground) {
        int status = 0;
        while (true) {
            String line;
            foreground.begin();
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
