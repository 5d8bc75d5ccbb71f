package org.blktap.shell.launch;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The native halves of JNA and zstd-jni, which the distribution holds unpacked: their Java halves would otherwise
 * unpack them into a temporary directory, from which nothing can be run on a hardened machine.
 */
public final class NativeLibraries {
    private NativeLibraries() {}

    /**
     * Makes both load the libraries below {@code lib/native}; where there are none for this processor, they unpack
     * their own.
     */
    public static void use(Path home) {
        Path folder = home.toAbsolutePath().resolve("lib/native");
        String processor = LaunchOptions.property("os.arch");
        Path jna = folder.resolve("com/sun/jna/linux-" + (processor.equals("amd64") ? "x86-64" : processor));
        if (Files.exists(jna.resolve("libjnidispatch.so")) && LaunchOptions.property("jna.boot.library.path") == null) {
            System.setProperty("jna.boot.library.path", jna.toString());
        }
        try (DirectoryStream<Path> zstd =
                Files.newDirectoryStream(folder.resolve("linux").resolve(processor), "libzstd-jni-*.so")) {
            zstd.forEach(each -> System.setProperty("ZstdNativePath", each.toString()));
        } catch (IOException e) {
            System.getLogger("org.blktap.shell")
                    .log(System.Logger.Level.DEBUG, "no zstd of the distribution's own: " + e);
        }
    }
}
