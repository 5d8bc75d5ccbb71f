package org.blktap.image.sim;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The sectors of an image that are not zero, one after the other: headers, tables and descriptors in a few KiB without
 * the space between, so that a fuzzer changes only bytes that have a meaning.
 */
final class SparseSectors {
    private static final int SECTOR = 512;
    /** Most sectors of a file: the format's structures are in the first ones, data follows. */
    private static final int MOST_OF_A_FILE = 24;

    private final Map<Path, byte[]> files = new HashMap<>();
    private final List<Place> places = new ArrayList<>();

    private record Place(Path file, int offset) {}

    SparseSectors(SimContext context, List<Path> paths) {
        for (Path path : paths) {
            byte[] bytes = context.files.get(path).bytes();
            files.put(path, bytes);
            int found = 0;
            for (int offset = 0; offset < bytes.length && found < MOST_OF_A_FILE; offset += SECTOR) {
                int end = Math.min(offset + SECTOR, bytes.length);
                if (!Arrays.equals(bytes, offset, end, new byte[SECTOR], 0, end - offset)) {
                    places.add(new Place(path, offset));
                    found++;
                }
            }
        }
    }

    /** Copies the sectors to {@code to}, from {@code at}. */
    byte[] into(byte[] to, int at) {
        byte[] all = Arrays.copyOf(to, at + places.size() * SECTOR);
        for (Place place : places) {
            byte[] bytes = files.get(place.file);
            System.arraycopy(bytes, place.offset, all, at, Math.min(SECTOR, bytes.length - place.offset));
            at += SECTOR;
        }
        return all;
    }

    /**
     * Returns the files with these sectors replaced by the bytes of {@code from} from {@code at} on; sectors beyond the
     * end of {@code from} stay.
     */
    Map<Path, byte[]> replaced(byte[] from, int at) {
        Map<Path, byte[]> changed = new HashMap<>();
        files.forEach((path, bytes) -> changed.put(path, bytes.clone()));
        for (Place place : places) {
            byte[] bytes = changed.get(place.file);
            int length = Math.min(Math.min(SECTOR, bytes.length - place.offset), from.length - at);
            if (length > 0) {
                System.arraycopy(from, at, bytes, place.offset, length);
            }
            at += SECTOR;
        }
        return changed;
    }
}
