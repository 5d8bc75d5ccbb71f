package org.blktap.image;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The images of one driver that are open as parents, with their children. An image that is opened for writing while it
 * is a parent is the target of a commit: the locks of images allow nobody else to write to it. Any thread.
 */
public final class OpenParents {
    private final Map<Path, List<Path>> children = new HashMap<>();

    private static Path identity(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            return path.toAbsolutePath().normalize();
        }
    }

    /** Adds a parent and its child. Returns what removes both. */
    public synchronized Runnable add(Path parent, Path child) {
        Path key = identity(parent);
        Path value = identity(child);
        children.computeIfAbsent(key, path -> new ArrayList<>()).add(value);
        return () -> remove(key, value);
    }

    private synchronized void remove(Path parent, Path child) {
        List<Path> left = children.get(parent);
        left.remove(child);
        if (left.isEmpty()) {
            children.remove(parent);
        }
    }

    /** Returns the only child of a parent; null if there is none, or more than one. */
    public synchronized Path childOf(Path parent) {
        List<Path> all = children.getOrDefault(identity(parent), List.of());
        return all.stream().distinct().count() == 1 ? all.get(0) : null;
    }
}
