package org.blktap.node.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Random;
import org.blktap.api.nbd.Nbd;
import org.blktap.api.testkit.Victim;

/** The requests of a {@link Victim}: a client of another export that writes blocks and reads them back. */
final class NbdVictim {
    private static final int BLOCK = 4096;

    private NbdVictim() {}

    static Victim of(Path socket, String export, int size) {
        return new Victim(victim -> {
            Random random = new Random(1);
            byte[][] model = new byte[size / BLOCK][];
            try (NbdTestClient client = NbdTestClient.on(socket, export, false)) {
                for (long cookie = 1; victim.wanted(); cookie++) {
                    long request = cookie;
                    int block = random.nextInt(model.length);
                    if (model[block] == null || random.nextBoolean()) {
                        model[block] = new byte[BLOCK];
                        random.nextBytes(model[block]);
                        victim.timed(() -> write(client, request, block, model[block]));
                    } else {
                        victim.timed(() -> read(client, request, block, model[block]));
                    }
                }
            }
        });
    }

    private static void write(NbdTestClient client, long cookie, long block, byte[] data) throws Exception {
        client.requestWrite(0, cookie, block * BLOCK, data);
        NbdTestClient.Reply reply = client.reply();
        assertEquals(0, reply.error());
        assertEquals(cookie, reply.cookie());
    }

    private static void read(NbdTestClient client, long cookie, long block, byte[] expected) throws Exception {
        client.request(Nbd.CMD_READ, 0, cookie, block * BLOCK, BLOCK);
        assertArrayEquals(expected, client.reply(BLOCK).data());
    }
}
