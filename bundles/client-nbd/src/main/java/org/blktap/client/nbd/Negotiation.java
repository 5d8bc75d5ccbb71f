package org.blktap.client.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.blktap.api.nbd.Nbd;

/** The client's side of the fixed newstyle negotiation. All values from the server are bounded before they are used. */
final class Negotiation {
    /** The longest reply to an option: a string of the greatest length, with the numbers before it. */
    private static final int MAX_REPLY = 2 * Nbd.MAX_STRING;
    /** Most replies to one option; a server that lists more exports is refused. */
    private static final int MAX_REPLIES = 1024;
    /** Most names of exports in a message. */
    private static final int MAX_LISTED = 10;

    private final ServerStream stream;
    private final Server server;
    private boolean structured;
    private int allocationContext = -1;
    private long size = -1;
    private int flags;
    private BlockSizes blockSizes = BlockSizes.DEFAULT;

    /**
     * The result of a negotiation.
     *
     * @param size bytes
     * @param flags transmission flags
     * @param allocationContext the id of base:allocation, or -1
     */
    record Agreed(long size, int flags, boolean structured, int allocationContext, BlockSizes blockSizes) {
        boolean has(int flag) {
            return (flags & flag) != 0;
        }

        /**
         * Whether requests made for the other suit this connection too. Numbers of contexts may differ: each connection
         * has its own.
         */
        boolean isLike(Agreed other) {
            return size == other.size
                    && flags == other.flags
                    && blockSizes.equals(other.blockSizes)
                    && (allocationContext == -1) == (other.allocationContext == -1);
        }
    }

    private interface Replies {
        /** @param length of the payload, all of which the callee reads */
        void reply(int type, int length) throws IOException;
    }

    Negotiation(ServerStream stream, Server server) {
        this.stream = stream;
        this.server = server;
    }

    /** @throws RefusedException the server's refusal */
    Agreed run(String export) throws IOException {
        boolean noZeroes = greet();
        if (server.hasTls()) {
            // first of all, and without it nothing: what the server has said so far may be another's words
            option(
                    Nbd.OPT_STARTTLS,
                    ByteBuffer.allocate(0),
                    (type, length) -> {
                        throw new IOException("the server answers STARTTLS with reply " + type);
                    },
                    "the server does not start TLS");
            stream.secure(server.engine());
        }
        byte[] name = export.getBytes(StandardCharsets.UTF_8);
        if (name.length > Nbd.MAX_STRING) {
            throw new IOException("the export's name has " + name.length + " bytes, more than the " + Nbd.MAX_STRING
                    + " of the protocol");
        }
        structured = accepts(Nbd.OPT_STRUCTURED_REPLY, ByteBuffer.allocate(0));
        if (structured) {
            byte[] context = Nbd.BASE_ALLOCATION.getBytes(StandardCharsets.UTF_8);
            accepts(
                    Nbd.OPT_SET_META_CONTEXT,
                    ByteBuffer.allocate(12 + name.length + context.length)
                            .putInt(name.length)
                            .put(name)
                            .putInt(1)
                            .putInt(context.length)
                            .put(context)
                            .flip());
        }
        try {
            option(
                    Nbd.OPT_GO,
                    ByteBuffer.allocate(8 + name.length)
                            .putInt(name.length)
                            .put(name)
                            .putShort((short) 1)
                            .putShort((short) Nbd.INFO_BLOCK_SIZE)
                            .flip(),
                    this::information,
                    "the server refuses the export '" + export + "'");
        } catch (RefusedException e) {
            if (e.reply() == Nbd.REP_ERR_UNKNOWN) {
                throw e.with(listed());
            }
            if (e.reply() != Nbd.REP_ERR_UNSUP) {
                throw e;
            }
            exportName(export, name, noZeroes);
        }
        if (size < 0) {
            throw new IOException("the server did not send the size of the export");
        }
        return new Agreed(size, flags, structured, allocationContext, blockSizes);
    }

    /** @return whether there are no zeros after the answer to EXPORT_NAME */
    private boolean greet() throws IOException {
        long magic = stream.read(8).getLong();
        if (magic != Nbd.INIT_PASSWD) {
            throw new IOException(String.format(
                    "not an NBD server: it begins with 0x%016x; expected 0x%016x", magic, Nbd.INIT_PASSWD));
        }
        long style = stream.read(8).getLong();
        if (style == Nbd.OLDSTYLE_MAGIC) {
            throw new IOException("the server speaks the oldstyle negotiation, which tap:nbd does not have");
        }
        if (style != Nbd.IHAVEOPT) {
            throw new IOException(String.format(
                    "the server's negotiation begins with 0x%016x; expected 0x%016x", style, Nbd.IHAVEOPT));
        }
        int server = Short.toUnsignedInt(stream.read(2).getShort());
        if ((server & Nbd.FLAG_FIXED_NEWSTYLE) == 0) {
            throw new IOException("the server does not speak the fixed newstyle negotiation: its flags are 0x"
                    + Integer.toHexString(server));
        }
        stream.send(ByteBuffer.allocate(4)
                .putInt(Nbd.FLAG_FIXED_NEWSTYLE | server & Nbd.FLAG_NO_ZEROES)
                .flip());
        return (server & Nbd.FLAG_NO_ZEROES) != 0;
    }

