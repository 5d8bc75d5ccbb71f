package org.blktap.shell.command;

import org.blktap.api.control.Images.Conversion;

/** What the verbs that copy images share: a bar on a terminal that shows how far they are. */
abstract class Converting extends TapCommand {
    final void convert(Conversion conversion) throws Exception {
        try (ProgressBar bar = new ProgressBar(call)) {
            here.images().convert(conversion, bar);
        }
    }
}
