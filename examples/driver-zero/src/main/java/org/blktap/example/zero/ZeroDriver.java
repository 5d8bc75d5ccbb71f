package org.blktap.example.zero;

import java.nio.ByteBuffer;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.SimpleDriver;
import org.blktap.api.disk.TapType;
import org.osgi.service.component.annotations.Component;

/** {@code tap:zero:<size>}: a disk that reads as zeros and cannot be written. */
@Component
@TapType(type = "zero", summary = "reads as zeros (the tutorial's example)")
public final class ZeroDriver implements SimpleDriver {
    @Override
    public SimpleDisk open(String path, Options options, boolean readOnly) throws DiskException {
        long size;
        try {
            size = Options.parseSize(path);
        } catch (IllegalArgumentException e) {
            throw new DiskException(
                    DiskException.Reason.BAD_OPTION, "tap:zero:" + path + ": expected a size, e.g. tap:zero:1G");
        }
        return new SimpleDisk() {
            @Override
            public long size() {
                return size;
            }

            @Override
            public void read(ByteBuffer into, long offset) {
                while (into.hasRemaining()) {
                    into.put((byte) 0);
                }
            }
        };
    }
}
