package org.blktap.shell.pages;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.blktap.api.disk.DiskException;
import org.blktap.shell.command.Verbs;
import org.blktap.shell.verbs.ClassCatalog;
import org.blktap.shell.verbs.InstalledVerbs;

/**
 * Writes the files of the distribution that list verbs. Run by the build, with the jars of the distribution on the
 * class path.
 */
public final class Pages {
    private Pages() {}

    /**
     * Writes {@code libexec/verbs.sh} and {@code share/man/man8/blktap.8}.
     *
     * @param arguments the directory, and the version
     */
    public static void main(String[] arguments) throws IOException, DiskException {
        Path directory = Path.of(arguments[0]);
        ClassCatalog catalog = InstalledVerbs.of(Pages.class.getClassLoader());
        if (catalog.all().isEmpty()) {
            throw new IOException("no jar of the class path declares a verb");
        }
        write(directory.resolve("libexec/verbs.sh"), VerbIndex.of(catalog));
        write(directory.resolve("share/man/man8/blktap.8"), ManualPage.of(new Verbs(catalog), arguments[1]));
    }

    private static void write(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }
}
