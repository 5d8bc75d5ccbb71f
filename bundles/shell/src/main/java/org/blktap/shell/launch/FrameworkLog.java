package org.blktap.shell.launch;

import java.lang.System.Logger.Level;
import org.apache.felix.framework.Logger;
import org.osgi.framework.Bundle;
import org.osgi.framework.ServiceReference;

/** The framework's messages as records of the daemon's log, a line each. */
final class FrameworkLog extends Logger {
    private static final System.Logger LOG = System.getLogger("org.apache.felix.framework");

    @Override
    @SuppressWarnings("rawtypes")
    protected void doLog(Bundle bundle, ServiceReference reference, int level, String message, Throwable cause) {
        Level how = switch (level) {
            case LOG_ERROR -> Level.ERROR;
            case LOG_WARNING -> Level.WARNING;
            case LOG_INFO -> Level.INFO;
            default -> Level.DEBUG;
        };
        LOG.log(
                how,
                ((bundle == null ? "" : bundle.getSymbolicName() + ": ")
                                + message
                                + (cause == null ? "" : ": " + cause))
                        .replaceAll("\\s*\\R\\s*", " "));
    }
}
