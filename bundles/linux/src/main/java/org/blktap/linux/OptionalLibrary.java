package org.blktap.linux;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** Registers the mappings of libraries that a machine may lack; if one is missing, returns why. */
final class OptionalLibrary {
    private static final long DEEP_STACK_BYTES = 16 << 20;

    private OptionalLibrary() {}

    /**
     * Registers the native methods of {@code mapping} with the first of these libraries that is here.
     *
     * @param name the library's soname
     * @param byPath further names that JNA does not recognise as shared libraries; they are searched for and loaded by
     *     their path
     * @return null, or why none could be used
     */
    static String load(Class<?> mapping, String name, String... byPath) {
        List<String> candidates = new ArrayList<>(List.of(name));
        for (String other : byPath) {
            for (Path directory : directories()) {
                if (Files.exists(directory.resolve(other))) {
                    candidates.add(directory.resolve(other).toString());
                }
            }
        }
        String why = "";
        for (String candidate : candidates) {
            try {
                Native.register(mapping, NativeLibrary.getInstance(candidate));
                return null;
            } catch (UnsatisfiedLinkError e) {
                why = e.getMessage().lines().findFirst().orElse(candidate);
            }
        }
        return why;
    }

    /**
     * Does what {@link #load} does, for a library whose initialisation needs more stack than our threads have, as
     * Ceph's table of options does.
     */
    static String loadOnDeepStack(Class<?> mapping, String name) {
        FutureTask<NativeLibrary> loaded = new FutureTask<>(() -> NativeLibrary.getInstance(name));
        new Thread(null, loaded, "blktap-load", DEEP_STACK_BYTES).start();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    loaded.get();
                    // finds it loaded
                    return load(mapping, name, new String[0]);
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    return String.valueOf(e.getCause().getMessage())
                            .lines()
                            .findFirst()
                            .orElse(name);
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Whether a library of this name is where libraries are, without loading it. */
    static boolean isFile(String name) {
        return directories().stream().anyMatch(directory -> Files.exists(directory.resolve(name)));
    }

    private static List<Path> directories() {
        List<Path> all = new ArrayList<>(List.of(Path.of("/usr/lib64"), Path.of("/usr/lib")));
        try (DirectoryStream<Path> ofArchitectures = Files.newDirectoryStream(Path.of("/usr/lib"), "*-linux-gnu*")) {
            ofArchitectures.forEach(all::add);
        } catch (IOException | DirectoryIteratorException e) {
            // no such directory: it has no libraries
        }
        return all;
    }
}
