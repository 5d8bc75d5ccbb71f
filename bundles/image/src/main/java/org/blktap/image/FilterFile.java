package org.blktap.image;

import org.blktap.api.engine.IoFile;
import org.blktap.api.engine.PassThroughFile;

/** The name of {@link PassThroughFile} for formats that were compiled against version 3.0. */
public abstract class FilterFile extends PassThroughFile {
    protected FilterFile(IoFile file) {
        super(file);
    }
}
