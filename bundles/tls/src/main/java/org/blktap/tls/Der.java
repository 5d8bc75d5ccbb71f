package org.blktap.tls;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;

/**
 * Converts private keys of older forms to PKCS#8 (RFC 5208), the only form that {@link java.security.KeyFactory}
 * accepts. It adds a header, and does not interpret the key itself.
 */
final class Der {
    private static final int SEQUENCE = 0x30;
    private static final int INTEGER = 0x02;
    private static final int OCTET_STRING = 0x04;
    /** {@code parameters [0]} of ECPrivateKey (RFC 5915). */
    private static final int PARAMETERS = 0xa0;
    /** Version 0. */
    private static final byte[] VERSION = {INTEGER, 1, 0};
    /** AlgorithmIdentifier of rsaEncryption (RFC 8017): 1.2.840.113549.1.1.1, NULL. */
    private static final byte[] RSA = {
        SEQUENCE, 13, 6, 9, 0x2a, (byte) 0x86, 0x48, (byte) 0x86, (byte) 0xf7, 0x0d, 1, 1, 1, 5, 0
    };
    /** The identifier id-ecPublicKey (RFC 5480): 1.2.840.10045.2.1. */
    private static final byte[] EC = {6, 7, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 2, 1};

    private Der() {}

    /** @param key RSAPrivateKey of PKCS#1 */
    static byte[] pkcs8OfRsa(byte[] key) {
        return element(SEQUENCE, VERSION, RSA, element(OCTET_STRING, key));
    }

    /**
     * Returns the key as PKCS#8, or null if it does not name its curve.
     *
     * @param key ECPrivateKey of SEC 1
     */
    static byte[] pkcs8OfCurve(byte[] key) {
        try {
            ByteBuffer fields = contents(ByteBuffer.wrap(key), SEQUENCE);
            contents(fields, INTEGER);
            contents(fields, OCTET_STRING);
            ByteBuffer curve = contents(fields, PARAMETERS);
            byte[] name = new byte[curve.remaining()];
            curve.get(name);
            return element(SEQUENCE, VERSION, element(SEQUENCE, EC, name), element(OCTET_STRING, key));
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            return null;
        }
    }

    /** Takes the next element, which must have a tag, and returns its contents. */
    private static ByteBuffer contents(ByteBuffer from, int tag) {
        if (Byte.toUnsignedInt(from.get()) != tag) {
            throw new IllegalArgumentException("another element");
        }
        int length = Byte.toUnsignedInt(from.get());
        if (length >= 0x80) {
            int bytes = length & 0x7f;
            if (bytes > 3) {
                throw new IllegalArgumentException("too long");
            }
            length = 0;
            for (int i = 0; i < bytes; i++) {
                length = length << 8 | Byte.toUnsignedInt(from.get());
            }
        }
        if (length > from.remaining()) {
            throw new IllegalArgumentException("too long");
        }
        ByteBuffer found = from.slice(from.position(), length);
        from.position(from.position() + length);
        return found;
    }

    private static byte[] element(int tag, byte[]... parts) {
        int length = 0;
        for (byte[] part : parts) {
            length += part.length;
        }
        ByteBuffer made = ByteBuffer.allocate(length + 5).put((byte) tag);
        if (length < 0x80) {
            made.put((byte) length);
        } else if (length < 0x100) {
            made.put((byte) 0x81).put((byte) length);
        } else if (length < 0x10000) {
            made.put((byte) 0x82).putShort((short) length);
        } else {
            made.put((byte) 0x83).put((byte) (length >> 16)).putShort((short) length);
        }
        for (byte[] part : parts) {
            made.put(part);
        }
        return java.util.Arrays.copyOf(made.array(), made.position());
    }
}
