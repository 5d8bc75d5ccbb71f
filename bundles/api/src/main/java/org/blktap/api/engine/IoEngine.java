package org.blktap.api.engine;

import java.io.IOException;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A way to do file I/O asynchronously: libaio, io_uring, helper threads. A service with the property
 * {@code engine.name} ({@link EngineName}); of several, the one of highest service ranking is the default.
 */
@ConsumerType
public interface IoEngine {
    /**
     * A queue of this engine on a loop. Called on the loop; the queue adds itself to its turn.
     *
     * @throws IOException if the kernel refuses (limits); the message says what to do
     */
    IoQueue open(IoLoop loop) throws IOException;
}
