package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import javax.security.auth.x500.X500Principal;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.nbd.Nbd;
import org.blktap.node.nbd.Handshake.State;
import org.blktap.tls.Subjects;
import org.junit.jupiter.api.Test;

/** The negotiation as bytes, without a socket. */
class HandshakeTest {
    private static final ExportInfo A = ExportInfo.of("a", "the first", DiskInfo.ofSize(1 << 20));
    private static final ExportInfo B = ExportInfo.of("b", "the second", DiskInfo.ofSize(2 << 20));
    private static final ExportInfo C = ExportInfo.of(
            "c",
            "with bitmaps",
            DiskInfo.ofSize(512).withContext("dirty-bitmap:a").withContext("dirty-bitmap:b"));
    private static final int BOTH_FLAGS = Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES;

    private Catalogue catalogue = () -> List.of(A, B);
    private Handshake handshake = new Handshake(new ClientView(() -> catalogue.exports(), TlsMode.OFF, true));
    private ByteBuffer said = ByteBuffer.allocate(0);
    private ByteBuffer left = ByteBuffer.allocate(0);

    /** Feeds bytes to a handshake as its socket does, at most {@code piece} at a time. */
    private State feed(byte[] bytes, int piece) {
        ByteBuffer in = ByteBuffer.allocate(Handshake.MAX_OPTION + Nbd.OPTION_HEADER_BYTES);
        Output out = new Output();
        State state = State.MORE;
        int at = 0;
        while (state == State.MORE && (at < bytes.length || at == 0)) {
            int n = Math.min(Math.min(piece, in.remaining()), bytes.length - at);
            assertTrue(n > 0 || bytes.length == 0, "the handshake wants more, but has no room for it");
            in.put(bytes, at, n);
            at += n;
            do {
                in.flip();
                int before = in.remaining();
                state = handshake.advance(in, out);
                assertTrue(state != State.AGAIN || in.remaining() < before, "no progress");
                in.compact();
            } while (state == State.AGAIN);
            if (bytes.length == 0) {
                break;
            }
        }
        said = ByteBuffer.wrap(out.toArray());
        in.put(bytes, at, Math.min(in.remaining(), bytes.length - at));
        left = in.flip();
        return state;
    }

    private State feed(ByteBuffer... messages) {
        ByteBuffer all = ByteBuffer.allocate(4 << 20);
        for (ByteBuffer message : messages) {
            all.put(message.flip());
        }
        return feed(java.util.Arrays.copyOf(all.array(), all.position()), Integer.MAX_VALUE);
    }

    private static ByteBuffer flags(int flags) {
        return ByteBuffer.allocate(4).putInt(flags);
    }

