package org.blktap.shell.client;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.FileNames;

/**
 * What goes over the control socket. The client sends one request: a magic number, its working directory, its
 * terminal's type, columns and rows, and its arguments; each text as a 32-bit length and its bytes, UTF-8 but for file
 * names that are not. The daemon answers with frames: a type, a 32-bit length, bytes. After a request for the
 * interactive shell, what the client sends is the terminal's input.
 */
public final class Frame {
    /** "tap1". */
    public static final int MAGIC = 0x74617031;

    public static final int OUT = 1;
    public static final int ERR = 2;
    /** One byte: the exit status; the last frame. */
    public static final int EXIT = 3;
    /** A single argument of Linux (MAX_ARG_STRLEN) is no longer than 32 pages. */
    static final int MAX_TEXT = 128 << 10;

    static final int MAX_ARGUMENTS = 1024;
    static final int MAX_REQUEST = 1 << 20;
    /** An answer's frame; the daemon cuts longer output. */
    static final int MAX_FRAME = 1 << 20;

    private Frame() {}

    /**
     * A client's request.
     *
     * @param directory where the client was called
     * @param terminal the type of its terminal, empty if it has none
     * @param columns 0 if not known
     */
    public record VerbRequest(String directory, String terminal, int columns, int rows, List<String> arguments) {
        public VerbRequest {
            arguments = List.copyOf(arguments);
        }
    }

    public static void writeRequest(DataOutputStream out, VerbRequest request) throws IOException {
        out.writeInt(MAGIC);
        writeText(out, request.directory());
        writeText(out, request.terminal());
        out.writeInt(request.columns());
        out.writeInt(request.rows());
        out.writeInt(request.arguments().size());
        for (String argument : request.arguments()) {
            writeText(out, argument);
        }
        out.flush();
    }

    /** Reads a request; IOException, with what is wrong, for anything that is not one. */
    public static VerbRequest readRequest(DataInputStream in) throws IOException {
        if (in.readInt() != MAGIC) {
            throw new IOException("not a request: bad magic");
        }
        String directory = readText(in, MAX_TEXT);
        String terminal = readText(in, MAX_TEXT);
        int columns = in.readUnsignedShort() == 0 ? in.readUnsignedShort() : 0;
        int rows = in.readUnsignedShort() == 0 ? in.readUnsignedShort() : 0;
        int count = in.readInt();
        if (count < 0 || count > MAX_ARGUMENTS) {
            throw new IOException("not a request: " + count + " arguments");
        }
        List<String> arguments = new ArrayList<>();
        int left = MAX_REQUEST;
        for (int i = 0; i < count; i++) {
            arguments.add(readText(in, Math.min(left, MAX_TEXT)));
            left -= arguments.get(i).length();
        }
        return new VerbRequest(directory, terminal, columns, rows, arguments);
    }

    private static void writeText(DataOutputStream out, String text) throws IOException {
        byte[] bytes = FileNames.bytes(text);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    private static String readText(DataInputStream in, int max) throws IOException {
        int length = in.readInt();
        if (length < 0 || length > max) {
            throw new IOException("not a request: a text of " + length + " bytes");
        }
        return FileNames.text(readFully(in, length));
    }

    /** Allocates as the bytes arrive, not by the sender's word. */
    private static byte[] readFully(DataInputStream in, int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length != length) {
            throw new EOFException("the other side closed the connection");
        }
        return bytes;
    }

    /** Writes a frame, cut in several if it is long. One thread at a time for one stream. */
    public static void write(DataOutputStream out, int type, byte[] bytes, int offset, int length) throws IOException {
        synchronized (out) {
            int done = 0;
            do {
                int part = Math.min(length - done, MAX_FRAME);
                out.writeByte(type);
                out.writeInt(part);
                out.write(bytes, offset + done, part);
                done += part;
            } while (done < length);
            out.flush();
        }
    }

    /** One frame of an answer. */
    public record Answer(int type, byte[] bytes) {}

    /** Reads a frame; EOFException if the daemon has gone without one. */
    public static Answer read(DataInputStream in) throws IOException {
        int type = in.read();
        if (type < 0) {
            throw new EOFException("the daemon closed the connection");
        }
        int length = in.readInt();
        if (type < OUT || type > EXIT || length < 0 || length > MAX_FRAME || type == EXIT && length != 1) {
            throw new IOException("not an answer: frame of type " + type + " with " + length + " bytes");
        }
        return new Answer(type, readFully(in, length));
    }
}
