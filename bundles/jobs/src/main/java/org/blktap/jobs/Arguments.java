package org.blktap.jobs;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.control.JobRequest;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;

/** Makes what a job keeps of what was asked for; refuses what its kind does not know. One thread. */
public final class Arguments {
    private static final String YES = "yes";

    private final JobRequest request;
    private final Options given;
    private final Map<String, String> values = new LinkedHashMap<>();

    public Arguments(JobRequest request) {
        this.request = request;
        given = new Options(request.arguments());
    }

    /** Keeps an image that must be named. */
    public Arguments image(String argument, String key) throws DiskException {
        if (given.text(argument, null) == null) {
            throw new DiskException(Reason.BAD_OPTION, request.kind() + ": " + argument + " is missing");
        }
        return imageIfGiven(argument, key);
    }

    /** Keeps an image that may be named. */
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

    /** Keeps the options of new images; null where the kind makes none, or does not open one for the attachment. */
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

    /** @throws DiskException BAD_OPTION if something was given that nobody has asked for */
    public Map<String, String> values() throws DiskException {
        given.checkAllKnown(request.kind());
        return values;
    }
}
