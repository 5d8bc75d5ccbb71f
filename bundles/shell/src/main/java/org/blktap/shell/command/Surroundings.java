package org.blktap.shell.command;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.blktap.api.command.Screen;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.settings.Directories;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/**
 * The environment of a command.
 *
 * @param attachmentsNow the service at this moment, or null
 * @param imagesNow the service at this moment, or null
 * @param bundles null without a framework
 * @param directories of the daemon; null without a framework
 * @param directory the caller's working directory, from which relative paths are taken
 * @param terminal whether the caller's messages are read by a person at a terminal
 * @param screen the terminal that the caller's output is; null if it is a file or a pipe
 * @param attachedNow the specs of attachments by id; none if no daemon says
 */
public record Surroundings(
        Supplier<Attachments> attachmentsNow,
        Supplier<Images> imagesNow,
        BundleContext bundles,
        ServiceComponentRuntime components,
        Directories directories,
        Path directory,
        boolean terminal,
        Screen screen,
        Supplier<Map<String, String>> attachedNow) {

    /** In a daemon: its own attachments. */
    public Surroundings(
            Supplier<Attachments> attachmentsNow,
            Supplier<Images> imagesNow,
            BundleContext bundles,
            ServiceComponentRuntime components,
            Directories directories,
            Path directory,
            boolean terminal,
            Screen screen) {
        this(
                attachmentsNow,
                imagesNow,
                bundles,
                components,
                directories,
                directory,
                terminal,
                screen,
                () -> specs(attachmentsNow.get()));
    }

    /** The surroundings of a call without a framework. */
    public Surroundings(
            Supplier<Attachments> attachmentsNow, Supplier<Images> imagesNow, Path directory, boolean terminal) {
        this(attachmentsNow, imagesNow, null, null, null, directory, terminal, null);
    }

    private static Map<String, String> specs(Attachments attachments) {
        Map<String, String> all = new LinkedHashMap<>();
        if (attachments != null) {
            attachments.list().forEach(each -> all.put(each.id(), each.spec()));
        }
        return all;
    }

    /** @throws DiskException if the core is not there */
    public Attachments attachments() throws DiskException {
        return present(attachmentsNow.get());
    }

    /** @throws DiskException if the core is not there */
    public Images images() throws DiskException {
        return present(imagesNow.get());
    }

    private static <T> T present(T service) throws DiskException {
        if (service == null) {
            throw new DiskException(Reason.NOT_FOUND, "the core is not active; blktap diag shows why");
        }
        return service;
    }

    /**
     * A spec whose path, if it looks like one of a file, is made absolute: it has a slash and no scheme, begins with a
     * dot, or is the name of a file in the caller's directory. {@code tap:ram:} and its like stay as they are.
     */
    public TapSpec spec(String text) throws DiskException {
        TapSpec spec = TapSpec.parse(text);
        if (spec.isRemote()) {
            return spec;
        }
        String path = spec.path();
        // what follows a comma are options, of a path that is a name
        int slash = path.replaceFirst(",.*", "").indexOf('/');
        boolean file = path.startsWith(".")
                || slash > 0 && !path.contains("://")
                || Files.exists(directory.resolve(FileNames.path(path)));
        return file ? absolute(spec) : spec;
    }

    /** The attachment that has this very file as its image, or null. */
    String attachedAs(TapSpec image) {
        for (Map.Entry<String, String> each : attachedNow.get().entrySet()) {
            try {
                String path = TapSpec.parse(each.getValue()).path();
                if (path.equals(image.path()) || Files.isSameFile(FileNames.path(path), FileNames.path(image.path()))) {
                    return each.getKey();
                }
            } catch (DiskException | IOException | InvalidPathException e) {
                // no file, or one that this process does not see
                continue;
            }
        }
        return null;
    }

    /** A spec of a file that is yet to be made. */
    TapSpec newFile(String text) throws DiskException {
        TapSpec spec = TapSpec.parse(text);
        return spec.isRemote() || spec.path().contains("://") ? spec : absolute(spec);
    }

    /** A spec of something to read: an NBD URI is one too. */
    TapSpec source(String text) throws DiskException {
        return isNbdUri(text) ? new TapSpec("nbd", text) : spec(text);
    }

    static boolean isNbdUri(String text) {
        return text.startsWith("nbd") && text.contains("://");
    }

    /** A tap spec, or the path of a file of the given type. */
    TapSpec imageOr(String type, String text) throws DiskException {
        return text.startsWith("tap:") ? spec(text) : newFile("tap:" + type + ":" + text);
    }

    private TapSpec absolute(TapSpec spec) {
        return spec.path().startsWith("/")
                ? spec
                : new TapSpec(
                        spec.type(),
                        FileNames.text(
                                directory.resolve(FileNames.path(spec.path())).normalize()));
    }
}
