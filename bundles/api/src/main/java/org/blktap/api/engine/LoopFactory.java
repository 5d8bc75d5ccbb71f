package org.blktap.api.engine;

import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/** The service that starts loops. */
@ProviderType
public interface LoopFactory {
    /** A new loop with a running daemon thread of that name. */
    IoLoop start(String name);

    /** The loops that run, for those who watch them: {@link IoLoop#busySince}. Any thread. */
    default List<IoLoop> loops() {
        return List.of();
    }
}