    /**
     * Whether the server accepts an option. The reason of a refusal is dropped: the server repeats it for the export.
     */
    private boolean accepts(int option, ByteBuffer data) throws IOException {
        try {
            option(option, data, this::information, "");
            return true;
        } catch (RefusedException e) {
            return false;
        }
    }

    /** Sends an option and reads its replies, up to the last one. */
    private void option(int option, ByteBuffer data, Replies replies, String what) throws IOException {
        stream.send(
                ByteBuffer.allocate(Nbd.OPTION_HEADER_BYTES)
                        .putLong(Nbd.IHAVEOPT)
                        .putInt(option)
                        .putInt(data.remaining())
                        .flip(),
                data);
        for (int i = 0; i < MAX_REPLIES; i++) {
            ByteBuffer reply = stream.read(Nbd.OPTION_REPLY_BYTES);
            long magic = reply.getLong();
            int about = reply.getInt();
            int type = reply.getInt();
            int length = reply.getInt();
            if (magic != Nbd.OPTION_REPLY_MAGIC || about != option || length < 0 || length > MAX_REPLY) {
                throw new IOException(String.format(
                        "bad reply to option %d: magic 0x%x, option %d, %s bytes; expected magic 0x%x and at most %d bytes",
                        option, magic, about, Integer.toUnsignedString(length), Nbd.OPTION_REPLY_MAGIC, MAX_REPLY));
            }
            if ((type & Nbd.REP_FLAG_ERROR) != 0) {
                throw new RefusedException(what, type, stream.text(length));
            }
            if (type == Nbd.REP_ACK) {
                stream.skip(length);
                return;
            }
            replies.reply(type, length);
        }
        throw new IOException("more than " + MAX_REPLIES + " replies to option " + option);
    }

    private void information(int type, int length) throws IOException {
        ByteBuffer payload = ByteBuffer.allocate(length);
        stream.read(payload);
        if (type == Nbd.REP_META_CONTEXT && length == 4 + Nbd.BASE_ALLOCATION.length()) {
            allocationContext = payload.getInt(0);
        } else if (type == Nbd.REP_INFO && length >= 2) {
            int about = payload.getShort(0);
            if (about == Nbd.INFO_EXPORT && length == Nbd.INFO_EXPORT_BYTES) {
                size = payload.getLong(Nbd.INFO_EXPORT_SIZE);
                flags = Short.toUnsignedInt(payload.getShort(Nbd.INFO_EXPORT_FLAGS));
            } else if (about == Nbd.INFO_BLOCK_SIZE && length == Nbd.INFO_BLOCK_SIZE_BYTES) {
                blockSizes = BlockSizes.of(
                        payload.getInt(Nbd.INFO_BLOCK_SIZE_MINIMUM),
                        payload.getInt(Nbd.INFO_BLOCK_SIZE_PREFERRED),
                        payload.getInt(Nbd.INFO_BLOCK_SIZE_MAXIMUM));
            }
        }
    }

    /** Selects the export on a server without GO, which closes the connection if there is no such export. */
    private void exportName(String export, byte[] name, boolean noZeroes) throws IOException {
        stream.send(ByteBuffer.allocate(Nbd.OPTION_HEADER_BYTES + name.length)
                .putLong(Nbd.IHAVEOPT)
                .putInt(Nbd.OPT_EXPORT_NAME)
                .putInt(name.length)
                .put(name)
                .flip());
        try {
            ByteBuffer answer = stream.read(10);
            size = answer.getLong();
            flags = Short.toUnsignedInt(answer.getShort());
        } catch (EOFException e) {
            throw new EOFException("the server does not give the export '" + export
                    + "': it has closed the connection without a reason");
        }
        stream.skip(noZeroes ? 0 : Nbd.EXPORT_NAME_PADDING);
    }

    /** Lists the existing exports, for the message about an export that does not exist. */
    private String listed() throws IOException {
        StringBuilder names = new StringBuilder();
        int[] count = {0};
        try {
            option(
                    Nbd.OPT_LIST,
                    ByteBuffer.allocate(0),
                    (type, length) -> {
                        if (type != Nbd.REP_SERVER || length < 4) {
                            stream.skip(length);
                            return;
                        }
                        int nameLength = stream.read(4).getInt();
                        if (nameLength < 0 || nameLength > length - 4) {
                            throw new IOException("the server lists an export with a name of "
                                    + Integer.toUnsignedString(nameLength) + " bytes");
                        }
                        String name = stream.text(nameLength);
                        stream.skip(length - 4 - nameLength);
                        if (count[0]++ < MAX_LISTED) {
                            names.append(names.isEmpty() ? "" : ", ")
                                    .append('\'')
                                    .append(name)
                                    .append('\'');
                        }
                    },
                    "");
        } catch (RefusedException e) {
            return "it does not list its exports" + e.getMessage();
        }
        return "its exports are " + (count[0] == 0 ? "none" : names)
                + (count[0] > MAX_LISTED ? " and " + (count[0] - MAX_LISTED) + " more" : "");
    }
}
