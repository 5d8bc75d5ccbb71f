package org.blktap.jobs.mirror;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.disk.DiskException;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Base class of the verbs that copy a live disk to another image. */
abstract class CopyVerb extends MirrorVerb {
    @Parameters(index = "1", description = "tap:<type>:<path>")
    String target;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the target's creation.")
    Map<String, String> options = new LinkedHashMap<>();

    @Option(
            names = "--target-option",
            paramLabel = "KEY=VALUE",
            description = "An option that the target is opened with, and the attachment has afterwards.")
    Map<String, String> targetOptions = new LinkedHashMap<>();

    @Override
    final Map<String, String> arguments(Call call) throws DiskException {
        return Map.of(TARGET, call.spec(target).toString());
    }

    @Override
    final Map<String, String> creation() {
        return options;
    }

    @Override
    final Map<String, String> opening() {
        return targetOptions;
    }
}
