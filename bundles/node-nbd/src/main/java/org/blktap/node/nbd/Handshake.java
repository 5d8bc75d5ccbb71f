package org.blktap.node.nbd;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.blktap.api.nbd.Nbd;
import org.blktap.node.nbd.ExportAccess.Verdict;

/**
 * The server's side of the fixed newstyle negotiation: bytes in, bytes out, no socket. Whatever a client sends, it
 * takes bounded memory, never throws, and stays in step with the client or closes.
 */
final class Handshake {
    /** The longest option that is read: a name of the greatest length and many information or context queries. */
    static final int MAX_OPTION = 16 << 10;
    /** The longest option that is skipped with an error; past that the client is cut off. */
    static final int MAX_SKIPPED = 1 << 20;
    /** No client needs more options than that. */
    static final int MAX_OPTIONS = 1024;
    /** The most contexts of one client: they share the buffer of a reply. */
    static final int MAX_CONTEXTS = 16;

    /** What {@link #advance} came to. */
    enum State {
        /** More input is needed. */
        MORE,
        /** A message was taken; there may be more in the buffer. */
        AGAIN,
        /** {@link #session} holds what was agreed; what is left of the input belongs to the transmission. */
        TRANSMISSION,
        /** STARTTLS has been accepted: TLS follows, and no more input is taken without. */
        UPGRADE,
        /** The client has said good-bye, in order. */
        GOODBYE,
        /** The client breaks the protocol; {@link #fault} says how. */
        FAULT
    }

    private final ClientView view;
    private boolean flagsTaken;
    private boolean fixed;
    private boolean noZeroes;
    private Framing framing = Framing.SIMPLE;
    /** What is selected, of which export. */
    private List<MetaContext> contexts = List.of();

    private String contextsOf = "";

    private int skip;
    private int options;
    private Session session;
    private String fault;

    Handshake(ClientView view) {
        this.view = view;
    }

    /**
     * The client speaks TLS from now on. What was agreed before may have come from someone between us and is forgotten,
     * except the flags, as the protocol demands.
     */
    void secured(X500Principal peer) {
        view.secured(peer);
        framing = Framing.SIMPLE;
        contexts = List.of();
        contextsOf = "";
    }

    /** The server speaks first. */
    void greet(Output out) {
        out.putLong(Nbd.INIT_PASSWD).putLong(Nbd.IHAVEOPT).putShort(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES);
    }

    Session session() {
        return session;
    }

    String fault() {
        return fault;
    }

    /**
     * Takes one message from the buffer (big-endian), if it is there, and appends the answer. The buffer holds at least
     * MAX_OPTION + 16 bytes.
     */
    State advance(ByteBuffer in, Output out) {
        if (!flagsTaken) {
            return in.remaining() < 4 ? State.MORE : clientFlags(in.getInt());
        }
        if (skip > 0) {
            int n = Math.min(skip, in.remaining());
            in.position(in.position() + n);
            skip -= n;
            return skip > 0 ? State.MORE : State.AGAIN;
        }
        if (in.remaining() < Nbd.OPTION_HEADER_BYTES) {
            return State.MORE;
        }
        int at = in.position();
        if (in.getLong(at) != Nbd.IHAVEOPT) {
            return fault("an option with a bad magic");
        }
        int option = in.getInt(at + Nbd.OPTION_HEADER_OPTION);
        long length = Integer.toUnsignedLong(in.getInt(at + Nbd.OPTION_HEADER_LENGTH));
        if (!fixed && option != Nbd.OPT_EXPORT_NAME) {
            return fault("option " + option + " from a client that has not agreed to fixed newstyle");
        }
        if (length > MAX_SKIPPED) {
            return fault("option " + option + " of " + length + " bytes");
        }
        if (length <= MAX_OPTION && in.remaining() - Nbd.OPTION_HEADER_BYTES < length) {
            return State.MORE;
        }
        if (++options > MAX_OPTIONS) {
            return fault("more than " + MAX_OPTIONS + " options");
        }
        in.position(at + Nbd.OPTION_HEADER_BYTES);
        if (length > MAX_OPTION) {
            skip = (int) length;
            if (option == Nbd.OPT_EXPORT_NAME) {
                return fault("an export name of " + length + " bytes");
            }
            return view.mustUpgrade()
                    ? needsTls(option, out)
                    : error(out, option, isKnown(option) ? Nbd.REP_ERR_TOO_BIG : Nbd.REP_ERR_UNSUP, "too long");
        }
        ByteBuffer data = in.slice(in.position(), (int) length);
        in.position(in.position() + (int) length);
        return option(option, data, out);
    }

    private static boolean isKnown(int option) {
        return option >= Nbd.OPT_EXPORT_NAME && option <= Nbd.OPT_EXTENDED_HEADERS && option != 4;
    }

