package org.blktap.shell.command;

import org.blktap.api.command.Progress;
import org.blktap.api.control.Images.Conversion;

/** Base class of the verbs that copy images: shows a progress bar on a terminal. */
abstract class Converting extends TapCommand {
    final void convert(Conversion conversion) throws Exception {
        try (Progress bar = call.progress()) {
            here.images().convert(conversion, bar);
        }
    }
}
