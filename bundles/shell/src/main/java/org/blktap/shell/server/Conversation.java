package org.blktap.shell.server;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.BufferedWriter;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import org.apache.felix.service.command.CommandProcessor;
import org.blktap.api.command.Screen;
import org.blktap.api.disk.FileNames;
import org.blktap.shell.client.Frame;
import org.blktap.shell.client.RawUtf8;
import org.blktap.shell.client.SocketStreams;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.tapctl.TapCtl;

/**
 * The exchange over one connection: a request, the output of its command, the exit status. Runs on the connection's
 * thread.
 */
final class Conversation {
    private static final int BUFFER = 8192;

    private final ControlServices services;
    private final Verbs verbs;
    private final CommandProcessor gogo;
    private final DataInputStream in;
    private final DataOutputStream out;

    Conversation(ControlServices services, Verbs verbs, CommandProcessor gogo, SocketChannel channel) {
        this.services = services;
        this.verbs = verbs;
        this.gogo = gogo;
        SocketStreams streams = new SocketStreams(channel);
        in = new DataInputStream(new BufferedInputStream(streams.input()));
        out = new DataOutputStream(new BufferedOutputStream(streams.output()));
    }

    /** @throws IOException if the client is none, or has gone */
    void hold() throws IOException {
        Frame.VerbRequest request = Frame.readRequest(in);
        Path directory = directory(request);
        List<String> arguments = request.arguments();
        if (arguments.equals(List.of("shell"))) {
            shell(request, directory);
        } else if (!arguments.isEmpty() && arguments.get(0).equals(TapCtl.NAME)) {
            exit(TapCtl.execute(
                    services.in(directory, !request.terminal().isEmpty(), screen(request)),
                    arguments.subList(1, arguments.size()),
                    writer(Frame.OUT),
                    writer(Frame.ERR)));
        } else {
            exit(verbs.execute(
                    services.in(directory, !request.terminal().isEmpty(), screen(request)),
                    arguments,
                    writer(Frame.OUT),
                    writer(Frame.ERR)));
        }
    }

    /** Returns the client's terminal, whose size the client sends if its output is one; null for a dumb terminal. */
    private static Screen screen(Frame.VerbRequest request) {
        return request.rows() > 0
                        && request.columns() > 0
                        && !request.terminal().equals("dumb")
                ? new Screen(request.rows(), request.columns())
                : null;
    }

    private void exit(int status) throws IOException {
        Frame.write(out, Frame.EXIT, new byte[] {(byte) status}, 0, 1);
    }

    private static Path directory(Frame.VerbRequest request) throws IOException {
        try {
            Path directory = FileNames.path(request.directory());
            if (directory.isAbsolute()) {
                return directory;
            }
        } catch (InvalidPathException e) {
            throw new IOException("not a request: " + e.getMessage(), e);
        }
        throw new IOException("not a request: the directory is not an absolute path");
    }

    private void shell(Frame.VerbRequest request, Path directory) throws IOException {
        services.startPrompt();
        GogoSession session = new GogoSession(gogo, directory);
        if (request.terminal().isEmpty()) {
            exit(session.runLines(
                    in,
                    new PrintStream(framed(Frame.OUT), true, RawUtf8.OUTPUT),
                    new PrintStream(framed(Frame.ERR), true, RawUtf8.OUTPUT)));
        } else {
            new Prompt(session, verbs, services.in(directory, true, null), history())
                    .run(request, in, framed(Frame.OUT), this::exit);
        }
    }

    /** A file in the daemon's data directory, which only its user may enter; null if there is none. */
    private Path history() {
        Path data = services.directories().data();
        return Files.isDirectory(data) ? data.resolve("history") : null;
    }

    private PrintWriter writer(int type) {
        return new PrintWriter(new BufferedWriter(new OutputStreamWriter(framed(type), RawUtf8.OUTPUT), BUFFER), false);
    }

    private OutputStream framed(int type) {
        return new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                write(new byte[] {(byte) b}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                if (length > 0) {
                    Frame.write(out, type, bytes, offset, length);
                }
            }

            /** Finds out whether the client is still there. */
            @Override
            public void flush() throws IOException {
                Frame.write(out, type, new byte[0], 0, 0);
            }
        };
    }
}