    private State clientFlags(int flags) {
        if ((flags & ~(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES)) != 0) {
            return fault("unknown client flags 0x" + Integer.toHexString(flags));
        }
        flagsTaken = true;
        fixed = (flags & Nbd.FLAG_FIXED_NEWSTYLE) != 0;
        noZeroes = (flags & Nbd.FLAG_NO_ZEROES) != 0;
        return State.AGAIN;
    }

    private State option(int option, ByteBuffer data, Output out) {
        if (view.mustUpgrade() && option != Nbd.OPT_STARTTLS && option != Nbd.OPT_ABORT) {
            return option == Nbd.OPT_EXPORT_NAME
                    ? fault("EXPORT_NAME without TLS, which is required")
                    : needsTls(option, out);
        }
        return switch (option) {
            case Nbd.OPT_STARTTLS -> startTls(data, out);
            case Nbd.OPT_EXPORT_NAME -> exportName(data, out);
            case Nbd.OPT_ABORT -> {
                out.reply(option, Nbd.REP_ACK, 0);
                yield State.GOODBYE;
            }
            case Nbd.OPT_LIST -> list(data, out);
            case Nbd.OPT_INFO, Nbd.OPT_GO -> info(option, data, out);
            case Nbd.OPT_STRUCTURED_REPLY, Nbd.OPT_EXTENDED_HEADERS -> frame(option, data, out);
            case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT -> metaContext(option, data, out);
            default -> error(out, option, Nbd.REP_ERR_UNSUP, "option " + option + " is not supported");
        };
    }

    private State needsTls(int option, Output out) {
        return error(out, option, Nbd.REP_ERR_TLS_REQD, "TLS is required");
    }

    private State startTls(ByteBuffer data, Output out) {
        if (data.hasRemaining()) {
            return invalid(out, Nbd.OPT_STARTTLS, "this option takes no data");
        }
        if (view.isSecure()) {
            return invalid(out, Nbd.OPT_STARTTLS, "TLS has been started");
        }
        if (view.mode() == TlsMode.OFF) {
            return error(out, Nbd.OPT_STARTTLS, Nbd.REP_ERR_POLICY, "no export of this socket has TLS");
        }
        acknowledge(out, Nbd.OPT_STARTTLS);
        return State.UPGRADE;
    }

    private State frame(int option, ByteBuffer data, Output out) {
        if (data.hasRemaining()) {
            return invalid(out, option, "this option takes no data");
        }
        if (option == Nbd.OPT_EXTENDED_HEADERS) {
            framing = Framing.EXTENDED;
        } else if (framing == Framing.EXTENDED) {
            return error(out, option, Nbd.REP_ERR_EXT_HEADER_REQD, "extended headers are agreed");
        } else {
            framing = Framing.STRUCTURED;
        }
        return acknowledge(out, option);
    }

    private State exportName(ByteBuffer data, Output out) {
        if (framing == Framing.EXTENDED) {
            return fault("EXPORT_NAME after extended headers");
        }
        ExportInfo export =
                data.remaining() > Nbd.MAX_STRING ? null : view.find(ContextQuery.string(data, data.remaining()));
        if (export == null) {
            return fault("EXPORT_NAME of an unknown export");
        }
        Verdict verdict = view.verdict(export);
        if (verdict != Verdict.YES) {
            return fault("EXPORT_NAME of an export that it may not use: " + verdict);
        }
        if (!view.hasPlace(export)) {
            return fault("EXPORT_NAME of an export that has no place for more clients");
        }
        out.putLong(export.sizeBytes()).putShort(export.flags(framing));
        if (!noZeroes) {
            out.putZeros(Nbd.EXPORT_NAME_PADDING);
        }
        return begin(export);
    }

    private State list(ByteBuffer data, Output out) {
        if (data.hasRemaining()) {
            return invalid(out, Nbd.OPT_LIST, "this option takes no data");
        }
        for (ExportInfo export : view.exports()) {
            byte[] name = bytes(export.name());
            out.reply(Nbd.OPT_LIST, Nbd.REP_SERVER, 4 + name.length)
                    .putInt(name.length)
                    .put(name);
        }
        return acknowledge(out, Nbd.OPT_LIST);
    }

