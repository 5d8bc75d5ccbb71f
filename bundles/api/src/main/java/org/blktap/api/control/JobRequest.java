package org.blktap.api.control;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the start of a job asks for.
 *
 * @param kind the name of the verb that starts such a job
 * @param attachment the id of the attachment whose disk it works on
 * @param settings {@code speed} and {@code share}
 * @param arguments by the names of the verb's operands and options in lower case; {@code yes} for an option without a
 *     value
 * @param options with which a new image is created
 * @param targetOptions with which the target is opened, and which the attachment has afterwards
 */
public record JobRequest(
        String kind,
        String attachment,
        Map<String, String> settings,
        Map<String, String> arguments,
        Map<String, String> options,
        Map<String, String> targetOptions) {
    public JobRequest {
        settings = copy(settings);
        arguments = copy(arguments);
        options = copy(options);
        targetOptions = copy(targetOptions);
    }

    private static Map<String, String> copy(Map<String, String> values) {
        return Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }
}
