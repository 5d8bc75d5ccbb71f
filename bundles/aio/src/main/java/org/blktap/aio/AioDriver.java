package org.blktap.aio;

import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.TapType;
import org.osgi.service.component.annotations.Component;

/** {@code tap:aio:<file or block device>}: the raw disk on libaio; on another engine where there is no libaio. */
@Component(service = DiskDriver.class)
@TapType(type = AioDriver.TYPE, summary = "raw file or block device, by libaio", engine = LibaioEngine.NAME)
public final class AioDriver extends RawDriver {
    static final String TYPE = "aio";
}
