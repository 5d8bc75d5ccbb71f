package org.blktap.http;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.EnumSet;
import java.util.Set;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.linux.WholeFile;

/** The secret that gives access to the API, in a file of mode 0600. Immutable. */
final class Token {
    /** 256 bits, as text without padding. */
    private static final int RANDOM_BYTES = 32;

    private static final int SHORTEST = 32;
    private static final int LONGEST = 1024;
    private static final Set<PosixFilePermission> OWNER_ONLY =
            EnumSet.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);

    private final byte[] digest;

    Token(String secret) {
        digest = digest(secret);
    }

    /**
     * Reads a token, or makes one if the file is not there.
     *
     * @throws DiskException PERMISSION if others may read the file; BAD_OPTION if it holds no token; IO
     */
    static Token at(Path file) throws DiskException {
        try {
            Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
            if (!OWNER_ONLY.containsAll(permissions)) {
                throw new DiskException(
                        Reason.PERMISSION,
                        file + ": others than its owner may use it, so that it is no secret; chmod 600 it");
            }
            return new Token(read(file));
        } catch (NoSuchFileException e) {
            return make(file);
        } catch (IOException e) {
            throw DiskException.io(file, "read", e);
        }
    }

    private static String read(Path file) throws IOException, DiskException {
        String text;
        try (InputStream in = Files.newInputStream(file)) {
            text = new String(in.readNBytes(LONGEST + 1), StandardCharsets.ISO_8859_1).strip();
        }
        if (!text.matches("[!-~]{" + SHORTEST + "," + LONGEST + "}")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    file + ": no token: expected " + SHORTEST + " to " + LONGEST
                            + " ASCII characters without spaces; delete the file to have one made");
        }
        return text;
    }

    private static Token make(Path file) throws DiskException {
        byte[] random = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(random);
        String secret = Base64.getUrlEncoder().withoutPadding().encodeToString(random);
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            WholeFile.write(file, (secret + "\n").getBytes(StandardCharsets.ISO_8859_1));
            return new Token(secret);
        } catch (IOException e) {
            throw DiskException.io(file, "write", e);
        }
    }

    /** Whether a text is this secret; the time does not depend on where they differ. */
    boolean is(String secret) {
        return MessageDigest.isEqual(digest, digest(secret));
    }

    private static byte[] digest(String secret) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(secret.getBytes(StandardCharsets.UTF_8));
        } catch (java.security.NoSuchAlgorithmException e) {
            // every JDK has it
            throw new IllegalStateException(e);
        }
    }
}
