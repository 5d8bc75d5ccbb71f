package org.blktap.shell.command;

import org.blktap.api.control.Images.Conversion;

/** What the verbs that copy images share: a bar on a terminal that shows how far they are. */
abstract class Converting extends TapCommand {
    Converting(Surroundings here) {
        super(here);
    }

    final void convert(Conversion conversion) throws Exception {
        try (ProgressBar bar = new ProgressBar(spec.commandLine().getErr(), here.terminal())) {
            here.images().convert(conversion, bar);
        }
    }
}
