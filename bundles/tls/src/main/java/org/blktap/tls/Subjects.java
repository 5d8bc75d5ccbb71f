package org.blktap.tls;

import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import javax.security.auth.x500.X500Principal;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.LimitedLog;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.PercentCoding;

/**
 * The subjects of certificates that are accepted: distinguished names of RFC 2253, compared as a whole by the rules of
 * X.500 (ignoring case and spaces at the ends). They come from an option or from a file, which is read again when it
 * has changed.
 */
public final class Subjects {
    /** All subjects whose certificates the authority has signed. */
    public static final Subjects ANY = new Subjects(null, null);

    private static final int MAX_FILE_BYTES = 1 << 20;
    /** Interval of log lines about a file that cannot be used. */
    private static final long LINE_MILLIS = 10_000;

    private final Path file;
    private final LimitedLog log = new LimitedLog(System.getLogger("org.blktap.tls"), "", 1, LINE_MILLIS);
    private volatile Set<String> allowed;
    /** State of the file when it was read; helper threads, guarded by this object. */
    private Map<String, Object> stamp;

    private Subjects(Path file, Set<String> allowed) {
        this.file = file;
        this.allowed = allowed;
    }

    /**
     * Parses an option: names separated by semicolons and percent-coded, since a comma ends an option; or the absolute
     * path of a file with a name on each line.
     *
     * @param text null for any subject
     * @throws DiskException BAD_OPTION, NOT_FOUND, IO
     */
    public static Subjects of(String text) throws DiskException {
        if (text == null) {
            return ANY;
        }
        if (text.startsWith("/")) {
            try {
                Subjects subjects = new Subjects(FileNames.path(text), Set.of());
                subjects.stamp = subjects.stampNow();
                subjects.allowed = subjects.read();
                return subjects;
            } catch (InvalidPathException e) {
                throw Options.bad("subjects", text, "a path");
            }
        }
        Set<String> names = new HashSet<>();
        for (String each : text.split(";")) {
            names.add(name(principal(PercentCoding.decode(each), "subjects")));
        }
        return new Subjects(null, names);
    }

    /**
     * Returns a name for comparison. This is not the canonical form by which principals compare: the compatibility
     * decomposition of Unicode there makes several names equal, and can turn a letter into a separator.
     */
    private static String name(X500Principal subject) {
        return subject.getName(X500Principal.RFC2253).toLowerCase(Locale.ROOT);
    }

    public boolean allow(X500Principal subject) {
        return allowed == null || subject != null && allowed.contains(name(subject));
    }

    /** Reads the file again if it has changed; one that cannot be used changes nothing. Blocking; any thread. */
    public synchronized void refresh() {
        if (file == null) {
            return;
        }
        try {
            Map<String, Object> now = stampNow();
            if (!now.equals(stamp)) {
                stamp = now;
                allowed = read();
            }
        } catch (DiskException e) {
            log.log(Level.WARNING, "the subjects from before stay in use: " + e.getMessage());
        }
    }

    private Map<String, Object> stampNow() throws DiskException {
        try {
            return Files.readAttributes(file, "unix:ino,size,lastModifiedTime,ctime");
        } catch (IOException e) {
            throw DiskException.io(file, "read", e);
        }
    }

    private Set<String> read() throws DiskException {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MAX_FILE_BYTES + 1);
        } catch (IOException e) {
            throw DiskException.io(file, "read", e);
        }
        if (bytes.length > MAX_FILE_BYTES) {
            throw new DiskException(Reason.BAD_OPTION, file + ": more than " + MAX_FILE_BYTES + " bytes");
        }
        Set<String> names = new HashSet<>();
        List<String> lines = new String(bytes, StandardCharsets.UTF_8)
                .lines()
                .map(String::strip)
                .toList();
        for (int i = 0; i < lines.size(); i++) {
            if (!lines.get(i).isEmpty() && !lines.get(i).startsWith("#")) {
                names.add(name(principal(lines.get(i), file + ", line " + (i + 1))));
            }
        }
        return names;
    }

    private static X500Principal principal(String text, String where) throws DiskException {
        try {
            if (!text.isBlank()) {
                return new X500Principal(text);
            }
        } catch (IllegalArgumentException e) {
            // reported below
        }
        throw new DiskException(
                Reason.BAD_OPTION,
                where + ": '" + text
                        + "' is not the subject of a certificate; expected one such as CN=backup,O=Example");
    }
}
