package org.blktap.shell.server;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import org.apache.felix.service.command.CommandProcessor;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Converter;
import org.blktap.api.disk.FileNames;

/** Gogo's interpreter for one client: our verbs first, then the framework's commands. */
final class GogoSession {
    /** The scopes in which gogo looks for a command without one. */
    private static final String SCOPES = "tap:felix:gogo:*";

    static final List<String> LEAVE = List.of("exit", "quit");

    private final CommandProcessor gogo;
    private final Path directory;

    GogoSession(CommandProcessor gogo, Path directory) {
        this.gogo = gogo;
        this.directory = directory;
    }

    CommandSession open(InputStream in, PrintStream out, PrintStream err) {
        CommandSession session = gogo.createSession(in, out, err);
        session.put("SCOPE", SCOPES);
        session.currentDir(directory);
        return session;
    }

    /** Runs a line; its exit status. Errors are reported on {@code err} in one line. */
    static int execute(CommandSession session, String line, PrintStream out, PrintStream err) {
        int status = 0;
        try {
            Object result = session.execute(line);
            if (result instanceof Boolean found) {
                // commands such as grep return whether they have succeeded
                status = found ? 0 : 1;
            } else if (result != null) {
                out.println(session.format(result, Converter.INSPECT));
            }
        } catch (VerbFailed e) {
            err.println(e.getMessage());
            status = e.status();
        } catch (Exception e) {
            err.println("blktap: " + (e.getMessage() == null ? e.toString() : e.getMessage()));
            status = 1;
        }
        out.flush();
        err.flush();
        return status;
    }

    /** Runs the lines of an input that is no terminal; the exit status of the last one. */
    int runLines(InputStream in, PrintStream out, PrintStream err) throws IOException {
        int status = 0;
        try (CommandSession session = open(InputStream.nullInputStream(), out, err)) {
            for (String line = line(in); line != null && !LEAVE.contains(line.strip()); line = line(in)) {
                if (!line.isBlank()) {
                    status = execute(session, line, out, err);
                }
            }
        }
        return status;
    }

    /** The next line, or null at the end. */
    private static String line(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int next = in.read();
        if (next < 0) {
            return null;
        }
        for (; next >= 0 && next != '\n'; next = in.read()) {
            line.write(next);
        }
        return FileNames.text(line.toByteArray());
    }

    /** The commands' names without their scopes, sorted. */
    static Collection<String> commands(CommandSession session) {
        TreeSet<String> names = new TreeSet<>();
        if (session.get(".commands") instanceof Collection<?> all) {
            all.forEach(
                    name -> names.add(name.toString().substring(name.toString().indexOf(':') + 1)));
        }
        return names;
    }
}
