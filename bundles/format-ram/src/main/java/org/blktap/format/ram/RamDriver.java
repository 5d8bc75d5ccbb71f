package org.blktap.format.ram;

import static org.blktap.api.memory.Alignment.PAGE;

import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.Map;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.memory.Alignment;
import org.blktap.api.memory.NativeBuffer;
import org.osgi.service.component.annotations.Component;

/** {@code tap:ram:<name>,size=…}: memory as a disk, shared by all attachments of one name. */
@Component
@TapType(type = RamDriver.TYPE, summary = "memory, shared by all attachments of one name")
public final class RamDriver implements DiskDriver {
    static final String TYPE = "ram";
    private static final long MAX_SIZE = 1L << 40;
    /** Prefix of the name of a memory. */
    private static final String MEMORY = "ram:";

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        String name = Options.nameIn(path);
        if (!name.matches("[A-Za-z0-9._-]{1,64}")) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "tap:ram:" + path + ": bad name '" + name + "': letters, digits and . _ -, at most 64");
        }
        Options options = options(path, context.options());
        String image = options.text("load", null);
        String save = options.text("save", null);
        if (save != null && !save.startsWith("/")) {
            throw Options.bad("save", save, "the absolute path of a file");
        }
        if (save != null && Files.exists(FileNames.path(save)) && !Files.isRegularFile(FileNames.path(save))) {
            throw Options.bad("save", save, "a regular file, which the saved one replaces");
        }
        if (save != null
                && !Files.isDirectory(FileNames.path(save).toAbsolutePath().getParent())) {
            throw Options.bad("save", save, "a file in a directory that exists");
        }
        // one at a time, so that the second attach finds the contents loaded
        synchronized (this) {
            NativeBuffer memory = memory(path, name, options, image, context);
            // the memory belongs to another bundle, which outlives this one; the attachment holds it while the driver
            // is replaced
            context.untilDetach(memory);
            return new RamDisk(
                    memory,
                    name,
                    context.readOnly(),
                    save == null ? null : FileNames.path(save),
                    () -> context.memory().holders(MEMORY + name) == 1);
        }
    }

    private static NativeBuffer memory(String path, String name, Options options, String image, DiskContext context)
            throws DiskException {
        long present = context.memory().sharedSize(MEMORY + name);
        String keep = options.oneOf("keep", null, "detach", "always");
        try (RamLoad load = image != null && present == -1 ? new RamLoad(image, context) : null) {
            long size = options.size("size", load == null ? present : Alignment.up(load.sizeBytes(), PAGE));
            options.checkAllKnown("tap:ram");
            if (size == -1) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        "tap:ram:" + path + ": there is no RAM disk '" + name + "' yet; give its size, e.g. tap:ram:"
                                + name + ",size=512M");
            }
            if (size <= 0 || size > MAX_SIZE || !Alignment.isAligned(size, PAGE)) {
                throw Options.bad("size", Long.toString(size), "a multiple of 4096 up to 1T");
            }
            if (load != null && load.sizeBytes() > size) {
                throw Options.bad(
                        "size", Long.toString(size), "at least " + load.sizeBytes() + ", the size of " + image);
            }
            return filled(shared(path, name, present, size, context), load, keep, name, context);
        }
    }

    private static NativeBuffer shared(String path, String name, long present, long size, DiskContext context)
            throws DiskException {
        try {
            return context.memory().shared(MEMORY + name, size);
        } catch (IllegalArgumentException e) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "tap:ram:" + path + ": the RAM disk '" + name + "' has " + present + " bytes, not " + size,
                    e);
        } catch (OutOfMemoryError e) {
            throw new DiskException(Reason.NO_SPACE, "tap:ram:" + path + ": " + e.getMessage(), e);
        }
    }

    private static NativeBuffer filled(NativeBuffer memory, RamLoad load, String keep, String name, DiskContext context)
            throws DiskException {
        try (CloseOnFailure opened = new CloseOnFailure(memory::close)) {
            if (load != null) {
                load.into(memory);
            }
            if (keep != null) {
                context.memory().keep(MEMORY + name, keep.equals("always"));
            }
            return opened.keep(memory);
        }
    }

    /** The options after the name, and those of the attach. */
    private static Options options(String path, Options attach) throws DiskException {
        Map<String, String> all = new LinkedHashMap<>();
        for (String key : new String[] {"size", "keep", "load", "save"}) {
            String value = attach.text(key, null);
            if (value != null) {
                all.put(key, value);
            }
        }
        all.putAll(Options.valuesIn(path, "tap:ram:" + path));
        return new Options(all);
    }
}
