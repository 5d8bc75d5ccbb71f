package org.blktap.jobs;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.control.JobRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;

/**
 * Turns the arguments of a request into the values that a job records, and refuses arguments that its kind does not
 * know. One thread.
 */
public final class Arguments {
    private static final String YES = "yes";

    private final JobRequest request;
    private final Options given;
    private final Map<String, String> values = new LinkedHashMap<>();

    public Arguments(JobRequest request) {
        this.request = request;
        given = new Options(request.arguments());
    }

    /** Records an image that must be given. */
    public Arguments image(String argument, String key) throws DiskException {
        if (given.text(argument, null) == null) {
            throw new DiskException(Reason.BAD_OPTION, request.kind() + ": " + argument + " is missing");
        }
        return imageIfGiven(argument, key);
    }

    /** Records an image that may be given. */
    public Arguments imageIfGiven(String argument, String key) throws DiskException {
        String text = given.text(argument, null);
        if (text != null) {
            values.put(key, TapSpec.parse(text).toString());
        }
        return this;
    }

    public Arguments text(String argument, String key) {
        String text = given.text(argument, null);
        if (text != null) {
            values.put(key, text);
        }
        return this;
    }

    public Arguments flag(String argument, String key) throws DiskException {
        if (given.flag(argument, false)) {
            values.put(key, YES);
        }
        return this;
    }

    /** Whether an argument was given. */
    public boolean has(String argument) {
        return given.text(argument, null) != null;
    }

    /**
     * Records the options of new images; a key is null if the kind makes no image, or opens none for the attachment.
     */
    public Arguments options(String creation, String target) throws DiskException {
        put(creation, request.options());
        put(target, request.targetOptions());
        return this;
    }

    private void put(String prefix, Map<String, String> options) throws DiskException {
        if (prefix == null && !options.isEmpty()) {
            throw new DiskException(
                    Reason.BAD_OPTION, request.kind() + ": takes no options of this sort: " + options.keySet());
        }
        options.forEach((key, value) -> values.put(prefix + key, value));
    }

    /** @throws DiskException BAD_OPTION if an argument was given that was not read */
    public Map<String, String> values() throws DiskException {
        given.checkAllKnown(request.kind());
        return values;
    }
}
