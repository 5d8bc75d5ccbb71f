package org.blktap.shell.client;

import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CharsetEncoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import org.blktap.api.disk.FileNames;

/**
 * UTF-8 for output: writes the bytes of file names that are not UTF-8 as they are, where {@link FileNames} has made
 * lone surrogates of them.
 */
public final class RawUtf8 extends Charset {
    public static final Charset OUTPUT = new RawUtf8();
    private static final char FIRST = '\udc80';
    private static final char LAST = '\udcff';
    private static final float MOST_BYTES = 3;

    private RawUtf8() {
        super("X-blktap-names", null);
    }

    /** Text for a stream. */
    public static PrintWriter writer(OutputStream out, boolean flushing) {
        return new PrintWriter(new OutputStreamWriter(out, OUTPUT), flushing);
    }

    @Override
    public boolean contains(Charset other) {
        return StandardCharsets.UTF_8.contains(other);
    }

    @Override
    public CharsetDecoder newDecoder() {
        throw new UnsupportedOperationException("for output only");
    }

    @Override
    public CharsetEncoder newEncoder() {
        CharsetEncoder usual = StandardCharsets.UTF_8.newEncoder();
        return new CharsetEncoder(this, 1, MOST_BYTES, new byte[] {'?'}) {
            @Override
            public boolean isLegalReplacement(byte[] replacement) {
                return true;
            }

            @Override
            protected CoderResult encodeLoop(CharBuffer in, ByteBuffer out) {
                while (true) {
                    CoderResult result = usual.encode(in, out, false);
                    if (!result.isMalformed() || in.get(in.position()) < FIRST || in.get(in.position()) > LAST) {
                        return result;
                    }
                    if (!out.hasRemaining()) {
                        return CoderResult.OVERFLOW;
                    }
                    out.put((byte) in.get());
                }
            }
        };
    }
}
