package org.blktap.format.ram;

import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.memory.NativeBuffer;
import org.osgi.service.component.annotations.Component;

/** {@code tap:ram:<name>,size=…}: memory as a disk, shared by all attachments of one name. */
@Component
@TapType(type = "ram", summary = "memory, shared by all attachments of one name")
public final class RamDriver implements DiskDriver {
    private static final long MAX_SIZE = 1L << 40;

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        String[] parts = path.split(",");
        String name = parts.length == 0 ? "" : parts[0];
        if (!name.matches("[A-Za-z0-9._-]{1,64}")) {
            throw new DiskException(Reason.BAD_OPTION, "tap:ram:" + path + ": bad name '" + name
                    + "': letters, digits and . _ -, at most 64");
        }
        Options options = options(path, parts, context.options());
        String memoryName = "ram:" + name;
        long present = context.memory().sharedSize(memoryName);
        long size = options.size("size", present);
        String keep = options.oneOf("keep", null, "detach", "always");
        options.checkAllKnown("tap:ram");
        if (size == -1) {
            throw new DiskException(Reason.BAD_OPTION, "tap:ram:" + path + ": there is no RAM disk '" + name
                    + "' yet; give its size, e.g. tap:ram:" + name + ",size=512M");
        }
        if (size <= 0 || size > MAX_SIZE || size % 4096 != 0) {
            throw Options.bad("size", Long.toString(size), "a multiple of 4096 up to 1T");
        }
        NativeBuffer memory;
        try {
            memory = context.memory().shared(memoryName, size);
        } catch (IllegalArgumentException e) {
            throw new DiskException(Reason.BAD_OPTION, "tap:ram:" + path + ": the RAM disk '" + name + "' has " + present
                    + " bytes, not " + size, e);
        } catch (OutOfMemoryError e) {
            throw new DiskException(Reason.NO_SPACE, "tap:ram:" + path + ": " + e.getMessage(), e);
        }
        // the memory is another bundle's, so it outlives this one; the attachment holds it while the driver is replaced
        context.untilDetach(memory);
        if (keep != null) {
            context.memory().keep(memoryName, keep.equals("always"));
        }
        return new RamDisk(memory, name, context.readOnly());
    }

    /** The options after the name, and those of the attach. */
    private static Options options(String path, String[] parts, Options attach) throws DiskException {
        Map<String, String> all = new LinkedHashMap<>();
        for (String key : new String[] {"size", "keep"}) {
            String value = attach.text(key, null);
            if (value != null) {
                all.put(key, value);
            }
        }
        for (int i = 1; i < parts.length; i++) {
            String[] pair = parts[i].split("=", 2);
            if (pair.length != 2) {
                throw new DiskException(Reason.BAD_OPTION, "tap:ram:" + path + ": '" + parts[i] + "' is not key=value");
            }
            all.put(pair[0], pair[1]);
        }
        return new Options(all);
    }
}
