package org.blktap.aio;

import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.TapType;
import org.osgi.service.component.annotations.Component;

/** {@code tap:sync:<file or block device>}: the raw disk by blocking calls on helper threads. */
@Component(service = DiskDriver.class)
@TapType(type = SyncDriver.TYPE, summary = "raw file or block device, by blocking calls", engine = PortableEngine.NAME)
public final class SyncDriver extends RawDriver {
    static final String TYPE = "sync";
}