    private static ByteBuffer option(int option, byte... data) {
        return NbdTestClient.optionBytes(option, data);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Takes the next option reply, which must be of a type; its data. */
    private ByteBuffer expect(int option, int type) {
        assertEquals(Nbd.OPTION_REPLY_MAGIC, said.getLong());
        assertEquals(option, said.getInt());
        assertEquals(Integer.toHexString(type), Integer.toHexString(said.getInt()));
        int length = said.getInt();
        ByteBuffer data = said.slice(said.position(), length);
        said.position(said.position() + length);
        return data;
    }

    private void expectNothingMore() {
        assertEquals(0, said.remaining());
    }

    @Test
    void theServerGreetsFirst() {
        Output out = new Output();
        handshake.greet(out);
        assertArrayEquals(
                ByteBuffer.allocate(18)
                        .put(bytes("NBDMAGIC"))
                        .put(bytes("IHAVEOPT"))
                        .putShort((short) 3)
                        .array(),
                out.toArray());
    }

    @Test
    void goTellsWhatWasAskedFor() {
        assertEquals(
                State.TRANSMISSION,
                feed(
                        flags(BOTH_FLAGS),
                        option(
                                Nbd.OPT_GO,
                                NbdTestClient.go("b", Nbd.INFO_NAME, Nbd.INFO_DESCRIPTION, Nbd.INFO_BLOCK_SIZE, 999))));
        ByteBuffer export = expect(Nbd.OPT_GO, Nbd.REP_INFO);
        assertEquals(Nbd.INFO_EXPORT, export.getShort());
        assertEquals(2 << 20, export.getLong());
        int flags = export.getShort();
        assertNotEquals(0, flags & Nbd.FLAG_HAS_FLAGS);
        assertEquals(0, flags & Nbd.FLAG_SEND_DF, "DF without structured replies");
        ByteBuffer name = expect(Nbd.OPT_GO, Nbd.REP_INFO);
        assertEquals(Nbd.INFO_NAME, name.getShort());
        assertEquals("b", StandardCharsets.UTF_8.decode(name).toString());
        ByteBuffer description = expect(Nbd.OPT_GO, Nbd.REP_INFO);
        assertEquals(Nbd.INFO_DESCRIPTION, description.getShort());
        assertEquals("the second", StandardCharsets.UTF_8.decode(description).toString());
        ByteBuffer sizes = expect(Nbd.OPT_GO, Nbd.REP_INFO);
        assertEquals(Nbd.INFO_BLOCK_SIZE, sizes.getShort());
        assertEquals(512, sizes.getInt());
        assertEquals(4096, sizes.getInt());
        assertEquals(32 << 20, sizes.getInt());
        expect(Nbd.OPT_GO, Nbd.REP_ACK);
        expectNothingMore();
        assertEquals(new Session("b", Framing.SIMPLE, List.of()), handshake.session());
    }

    @Test
    void infoStaysInTheHandshake() {
        assertEquals(State.MORE, feed(flags(BOTH_FLAGS), option(Nbd.OPT_INFO, NbdTestClient.go("a"))));
        expect(Nbd.OPT_INFO, Nbd.REP_INFO);
        expect(Nbd.OPT_INFO, Nbd.REP_ACK);
        expectNothingMore();
        assertNull(handshake.session());
    }

    @Test
    void exportNameIsPaddedUnlessAgreed() {
        assertEquals(State.TRANSMISSION, feed(flags(0), option(Nbd.OPT_EXPORT_NAME, bytes("a"))));
        assertEquals(8 + 2 + 124, said.remaining());
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        assertEquals(State.TRANSMISSION, feed(flags(BOTH_FLAGS), option(Nbd.OPT_EXPORT_NAME, bytes("a"))));
        assertEquals(8 + 2, said.remaining());
        assertEquals(1 << 20, said.getLong());
    }

    @Test
    void exportNameCannotFailButByClosing() {
        assertEquals(State.FAULT, feed(flags(BOTH_FLAGS), option(Nbd.OPT_EXPORT_NAME, bytes("c"))));
        expectNothingMore();
    }

    @Test
    void theEmptyNameIsTheOnlyExport() {
        assertEquals(State.MORE, feed(flags(BOTH_FLAGS), option(Nbd.OPT_GO, NbdTestClient.go(""))));
        expect(Nbd.OPT_GO, Nbd.REP_ERR_UNKNOWN);
        catalogue = () -> List.of(B);
        assertEquals(State.TRANSMISSION, feed(option(Nbd.OPT_GO, NbdTestClient.go(""))));
        assertEquals("b", handshake.session().export());
    }

    @Test
    void whatFollowsGoIsLeftForTheTransmission() {
        assertEquals(
                State.TRANSMISSION,
                feed(flags(BOTH_FLAGS), option(Nbd.OPT_GO, NbdTestClient.go("a")), option(Nbd.OPT_LIST)));
        assertEquals(16, left.remaining());
    }

    @Test
    void unknownOptionsAreRefusedInStep() {
        assertEquals(State.MORE, feed(flags(BOTH_FLAGS), option(77, new byte[100]), option(4), option(Nbd.OPT_LIST)));
        for (int option : new int[] {77, 4}) {
            expect(option, Nbd.REP_ERR_UNSUP);
        }
        for (String name : new String[] {"a", "b"}) {
            ByteBuffer server = expect(Nbd.OPT_LIST, Nbd.REP_SERVER);
            assertEquals(1, server.getInt());
            assertEquals(name, StandardCharsets.UTF_8.decode(server).toString());
        }
        expect(Nbd.OPT_LIST, Nbd.REP_ACK);
        expectNothingMore();
    }

    @Test
    void startTlsIsAcceptedWhereThereIsTls() {
        assertEquals(State.MORE, feed(flags(BOTH_FLAGS), option(Nbd.OPT_STARTTLS)));
        expect(Nbd.OPT_STARTTLS, Nbd.REP_ERR_POLICY);
        for (TlsMode mode : new TlsMode[] {TlsMode.ALLOWED, TlsMode.REQUIRED}) {
            handshake = new Handshake(new ClientView(catalogue, mode, mode == TlsMode.OFF));
            assertEquals(
                    State.UPGRADE,
                    feed(
                            flags(BOTH_FLAGS),
                            option(Nbd.OPT_STRUCTURED_REPLY),
                            option(Nbd.OPT_STARTTLS, (byte) 1),
                            option(Nbd.OPT_STARTTLS),
                            option(Nbd.OPT_LIST)));
            expect(Nbd.OPT_STRUCTURED_REPLY, mode == TlsMode.REQUIRED ? Nbd.REP_ERR_TLS_REQD : Nbd.REP_ACK);
            expect(Nbd.OPT_STARTTLS, Nbd.REP_ERR_INVALID);
            expect(Nbd.OPT_STARTTLS, Nbd.REP_ACK);
            expectNothingMore();
            assertEquals(16, left.remaining(), "what is behind it is not taken");
            // by TLS, from here on
            handshake.secured(new X500Principal("CN=client"));
            assertEquals(State.TRANSMISSION, feed(option(Nbd.OPT_STARTTLS), option(Nbd.OPT_GO, NbdTestClient.go("a"))));
            expect(Nbd.OPT_STARTTLS, Nbd.REP_ERR_INVALID);
            assertEquals(new Session("a", Framing.SIMPLE, List.of()), handshake.session());
        }
    }

    /** A client may have come to a port before an export that wants TLS. */
    @Test
    void anExportDecidesAlsoOnAPortWithoutTls() throws Exception {
        ExportInfo strict = catalogue.exports().iterator().next();
        ClientView view = new ClientView(catalogue, TlsMode.OFF, false);
        assertEquals(ExportAccess.Verdict.YES, view.verdict(strict));
        ExportAccess required = new ExportAccess(TlsMode.REQUIRED, Subjects.of("CN=backup"));
        assertEquals(ExportAccess.Verdict.NEEDS_TLS, required.of(null));
        assertEquals(ExportAccess.Verdict.YES, required.of(new X500Principal("cn=Backup")));
        Subjects two = Subjects.of("CN=backup%2CO=Example");
        assertTrue(two.allow(new X500Principal("cn=BACKUP, o=example")));
        // a full-width comma is a letter
        assertFalse(two.allow(new X500Principal("CN=\"backup\uff0cO=Example\"")));
    }

    @Test
    void longOptionsAreSkippedAndLongerOnesCutOff() {
        assertEquals(
                State.GOODBYE,
                feed(
                        flags(BOTH_FLAGS),
                        option(Nbd.OPT_GO, new byte[Handshake.MAX_SKIPPED]),
                        option(77, new byte[Handshake.MAX_OPTION + 1]),
                        option(Nbd.OPT_LIST, new byte[Handshake.MAX_OPTION]),
                        option(Nbd.OPT_ABORT)));
        expect(Nbd.OPT_GO, Nbd.REP_ERR_TOO_BIG);
        expect(77, Nbd.REP_ERR_UNSUP);
        expect(Nbd.OPT_LIST, Nbd.REP_ERR_INVALID);
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        assertEquals(State.FAULT, feed(flags(BOTH_FLAGS), option(77, new byte[Handshake.MAX_SKIPPED + 1])));
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        assertEquals(
                State.FAULT, feed(flags(BOTH_FLAGS), option(Nbd.OPT_EXPORT_NAME, new byte[Handshake.MAX_OPTION + 1])));
    }

    @Test
    void aClientMayLeave() {
        assertEquals(State.GOODBYE, feed(flags(BOTH_FLAGS), option(Nbd.OPT_ABORT, new byte[3])));
        expect(Nbd.OPT_ABORT, Nbd.REP_ACK);
    }

    @Test
    void whatIsNotTheProtocolIsCutOff() {
        assertEquals(State.FAULT, feed(flags(4)));
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        assertEquals(
                State.FAULT, feed(flags(BOTH_FLAGS), ByteBuffer.allocate(16).put(bytes("GET / HTTP/1.1\r\n"))));
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        assertEquals(State.FAULT, feed(flags(0), option(Nbd.OPT_LIST)), "options without fixed newstyle");
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        ByteBuffer[] many = new ByteBuffer[Handshake.MAX_OPTIONS + 2];
        java.util.Arrays.setAll(many, i -> i == 0 ? flags(BOTH_FLAGS) : option(77));
        assertEquals(State.FAULT, feed(many));
    }

    @Test
    void malformedOptionsAreInvalid() {
        byte[] good = NbdTestClient.go("a", Nbd.INFO_NAME);
        List<byte[]> bad = new ArrayList<>();
        bad.add(new byte[0]);
        bad.add(new byte[5]);
        bad.add(java.util.Arrays.copyOf(good, good.length - 1));
        bad.add(java.util.Arrays.copyOf(good, good.length + 1));
        bad.add(ByteBuffer.allocate(6).putInt(1).array());
        bad.add(ByteBuffer.allocate(6).putInt(-1).array());
        bad.add(ByteBuffer.allocate(6).putInt(Integer.MAX_VALUE).array());
        bad.add(ByteBuffer.allocate(6).putShort(4, (short) -1).array());
        bad.add(ByteBuffer.allocate(6000).putInt(5000).array());
        for (byte[] data : bad) {
            handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
            assertEquals(
                    State.MORE,
                    feed(flags(BOTH_FLAGS), option(Nbd.OPT_GO, data), option(Nbd.OPT_STRUCTURED_REPLY, new byte[1])));
            expect(Nbd.OPT_GO, Nbd.REP_ERR_INVALID);
            expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ERR_INVALID);
            expectNothingMore();
        }
    }

