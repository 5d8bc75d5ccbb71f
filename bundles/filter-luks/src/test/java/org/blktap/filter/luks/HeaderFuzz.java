package org.blktap.filter.luks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.blktap.api.disk.DiskException;
import org.blktap.filter.luks.LuksHeader.KeySlot;

/** Damages headers, and judges what is read of them. */
final class HeaderFuzz {
    private static final List<String> HOSTILE = List.of(
            "-1",
            "0",
            "1",
            "512",
            "4294967296",
            "9223372036854775807",
            "18446744073709551616",
            "1e999",
            "\"\"",
            "\"0\"",
            "\"9223372036854775807\"",
            "\"18446744073709551615\"",
            "\"99999999999999999999999999\"",
            "null",
            "true",
            "[]",
            "{}",
            "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
            "\"\\u0000\\ud800\"",
            "NaN");

    private final Volumes volumes;
    private final MemoryDisk disk;
    private final Random random;
    private final byte[] whole;
    int accepted;
    int refused;

    HeaderFuzz(Volumes volumes, MemoryDisk disk, Random random) {
        this.volumes = volumes;
        this.disk = disk;
        this.random = random;
        whole = disk.bytes(0, 2 * Luks2Header.SIZE_MIN);
    }

    void tryOne() {
        disk.put(0, whole);
        boolean first = whole[7] == 1;
        if (first || random.nextInt(4) == 0) {
            int range = first ? Luks1Header.BYTES : whole.length;
            for (int n = 1 + random.nextInt(3); n > 0; n--) {
                int bytes = 1 << random.nextInt(4);
                byte[] damage = new byte[bytes];
                random.nextBytes(damage);
                if (random.nextBoolean()) {
                    java.util.Arrays.fill(damage, (byte) (random.nextBoolean() ? 0 : 0xff));
                }
                // half of all in the fixed fields
                int most = random.nextBoolean() ? Math.min(range, 512) : range;
                disk.put(random.nextInt(most - bytes), damage);
            }
        } else {
            Volumes.json(disk, this::damage);
        }
        long before = volumes.memory.inUse();
        try {
            judge(Headers.read(new DiskStore(disk, volumes.context(Map.of())), false, volumes.memory));
            accepted++;
        } catch (DiskException e) {
            assertNotNull(e.getMessage());
            assertTrue(e.getMessage().length() < 2000, e.getMessage());
            refused++;
        }
        assertEquals(before, volumes.memory.inUse(), "native memory was left behind");
    }

    private String damage(String json) {
        StringBuilder text = new StringBuilder(json);
        for (int n = 1 + random.nextInt(2); n > 0; n--) {
            int at = random.nextInt(text.length());
            switch (random.nextInt(4)) {
                case 0 -> text.deleteCharAt(at);
                case 1 -> text.setCharAt(at, (char) (32 + random.nextInt(95)));
                default -> {
                    // replaces a value
                    int colon = text.indexOf(":", at);
                    if (colon > 0) {
                        int end = colon + 1;
                        while (end < text.length() && ",}".indexOf(text.charAt(end)) < 0) {
                            end++;
                        }
                        text.replace(colon + 1, end, HOSTILE.get(random.nextInt(HOSTILE.size())));
                    }
                }
            }
        }
        return text.toString();
    }

    private void judge(LuksHeader header) throws DiskException {
        LuksDisk.dataBytes("vm1", disk.info(), header.data());
        assertTrue(header.data().offset() >= 0 && header.data().firstNumber() >= 0);
        assertTrue(header.slots().size() <= 32);
        for (KeySlot slot : header.slots()) {
            assertTrue(slot.keyBytes() == 32 || slot.keyBytes() == 64);
            assertTrue(slot.areaKeyBytes() == 32 || slot.areaKeyBytes() == 64);
            assertTrue(slot.areaOffset() > 0
                    && slot.areaOffset() + slot.areaBytes() <= disk.info().sizeBytes());
            assertTrue(slot.digest().derivation().iterations() <= DerivationLimits.DIGEST_ITERATIONS_MAX);
            if (slot.derivation() instanceof Pbkdf2 pbkdf2) {
                assertTrue(pbkdf2.iterations() > 0 && pbkdf2.iterations() <= DerivationLimits.SLOT_ITERATIONS_MAX);
            } else if (slot.derivation() instanceof Argon2 argon2) {
                assertTrue(argon2.kib() > 0 && argon2.kib() <= DerivationLimits.ARGON2_KIB_MAX);
                assertTrue(argon2.passes() <= DerivationLimits.passesMax(argon2.kib(), argon2.lanes()));
                assertTrue(argon2.lanes() > 0 && argon2.lanes() <= DerivationLimits.ARGON2_LANES_MAX);
            }
        }
    }

    @Override
    public String toString() {
        return accepted + " accepted, " + refused + " refused";
    }
}
