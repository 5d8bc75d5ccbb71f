package org.blktap.api.command;

import org.blktap.api.control.Images;
import org.osgi.annotation.versioning.ProviderType;

/**
 * Shows the progress of long work on {@link Call#err}: one line that is rewritten at a terminal, and nothing elsewhere.
 * Asks for the work to be given up when the caller has interrupted the call or has disconnected. Closing it ends the
 * line.
 */
@ProviderType
public interface Progress extends Images.Progress, AutoCloseable {
    @Override
    void close();
}
