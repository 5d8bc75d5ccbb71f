package org.blktap.core;

import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.Errno;
import org.osgi.service.component.annotations.Component;

/**
 * {@code tap:empty:NAME}: a drive without a medium, for {@code insert}. Its size is 0; requests fail with ENOMEDIUM.
 */
@Component(service = DiskDriver.class)
@TapType(type = EmptyDrive.TYPE, summary = "a drive without a medium")
public final class EmptyDrive implements DiskDriver {
    static final String TYPE = "empty";

    @Override
    public VirtualDisk open(String path, DiskContext context) {
        return new NoMedium(
                DiskInfo.ofSize(0).withReadOnly(context.readOnly()).withDetails(Map.of("format", "no medium")));
    }

    private record NoMedium(DiskInfo info) implements VirtualDisk {
        @Override
        public void submit(Request request) {
            request.complete(request.operation() == Operation.FLUSH ? 0 : Errno.ENOMEDIUM);
        }

        @Override
        public void close() {
            // nothing is open
        }
    }
}
