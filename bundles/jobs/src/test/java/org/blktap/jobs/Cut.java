package org.blktap.jobs;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/**
 * The files of a host as a kill of its daemon, or a power loss, leaves them at one step.
 *
 * @param files by path below the home; null for a directory
 * @param possible what the guest may find in each sector
 */
record Cut(String step, boolean power, Map<Path, FileState> files, int[][] possible) {
    /** Where a file of bits has the boot id, and one of a point in time. */
    private static final int BITS_BOOT = 32;

    private static final int POINT_BOOT = 70;

    /** @param file a name that keeps the file, by whose number a job knows it */
    record FileState(Path file, byte[] bytes, Map<String, byte[]> attributes) {}

    /** Takes one; the files of images do not change meanwhile. */
    static Cut take(String step, boolean power, Path home, SteppedFiles files, Guest guest, Random random)
            throws IOException {
        Map<Path, FileState> found = new LinkedHashMap<>();
        List<Path> all;
        try (Stream<Path> walk = Files.walk(home)) {
            all = walk.sorted().toList();
        }
        for (Path each : all) {
            Path name = home.relativize(each);
            if (Files.isDirectory(each, LinkOption.NOFOLLOW_LINKS)) {
                found.put(name, null);
                continue;
            }
            try {
                byte[] bytes = power ? afterPowerLoss(each, files, random) : Files.readAllBytes(each);
                found.put(name, new FileState(kept(home, each), bytes, attributes(each)));
            } catch (NoSuchFileException e) {
                // the job's thread has removed it
            }
        }
        return new Cut(step, power, found, power ? guest.afterPowerLoss() : guest.afterKill());
    }

    private static Path kept(Path home, Path file) throws IOException {
        Path directory = Files.createDirectories(home.resolveSibling("kept"));
        Path kept = directory.resolve(Files.getAttribute(file, "unix:ino").toString());
        if (!Files.exists(kept)) {
            Files.createLink(kept, file);
        }
        return kept;
    }

    private static byte[] afterPowerLoss(Path file, SteppedFiles files, Random random) throws IOException {
        byte[] known = files.afterPowerLoss(file, random);
        if (known != null) {
            return known;
        }
        byte[] bytes = Files.readAllBytes(file);
        // mapped files are of another boot; what else they lack does not count then
        int boot = file.toString().endsWith(".bits") || file.toString().contains("/bitmaps/")
                ? BITS_BOOT
                : file.toString().endsWith(".point") ? POINT_BOOT : bytes.length;
        // one that is being made has none yet
        if (boot < bytes.length) {
            bytes[boot] ^= 1;
        }
        return bytes;
    }

    private static UserDefinedFileAttributeView view(Path file) {
        return Files.getFileAttributeView(file, UserDefinedFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
    }

    private static Map<String, byte[]> attributes(Path file) throws IOException {
        Map<String, byte[]> found = new LinkedHashMap<>();
        UserDefinedFileAttributeView view = view(file);
        for (String each : view.list()) {
            ByteBuffer value = ByteBuffer.allocate(view.size(each));
            view.read(each, value);
            found.put(each, value.array());
        }
        return found;
    }

    /** Has a host's files be as they were. */
    void restore(Path home) throws IOException {
        try (Stream<Path> walk = Files.walk(home)) {
            for (Path each : walk.sorted(Comparator.reverseOrder()).toList()) {
                if (!each.equals(home)) {
                    Files.delete(each);
                }
            }
        }
        for (Map.Entry<Path, FileState> each : files.entrySet()) {
            Path file = home.resolve(each.getKey());
            if (each.getValue() == null) {
                Files.createDirectories(file);
                continue;
            }
            Files.createLink(file, each.getValue().file());
            Files.write(file, each.getValue().bytes());
            for (Map.Entry<String, byte[]> attribute :
                    each.getValue().attributes().entrySet()) {
                view(file).write(attribute.getKey(), ByteBuffer.wrap(attribute.getValue()));
            }
        }
    }

    @Override
    public String toString() {
        return (power ? "power loss after " : "kill after ") + step;
    }
}
