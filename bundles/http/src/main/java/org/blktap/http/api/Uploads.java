package org.blktap.http.api;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Jars that clients send, one at a time, in a directory that is emptied at the start. */
final class Uploads {
    /** The most bytes of a jar; those of the distribution have up to 8 MiB. */
    static final long JAR_BYTES = 64L << 20;

    private static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(5);
    private static final int CHUNK = 64 << 10;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._+-]{0,120}\\.jar");

    private final Path directory;
    private final Semaphore one = new Semaphore(1);

    Uploads(Path directory) throws IOException {
        this.directory = directory;
        Files.createDirectories(
                directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        try (Stream<Path> left = Files.list(directory)) {
            for (Path each : left.toList()) {
                Files.deleteIfExists(each);
            }
        }
    }

    /** A jar that exists until this is closed. */
    final class Upload implements AutoCloseable {
        private final Path file;

        private Upload(Path file) {
            this.file = file;
        }

        Path file() {
            return file;
        }

        @Override
        public void close() {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                System.getLogger("org.blktap.http").log(System.Logger.Level.WARNING, file + ": " + e);
            }
            one.release();
        }
    }

    /**
     * Takes the body of a request.
     *
     * @param name of the file; null is refused
     */
    Upload take(Ask ask, String name) throws ProblemException {
        if (name == null || !NAME.matcher(name).matches()) {
            throw new ProblemException(
                    400, "?name= must be the jar's file name: letters, digits and . _ + -, and .jar at its end");
        }
        String type = ask.contentType();
        if (!type.equals("application/java-archive") && !type.equals("application/octet-stream")) {
            throw new ProblemException(415, "the body must be application/java-archive");
        }
        if (ask.bodyLength() > JAR_BYTES) {
            throw tooLarge();
        }
        if (!one.tryAcquire()) {
            throw new ProblemException(409, "another jar is being deployed; try again");
        }
        Upload upload = new Upload(directory.resolve(name));
        boolean whole = false;
        try (InputStream in = ask.body();
                OutputStream out = Files.newOutputStream(upload.file())) {
            copy(in, out);
            whole = true;
            return upload;
        } catch (IOException e) {
            throw new ProblemException(400, "the jar cannot be taken: " + e.getMessage());
        } finally {
            if (!whole) {
                upload.close();
            }
        }
    }

    private static void copy(InputStream in, OutputStream out) throws IOException, ProblemException {
        byte[] chunk = new byte[CHUNK];
        long begin = System.nanoTime();
        long total = 0;
        for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
            total += read;
            if (total > JAR_BYTES) {
                throw tooLarge();
            }
            if (System.nanoTime() - begin > PATIENCE_NANOS) {
                throw new ProblemException(408, "the jar comes too slowly");
            }
            out.write(chunk, 0, read);
        }
    }

    private static ProblemException tooLarge() {
        return new ProblemException(413, "the jar is larger than " + JAR_BYTES + " bytes");
    }
}
