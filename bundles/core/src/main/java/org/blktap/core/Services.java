package org.blktap.core;

import java.nio.file.Path;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.engine.IoEngine;
import org.blktap.api.engine.LoopFactory;
import org.blktap.api.memory.NativeMemory;
import org.blktap.api.node.NodeProvider;

/** What attachments and offline work on images need of their surroundings. */
record Services(LoopFactory loops, NativeMemory memory, Registry<DiskDriver> drivers, Registry<NodeProvider> nodes,
        Registry<IoEngine> engines, PathPolicy paths, Path runDir) {

    /** The engine that a type of disk asks for, or the best; null if none is present. */
    Registry.Entry<IoEngine> engineFor(String type) {
        Registry.Entry<DiskDriver> driver = drivers.get(type);
        Registry.Entry<IoEngine> asked = driver != null && driver.reference().getProperty("tap.engine") instanceof String name
                ? engines.get(name) : null;
        return asked == null ? engines.best() : asked;
    }
}