    @Test
    void contextsNeedStructuredReplies() {
        assertEquals(State.MORE, feed(flags(BOTH_FLAGS), option(Nbd.OPT_SET_META_CONTEXT, NbdTestClient.context("a"))));
        expect(Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ERR_INVALID);
    }

    @Test
    void contextsAreListedByQuery() {
        catalogue = () -> List.of(A, C);
        int list = Nbd.OPT_LIST_META_CONTEXT;
        feed(
                flags(BOTH_FLAGS),
                option(Nbd.OPT_STRUCTURED_REPLY),
                option(list, NbdTestClient.context("c", new String[0])),
                option(list, NbdTestClient.context("c", "base:", "base:allocation")),
                option(list, NbdTestClient.context("c", "qemu:", "base:no", "x-y:")),
                option(list, NbdTestClient.context("c", "qemu:dirty-bitmap:")),
                option(list, NbdTestClient.context("c", "qemu:allocation-depth", "qemu:dirty-bitmap:b")),
                option(list, NbdTestClient.context("c", "qemu:dirty-bitmap:no", "base", "qemu:d")),
                option(list, NbdTestClient.context("zz", "base:")));
        expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK);
        String depth = "qemu:allocation-depth";
        String a = "qemu:dirty-bitmap:a";
        String b = "qemu:dirty-bitmap:b";
        for (List<String> names : List.of(
                List.of("base:allocation", depth, a, b),
                List.of("base:allocation"),
                List.of(depth, a, b),
                List.of(a, b),
                List.of(depth, b),
                List.<String>of())) {
            for (String name : names) {
                ByteBuffer context = expect(list, Nbd.REP_META_CONTEXT);
                assertEquals(0, context.getInt());
                assertEquals(name, StandardCharsets.UTF_8.decode(context).toString());
            }
            expect(list, Nbd.REP_ACK);
        }
        expect(list, Nbd.REP_ERR_UNKNOWN);
        expectNothingMore();
    }

    @Test
    void contextsAreSelectedByTheirNames() {
        catalogue = () -> List.of(A, C);
        int set = Nbd.OPT_SET_META_CONTEXT;
        feed(
                flags(BOTH_FLAGS),
                option(Nbd.OPT_STRUCTURED_REPLY),
                option(
                        set,
                        NbdTestClient.context(
                                "c", "qemu:dirty-bitmap:b", "qemu:", "base:", "base:allocation", "base:allocation")),
                option(Nbd.OPT_GO, NbdTestClient.go("c")));
        expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK);
        assertEquals(1, expect(set, Nbd.REP_META_CONTEXT).getInt());
        assertEquals(4, expect(set, Nbd.REP_META_CONTEXT).getInt());
        expect(set, Nbd.REP_ACK);
        assertEquals(
                new Session(
                        "c",
                        Framing.STRUCTURED,
                        List.of(MetaContext.ALLOCATION, new MetaContext(4, "qemu:dirty-bitmap:b", "dirty-bitmap:b"))),
                handshake.session());
    }

    @Test
    void contextsOfAClientAreBounded() {
        DiskInfo disk = DiskInfo.ofSize(512);
        String[] names = new String[Handshake.MAX_CONTEXTS + 1];
        for (int i = 0; i < names.length; i++) {
            disk = disk.withContext("dirty-bitmap:" + i);
            names[i] = "qemu:dirty-bitmap:" + i;
        }
        disk = disk.withContext("dirty-bitmap:" + "x".repeat(5000)).withContext("something else");
        ExportInfo many = ExportInfo.of("m", "", disk);
        assertEquals(2 + names.length, many.contexts().size(), "contexts with a name that clients may use");
        catalogue = () -> List.of(many);
        int set = Nbd.OPT_SET_META_CONTEXT;
        feed(
                flags(BOTH_FLAGS),
                option(Nbd.OPT_STRUCTURED_REPLY),
                option(set, NbdTestClient.context("m", java.util.Arrays.copyOf(names, Handshake.MAX_CONTEXTS))),
                option(set, NbdTestClient.context("m", names)),
                option(Nbd.OPT_GO, NbdTestClient.go("m")));
        expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK);
        for (int i = 0; i < Handshake.MAX_CONTEXTS; i++) {
            expect(set, Nbd.REP_META_CONTEXT);
        }
        expect(set, Nbd.REP_ACK);
        expect(set, Nbd.REP_ERR_TOO_BIG);
        assertEquals(List.of(), handshake.session().contexts(), "a refused option selects nothing");
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        String[] empty = new String[4000];
        java.util.Arrays.fill(empty, "");
        feed(
                flags(BOTH_FLAGS),
                option(Nbd.OPT_STRUCTURED_REPLY),
                option(Nbd.OPT_LIST_META_CONTEXT, NbdTestClient.context("m", empty)));
        expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK);
        expect(Nbd.OPT_LIST_META_CONTEXT, Nbd.REP_ACK);
        expectNothingMore();
    }

    @Test
    void extendedHeadersTakePrecedence() {
        byte[] set = NbdTestClient.context("a");
        feed(
                flags(BOTH_FLAGS),
                option(Nbd.OPT_EXTENDED_HEADERS, new byte[1]),
                option(Nbd.OPT_STRUCTURED_REPLY),
                option(Nbd.OPT_EXTENDED_HEADERS),
                option(Nbd.OPT_EXTENDED_HEADERS),
                option(Nbd.OPT_STRUCTURED_REPLY),
                option(Nbd.OPT_SET_META_CONTEXT, set),
                option(Nbd.OPT_GO, NbdTestClient.go("a")));
        expect(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ERR_INVALID);
        expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK);
        expect(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK);
        expect(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK);
        expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ERR_EXT_HEADER_REQD);
        expect(Nbd.OPT_SET_META_CONTEXT, Nbd.REP_META_CONTEXT);
        expect(Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ACK);
        ByteBuffer export = expect(Nbd.OPT_GO, Nbd.REP_INFO);
        assertNotEquals(0, export.getShort(10) & Nbd.FLAG_SEND_DF);
        assertEquals(new Session("a", Framing.EXTENDED, List.of(MetaContext.ALLOCATION)), handshake.session());
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        assertEquals(
                State.FAULT,
                feed(flags(BOTH_FLAGS), option(Nbd.OPT_EXTENDED_HEADERS), option(Nbd.OPT_EXPORT_NAME, bytes("a"))));
    }

    @Test
    void theContextHoldsForItsExportOnly() {
        ByteBuffer structured = option(Nbd.OPT_STRUCTURED_REPLY);
        ByteBuffer set = option(Nbd.OPT_SET_META_CONTEXT, NbdTestClient.context("a"));
        feed(flags(BOTH_FLAGS), structured, set, option(Nbd.OPT_GO, NbdTestClient.go("a")));
        assertEquals(new Session("a", Framing.STRUCTURED, List.of(MetaContext.ALLOCATION)), handshake.session());
        for (byte[] undone : List.of(
                NbdTestClient.context("a", "base:"),
                NbdTestClient.context("b"),
                new byte[3],
                NbdTestClient.context("zz"),
                NbdTestClient.context("a", new String[0]))) {
            handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
            feed(
                    flags(BOTH_FLAGS),
                    structured.rewind().position(16),
                    set.rewind().position(set.limit()),
                    option(Nbd.OPT_SET_META_CONTEXT, undone),
                    option(Nbd.OPT_GO, NbdTestClient.go("a")));
            assertEquals(new Session("a", Framing.STRUCTURED, List.of()), handshake.session());
        }
    }

    @Test
    void malformedQueriesAreInvalid() {
        byte[] good = NbdTestClient.context("a", "base:allocation");
        byte[] tooMany = good.clone();
        tooMany[8] = 127;
        for (byte[] bad : List.of(
                new byte[7],
                tooMany,
                java.util.Arrays.copyOf(good, good.length - 1),
                java.util.Arrays.copyOf(good, good.length + 1),
                ByteBuffer.allocate(8).putInt(-1).array())) {
            handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
            feed(flags(BOTH_FLAGS), option(Nbd.OPT_STRUCTURED_REPLY), option(Nbd.OPT_SET_META_CONTEXT, bad));
            expect(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK);
            expect(Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ERR_INVALID);
            expectNothingMore();
        }
    }

    @Test
    void aReadOnlyDiskOffersNoWrites() {
        ExportInfo export = ExportInfo.of(
                "r",
                "",
                DiskInfo.ofSize(512)
                        .with(Operation.DISCARD, Operation.WRITE_ZEROES)
                        .withReadOnly(true));
        assertNotEquals(0, export.flags() & Nbd.FLAG_READ_ONLY);
        assertEquals(0, export.flags() & (Nbd.FLAG_SEND_TRIM | Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FAST_ZERO));
        assertEquals(0, A.flags() & Nbd.FLAG_SEND_TRIM, "a disk that cannot discard");
    }

    /** Options, good, bent and random, in any order; the way the bytes are cut changes nothing. */
    @Property(tries = 500)
    void anyBytesAreTakenInStepAndInBounds(@ForAll long seed, @ForAll @IntRange(min = 1, max = 5000) int piece) {
        Random random = new Random(seed);
        ByteBuffer all = ByteBuffer.allocate(2 << 20);
        all.putInt(random.nextInt(20) == 0 ? random.nextInt() : BOTH_FLAGS);
        for (int i = random.nextInt(30); i > 0; i--) {
            byte[] data = switch (random.nextInt(4)) {
                case 0 -> NbdTestClient.go(random.nextBoolean() ? "zz" : "", random.nextInt(5), random.nextInt(70000));
                case 1 -> NbdTestClient.context(random.nextBoolean() ? "a" : "zz", "base:allocation", "base:", "x");
                case 2 -> new byte[0];
                default -> {
                    byte[] noise = new byte[random.nextInt(40) == 0 ? 20000 : random.nextInt(60)];
                    random.nextBytes(noise);
                    yield noise;
                }
            };
            if (data.length > 0 && random.nextInt(3) == 0) {
                data[random.nextInt(Math.min(data.length, 12))] = (byte) random.nextInt();
            }
            int option = random.nextInt(10) == 0 ? random.nextInt() : random.nextInt(13);
            ByteBuffer message = NbdTestClient.optionBytes(option == Nbd.OPT_ABORT ? Nbd.OPT_LIST : option, data);
            if (random.nextInt(30) == 0) {
                message.array()[random.nextInt(16)] ^= (byte) (1 << random.nextInt(8));
            }
            all.put(message.flip());
        }
        byte[] bytes = java.util.Arrays.copyOf(all.array(), all.position());
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        State whole = feed(bytes, Integer.MAX_VALUE);
        ByteBuffer answer = said;
        Session session = handshake.session();
        assertTrue(answer.remaining() <= 400 * 40, "answered " + answer.remaining() + " bytes");
        handshake = new Handshake(new ClientView(catalogue, TlsMode.OFF, true));
        State cut = feed(bytes, piece);
        assertEquals(whole, cut, "seed " + seed);
        assertEquals(answer, said);
        assertEquals(session, handshake.session());
        assertFalse(whole == State.TRANSMISSION && session == null);
    }
}
