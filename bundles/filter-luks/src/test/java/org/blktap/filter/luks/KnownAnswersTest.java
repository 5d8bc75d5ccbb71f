package org.blktap.filter.luks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.blktap.api.memory.NativeBuffer;
import org.blktap.api.memory.NativeMemory;
import org.blktap.linux.LibArgon2;
import org.blktap.linux.LibCryptoKdf;
import org.blktap.linux.NativeMemoryService;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Results that others have published or computed. */
class KnownAnswersTest {
    private static final HexFormat HEX = HexFormat.of();
    /** IEEE 1619-2007, annex B, vector 4: AES-128. */
    private static final String XTS_128 =
            "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89cc78cf7f5e543445f8333d8fa7f5600000527"
                    + "9fa5d8b5e4ad40e736ddb4d35412328063fd2aab53e5ea1e0a9f332500a5df9487d07a5c92cc512c8866c7e860ce93fdf166"
                    + "a24912b422976146ae20ce846bb7dc9ba94a767aaef20c0d61ad02655ea92dc4c4e41a8952c651d33174be51a10c421110e6"
                    + "d81588ede82103a252d8a750e8768defffed9122810aaeb99f9172af82b604dc4b8e51bcb08235a6f4341332e4ca60482a4b"
                    + "a1a03b3e65008fc5da76b70bf1690db4eae29c5f1badd03c5ccf2a55d705ddcd86d449511ceb7ec30bf12b1fa35b913f9f74"
                    + "7a8afd1b130e94bff94effd01a91735ca1726acd0b197c4e5b03393697e126826fb6bbde8ecc1e08298516e2c9ed03ff3c1b"
                    + "7860f6de76d4cecd94c8119855ef5297ca67e9f3e7ff72b1e99785ca0a7e7720c5b36dc6d72cac9574c8cbbc2f801e23e56f"
                    + "d344b07f22154beba0f08ce8891e643ed995c94d9a69c9f1b5f499027a78572aeebd74d20cc39881c213ee770b1010e4bea7"
                    + "18846977ae119f7a023ab58cca0ad752afe656bb3c17256a9f6e9bf19fdd5a38fc82bbe872c5539edb609ef4f79c203ebb14"
                    + "0f2e583cb2ad15b4aa5b655016a8449277dbd477ef2c8d6c017db738b18deb4a427d1923ce3ff262735779a418f20a282df9"
                    + "20147beabe421ee5319d0568";

    /** The same, vector 10: AES-256. */
    private static final String XTS_256 =
            "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac683f44680a"
                    + "86ac35adfc3345befecb4bb188fd5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0c5cd4d5f"
                    + "ff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500d"
                    + "c4cd120c0f7418dae3d0b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f93ec05c52e0493ef"
                    + "31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec583e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6"
                    + "ba02469a020a84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1505eb309326d68378f837459"
                    + "5c849d84f4c333ec4423885143cb47bd71c5edae9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd8f6a975a44a0f9"
                    + "0c29a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac6e333b93eb4aff0479da9a410e4450e0"
                    + "dd7ae4c6e2910900575da401fc07059f645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed43851ad7"
                    + "7f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa773dad38014bd2092fa755c824bb5e54c4f36ffd"
                    + "a9fcea70b9c6e693e148c151";

    private final NativeMemory memory = new NativeMemoryService();

    @Test
    void aesXts() {
        xts("27182818284590452353602874713526" + "31415926535897932384626433832795", 0, XTS_128);
        xts(
                "2718281828459045235360287471352662497757247093699959574966967627"
                        + "3141592653589793238462643383279502884197169399375105820974944592",
                0xff,
                XTS_256);
    }

