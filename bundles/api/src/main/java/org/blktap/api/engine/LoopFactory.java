package org.blktap.api.engine;

import org.osgi.annotation.versioning.ProviderType;

/** The service that starts loops. */
@ProviderType
public interface LoopFactory {
    /** A new loop with a running daemon thread of that name. */
    IoLoop start(String name);
}