    /** Data: u32 name length, name, u16 count, u16 information types. */
    private State info(int option, ByteBuffer data, Output out) {
        if (data.remaining() < Integer.BYTES + Short.BYTES) {
            return invalid(out, option, "too short");
        }
        long nameLength = Integer.toUnsignedLong(data.getInt());
        if (nameLength > data.remaining() - 2 || nameLength > Nbd.MAX_STRING) {
            return invalid(out, option, "bad length of the name");
        }
        String name = ContextQuery.string(data, (int) nameLength);
        int count = Short.toUnsignedInt(data.getShort());
        if (data.remaining() != count * 2) {
            return invalid(out, option, "bad number of information requests");
        }
        ExportInfo export = view.find(name);
        if (export == null) {
            return error(out, option, Nbd.REP_ERR_UNKNOWN, "no such export");
        }
        switch (view.verdict(export)) {
            case NEEDS_TLS -> {
                return needsTls(option, out);
            }
            case OTHER_SUBJECT -> {
                return otherSubject(option, out);
            }
            default -> {}
        }
        if (option == Nbd.OPT_GO && !view.hasPlace(export)) {
            return error(out, option, Nbd.REP_ERR_POLICY, "this export has no place for more clients");
        }
        boolean wantsName = false;
        boolean wantsDescription = false;
        boolean wantsBlockSize = false;
        while (data.hasRemaining()) {
            switch (Short.toUnsignedInt(data.getShort())) {
                case Nbd.INFO_NAME -> wantsName = true;
                case Nbd.INFO_DESCRIPTION -> wantsDescription = true;
                case Nbd.INFO_BLOCK_SIZE -> wantsBlockSize = true;
                default -> {
                    // INFO_EXPORT is sent anyway, unknown ones must be ignored
                }
            }
        }
        out.reply(option, Nbd.REP_INFO, Nbd.INFO_EXPORT_BYTES)
                .putShort(Nbd.INFO_EXPORT)
                .putLong(export.sizeBytes())
                .putShort(export.flags(framing));
        if (wantsName) {
            infoText(out, option, Nbd.INFO_NAME, export.name());
        }
        if (wantsDescription) {
            infoText(out, option, Nbd.INFO_DESCRIPTION, export.description());
        }
        if (wantsBlockSize) {
            out.reply(option, Nbd.REP_INFO, Nbd.INFO_BLOCK_SIZE_BYTES)
                    .putShort(Nbd.INFO_BLOCK_SIZE)
                    .putInt(ExportInfo.MIN_BLOCK)
                    .putInt(export.preferredBlock())
                    .putInt(Nbd.MAX_PAYLOAD);
        }
        acknowledge(out, option);
        return option == Nbd.OPT_GO ? begin(export) : State.AGAIN;
    }

    private static void infoText(Output out, int option, int type, String text) {
        byte[] bytes = bytes(text);
        out.reply(option, Nbd.REP_INFO, 2 + bytes.length).putShort(type).put(bytes);
    }

    private State metaContext(int option, ByteBuffer data, Output out) {
        boolean set = option == Nbd.OPT_SET_META_CONTEXT;
        if (set) {
            contexts = List.of();
        }
        if (!framing.hasChunks()) {
            return invalid(out, option, "structured replies come first");
        }
        ContextQuery query = new ContextQuery(data);
        if (query.fault() != null) {
            return invalid(out, option, query.fault());
        }
        ExportInfo export = view.find(query.export());
        Verdict verdict = export == null ? Verdict.NEEDS_TLS : view.verdict(export);
        if (verdict == Verdict.OTHER_SUBJECT) {
            return otherSubject(option, out);
        }
        if (verdict != Verdict.YES) {
            // only INFO and GO may say that an export needs TLS
            return error(out, option, Nbd.REP_ERR_UNKNOWN, "no such export");
        }
        List<MetaContext> found = set ? query.select(export) : query.list(export);
        if (set && found.size() > MAX_CONTEXTS) {
            return error(out, option, Nbd.REP_ERR_TOO_BIG, "more than " + MAX_CONTEXTS + " contexts");
        }
        for (MetaContext context : found) {
            byte[] name = bytes(context.name());
            out.reply(option, Nbd.REP_META_CONTEXT, 4 + name.length)
                    .putInt(set ? context.id() : 0)
                    .put(name);
        }
        if (set) {
            contexts = found;
            contextsOf = export.name();
        }
        return acknowledge(out, option);
    }

    private State begin(ExportInfo export) {
        session = new Session(export.name(), framing, export.name().equals(contextsOf) ? contexts : List.of());
        return State.TRANSMISSION;
    }

    private static State otherSubject(int option, Output out) {
        return error(out, option, Nbd.REP_ERR_POLICY, "this export is not for the subject of the client's certificate");
    }

    private static State acknowledge(Output out, int option) {
        out.reply(option, Nbd.REP_ACK, 0);
        return State.AGAIN;
    }

    private static State invalid(Output out, int option, String message) {
        return error(out, option, Nbd.REP_ERR_INVALID, message);
    }

    private static State error(Output out, int option, int reply, String message) {
        byte[] text = bytes(message);
        out.reply(option, reply, text.length).put(text);
        return State.AGAIN;
    }

    private State fault(String what) {
        fault = what;
        return State.FAULT;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