    private void xts(String keyText, long number, String expected) {
        byte[] plain = new byte[512];
        for (int i = 0; i < plain.length; i++) {
            plain[i] = (byte) i;
        }
        try (Secret key = secret(HEX.parseHex(keyText));
                SectorCipher batched = new BatchedXts(key, memory);
                SectorCipher sectorwise = new SectorwiseXts(key, 512, memory)) {
            for (SectorCipher cipher : List.of(batched, sectorwise)) {
                try (Secret data = secret(plain)) {
                    assertTrue(cipher.encrypt(data.address(), plain.length, number));
                    assertEquals(expected, HEX.formatHex(bytes(data)));
                    assertTrue(cipher.decrypt(data.address(), plain.length, number));
                    assertEquals(HEX.formatHex(plain), HEX.formatHex(bytes(data)));
                }
            }
        }
    }

    /** The batches, which are ours, are compared with libcrypto's own XTS, sector by sector. */
    @Test
    void batchesAreWhatLibcryptoMakesOfEachSector() {
        long seed = Long.getLong("seed", System.nanoTime());
        System.out.println("batches: seed " + seed);
        Random random = new Random(seed);
        long[] firsts = {0, 1, 255, 256, 0xffff_ffffL, 1L << 32, Long.MAX_VALUE - 1000, random.nextLong() >>> 1};
        for (int keyBytes : new int[] {32, 64}) {
            byte[] keyText = new byte[keyBytes];
            random.nextBytes(keyText);
            for (int sectors : new int[] {1, 2, 255, 256, 257, 600}) {
                byte[] plain = new byte[sectors * 512];
                random.nextBytes(plain);
                long first = firsts[random.nextInt(firsts.length)];
                try (Secret key = secret(keyText);
                        SectorCipher batched = new BatchedXts(key, memory);
                        SectorCipher sectorwise = new SectorwiseXts(key, 512, memory);
                        Secret one = secret(plain);
                        Secret other = secret(plain)) {
                    assertTrue(batched.encrypt(one.address(), plain.length, first));
                    assertTrue(sectorwise.encrypt(other.address(), plain.length, first));
                    assertTrue(Arrays.equals(bytes(other), bytes(one)), sectors + " sectors from " + first);
                    assertTrue(batched.decrypt(one.address(), plain.length, first));
                    assertTrue(Arrays.equals(plain, bytes(one)), sectors + " sectors from " + first);
                }
            }
        }
    }

