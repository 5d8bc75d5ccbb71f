package org.blktap.shell.client;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.settings.Directories;
import org.blktap.shell.launch.LaunchOptions;

/**
 * Pages of {@code --help}, and what is wrong with a command's usage, without a daemon: the client loads the verbs'
 * classes themselves from the installation.
 */
final class Offline {
    /** {@code Verbs.NEEDS_DAEMON}. */
    static final int NEEDS_DAEMON = -1;

    private Offline() {}

    /** The exit status, or {@link #NEEDS_DAEMON} if nothing was done. */
    static int run(List<String> arguments) {
        Directories installed = LaunchOptions.directories();
        try (URLClassLoader loader = new URLClassLoader(
                jars(installed.home().resolve("bundle"), installed.home().resolve("lib"), installed.deploy()),
                ClassLoader.getPlatformClassLoader())) {
            boolean tapCtl = !arguments.isEmpty() && arguments.get(0).equals("tap-ctl");
            PrintWriter out = RawUtf8.writer(System.out, true);
            PrintWriter err = RawUtf8.writer(System.err, true);
            if (tapCtl) {
                return (int) loader.loadClass("org.blktap.shell.tapctl.TapCtl")
                        .getMethod("offline", List.class, PrintWriter.class, PrintWriter.class)
                        .invoke(null, arguments.subList(1, arguments.size()), out, err);
            }
            return (int) loader.loadClass("org.blktap.shell.command.Verbs")
                    .getMethod("offline", List.class, Path.class, PrintWriter.class, PrintWriter.class)
                    .invoke(null, arguments, RawArguments.directory(), out, err);
        } catch (IOException | ReflectiveOperationException e) {
            Throwable cause = e instanceof InvocationTargetException ? e.getCause() : e;
            System.err.println("blktap: no help without a daemon: " + cause);
            return NEEDS_DAEMON;
        }
    }

    private static URL[] jars(Path... folders) throws MalformedURLException {
        List<URL> urls = new ArrayList<>();
        for (Path folder : folders) {
            File[] files = folder.toFile().listFiles((directory, name) -> name.endsWith(".jar"));
            for (File file : files == null ? new File[0] : files) {
                urls.add(file.toURI().toURL());
            }
        }
        return urls.toArray(URL[]::new);
    }
}
