package org.blktap.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenTest {
    @TempDir
    Path directory;

    @Test
    void oneIsMadeForItsOwnerAloneAndReadAgain() throws Exception {
        Path file = directory.resolve("new/token");
        Token made = Token.at(file);
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        String secret = Files.readString(file).strip();
        assertEquals(43, secret.length());
        assertTrue(made.is(secret));
        assertTrue(Token.at(file).is(secret));
        assertFalse(made.is(secret.substring(1)));
        assertFalse(made.is(""));
        assertFalse(made.is("é" + secret));
        Files.delete(file);
        assertFalse(Token.at(file).is(secret), "another one");
    }

    @Test
    void aFileThatOthersMayReadIsRefused() throws Exception {
        Path file = directory.resolve("token");
        Token.at(file);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
        assertEquals(
                Reason.PERMISSION,
                assertThrows(DiskException.class, () -> Token.at(file)).reason());
    }

    @Test
    void aFileWithoutATokenIsRefused() throws Exception {
        Path file = directory.resolve("token");
        Token.at(file);
        for (String text :
                new String[] {"", "short", "x".repeat(2000), "a token with spaces that is long enough by far"}) {
            Files.writeString(file, text);
            assertEquals(
                    Reason.BAD_OPTION,
                    assertThrows(DiskException.class, () -> Token.at(file)).reason(),
                    text);
        }
    }
}