    /** RFC 6070; the others by Python's hashlib. */
    @Test
    void pbkdf2() {
        pbkdf2(HashSpec.SHA1, 4096, "4b007901b765489abead49d926f721d065a429c1");
        pbkdf2(HashSpec.SHA256, 4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
        pbkdf2(
                HashSpec.SHA384,
                1000,
                "3bd37e2236941d4a77b1b5b714c6f913fabb6b0841a6d7d8656b99d611e900fe"
                        + "06edb93b5b809efaa9678b635ce513e0f7d9ebb0aea1e07f0ab90d1b9cbd9464");
        pbkdf2(
                HashSpec.SHA512,
                1,
                "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"
                        + "c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce");
    }

    private void pbkdf2(HashSpec hash, int iterations, String expected) {
        byte[] salt = "salt".getBytes(StandardCharsets.US_ASCII);
        try (Secret password = secret("password".getBytes(StandardCharsets.US_ASCII));
                Secret key = Secret.ofZeros(memory, expected.length() / 2)) {
            new Pbkdf2(hash, iterations, salt).derive(password, key, memory);
            assertEquals(expected, HEX.formatHex(bytes(key)));
        }
    }

    /** Vectors of the reference implementation (its test.c), version 0x13. */
    private enum Argon2Vector {
        ID_64_MIB(true, 2, 65536, 1, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        ID(true, 2, 256, 1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        ID_TWO_LANES(true, 2, 256, 2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
        I(false, 2, 256, 1, "89e9029f4637b295beb027056a7336c414fadd43f6b208645281cb214a56452f");

        final Argon2 argon2;
        final String expected;

        Argon2Vector(boolean id, int passes, int kib, int lanes, String expected) {
            argon2 = new Argon2(id, passes, kib, lanes, "somesalt".getBytes(StandardCharsets.US_ASCII));
            this.expected = expected;
        }
    }

    @Test
    void argon2ByLibArgon2() throws Exception {
        Assumptions.assumeTrue(LibArgon2.missing() == null, LibArgon2.missing());
        for (Argon2Vector vector : Argon2Vector.values()) {
            argon2(vector, false);
        }
    }

    @Test
    void argon2ByLibCrypto() throws Exception {
        Assumptions.assumeTrue(LibCryptoKdf.missing() == null, LibCryptoKdf.missing());
        for (Argon2Vector vector : Argon2Vector.values()) {
            argon2(vector, true);
        }
    }

    private void argon2(Argon2Vector vector, boolean byLibCrypto) throws Exception {
        try (Secret password = secret("password".getBytes(StandardCharsets.US_ASCII));
                Secret salt = secret(vector.argon2.salt());
                Secret key = Secret.ofZeros(memory, 32)) {
            if (byLibCrypto) {
                vector.argon2.byLibCrypto("test", password, salt.address(), key, memory);
            } else {
                vector.argon2.byLibArgon2("test", password, salt.address(), key);
            }
            assertEquals(vector.expected, HEX.formatHex(bytes(key)), vector.toString());
        }
    }

    /** Keys of stripes by a formula, merged by a dozen lines of Python after the specification. */
    @Test
    void antiForensicMerge() {
        merge(HashSpec.SHA1, "00d3f052a13861e3f9226bc2762095fbe9af10bf086591f78ce2fcdc23ea949d");
        merge(
                HashSpec.SHA1,
                "e9b9af8bcf616c2bfd40c858a4aa467fe4750790b94c16ea45c9b1043845f1ce"
                        + "82b52e3edc0d4803cff0c3f266ce08b976a4997c9f7019b7108119a7acf5fe51");
        merge(HashSpec.SHA256, "733c2c581af73294541efa67cbe0d006e15089319fea8001ecf98762f50dcd37");
        merge(
                HashSpec.SHA256,
                "6e42b6d68d2a0483d092e94831e208d26e8f02a40b0bf2afbbcd51c92c2063a9"
                        + "70e7e0377287621a1c7251cded70d9ec31fd6977f4a08ee181f9de20679c05fa");
        merge(HashSpec.SHA384, "07877667da4921f629ea93730046df95298bc597d452a071cff316167525bde5");
        merge(
                HashSpec.SHA512,
                "e929f4a179b60f28c358787a3bd37e667fa3ac4e459e112846a762cd826ef76f"
                        + "0bfbbceb112c1ca57c96358cf56da7c1e5aabcc8ae40406d9e1181b3539392e5");
    }

    private void merge(HashSpec hash, String expected) {
        int keyBytes = expected.length() / 2;
        byte[] material = new byte[keyBytes * AntiForensic.STRIPES];
        for (int i = 0; i < material.length; i++) {
            material[i] = (byte) (i * 2654435761L >> 13);
        }
        try (Secret stripes = secret(material);
                Secret key = Secret.ofZeros(memory, keyBytes)) {
            AntiForensic.merge(stripes.address(), key, hash, memory);
            assertEquals(expected, HEX.formatHex(bytes(key)), hash.toString());
        }
    }

    @Test
    void whatWasSplitIsMerged() {
        for (HashSpec hash : HashSpec.values()) {
            try (Secret key = Secret.random(memory, 64);
                    Secret stripes = Secret.ofZeros(memory, 64 * AntiForensic.STRIPES);
                    Secret merged = Secret.ofZeros(memory, 64)) {
                AntiForensic.split(key, stripes.address(), hash, memory);
                AntiForensic.merge(stripes.address(), merged, hash, memory);
                assertEquals(HEX.formatHex(bytes(key)), HEX.formatHex(bytes(merged)), hash.toString());
            }
        }
    }

    private Secret secret(byte[] bytes) {
        Secret secret = Secret.ofZeros(memory, bytes.length);
        secret.memory().bytes(0, bytes.length).put(bytes);
        return secret;
    }

    private static byte[] bytes(Secret secret) {
        byte[] bytes = new byte[secret.bytes()];
        NativeBuffer buffer = secret.memory();
        buffer.bytes(0, bytes.length).get(bytes);
        return bytes;
    }
}
