package org.blktap.aio;

import static org.blktap.api.memory.Alignment.SECTOR;

import java.io.IOException;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.TapType;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;
import org.osgi.service.component.annotations.Component;

/** {@code tap:raw:<file or block device>}, on whichever engine is best. */
@Component(service = DiskDriver.class)
@TapType(type = RawDriver.TYPE, summary = "raw file or block device")
public class RawDriver implements DiskDriver {
    static final String TYPE = "raw";

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        String round = context.options().oneOf("round", context.readOnly() ? "up" : "no", "no", "up", "down");
        IoFile file = context.openFile(FileNames.path(path));
        try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
            long size = diskSize(file, round);
            return opened.keep(new RawDisk(file, size, Math.min(size, file.size()), context.readOnly()));
        }
    }

    private static long diskSize(IoFile file, String round) throws DiskException {
        long size = file.size();
        if (size == 0) {
            throw new DiskException(
                    Reason.CORRUPT,
                    file.path()
                            + (file.blockDevice()
                                    ? ": the block device has no medium"
                                    : ": the file is empty: there is no disk in it"));
        }
        if (Alignment.isAligned(size, SECTOR)) {
            return size;
        }
        long whole = Alignment.down(size, SECTOR);
        return switch (round) {
            case "up" -> DiskInfo.wholeSectors(size);
            case "down" -> whole;
            default ->
                throw new DiskException(
                        Reason.CORRUPT,
                        FileNames.text(file.path()) + ": size of " + size
                                + " bytes is not a multiple of 512; --read-only shows zeros after the end, -o round=up lets the file grow to whole sectors,"
                                + " -o round=down leaves its last " + (size - whole) + " bytes out");
        };
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        boolean shrink = context.options().flag("shrink", false);
        try (IoFile file = context.openFile(FileNames.path(path))) {
            if (file.blockDevice()) {
                throw new DiskException(Reason.UNSUPPORTED, path + ": a block device is resized by what makes it");
            }
            if (sizeBytes < file.size() && !shrink) {
                throw new DiskException(
                        Reason.BAD_OPTION,
                        path + ": " + Options.sizeText(sizeBytes) + " is smaller than the present "
                                + Options.sizeText(file.size())
                                + ", and what is past it would be lost; add -o shrink=yes to shrink it");
            }
            file.truncateNow(sizeBytes);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(path, "resize", e);
        }
    }

    /** Cuts off bytes that the last write has put after the contents. */
    @Override
    public boolean endInside(String path, long contentBytes, DiskContext context) throws DiskException {
        try (IoFile file = context.openFile(FileNames.path(path))) {
            if (file.blockDevice()) {
                return false;
            }
            file.truncateNow(contentBytes);
            file.flushNow();
            return true;
        } catch (IOException e) {
            throw DiskException.io(path, "set the size", e);
        }
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        if (backing != null) {
            throw new DiskException(
                    Reason.BAD_OPTION, path + ": a raw disk has no backing file; tap:qcow can have one");
        }
        DiskInfo.checkSize(path, sizeBytes, SECTOR, SECTOR, Long.MAX_VALUE);
        try (IoFile file = context.createFile(FileNames.path(path))) {
            file.truncateNow(sizeBytes);
            file.flushNow();
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
    }
}
