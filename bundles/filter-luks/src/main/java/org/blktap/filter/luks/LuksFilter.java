package org.blktap.filter.luks;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.filter.DiskFilter;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.filter.FilterType;
import org.blktap.api.filter.PassThroughDisk;
import org.blktap.api.memory.NativeMemory;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.condition.Condition;

/** Encryption: disks of LUKS1 and LUKS2. */
@Component(service = DiskFilter.class)
@FilterType(type = LuksFilter.TYPE, summary = "encryption, as cryptsetup and QEMU have it: LUKS1 and LUKS2")
public final class LuksFilter implements DiskFilter {
    static final String TYPE = "luks";
    private static final Logger LOG = System.getLogger("org.blktap.filter.luks");

    /** @param present registered while libcrypto is present */
    @Activate
    public LuksFilter(@Reference(target = "(osgi.condition.id=" + LibCryptoPresence.ID + ")") Condition present) {
        // only its presence matters
    }

    @Override
    public PassThroughDisk open(VirtualDisk below, FilterContext context) throws DiskException {
        LuksOptions options = LuksOptions.of(context.options());
        try {
            if (options.header() == null) {
                return open(below, new DiskStore(below, context), options, context);
            }
            try (FileStore file = new FileStore(options.header())) {
                return open(below, file, options, context);
            }
        } catch (IllegalStateException e) {
            throw new DiskException(Reason.IO, context.id() + ": " + e.getMessage(), e);
        }
    }

    private static LuksDisk open(VirtualDisk below, HeaderStore store, LuksOptions options, FilterContext context)
            throws DiskException {
        NativeMemory memory = context.memory();
        LuksHeader header = Headers.read(store, options.header() != null, memory);
        long bytes = LuksDisk.dataBytes(context.id(), below.info(), header.data());
        if (header.damage() != null) {
            LOG.log(
                    Level.WARNING,
                    context.id() + ": one of the two LUKS2 headers is damaged, and the other one is used: "
                            + header.damage() + ". cryptsetup repair restores it");
        }
        try (Secret password = options.key(memory);
                Secret key = new VolumeKey(header, store, memory).open(password, options.keySlot(), options.limits());
                CloseOnFailure opened = new CloseOnFailure()) {
            SectorCipher cipher = SectorCipher.of(key, header.data().sectorSize(), memory);
            opened.add(cipher::close);
            Pieces pieces = new Pieces(header.data(), cipher, context.loop()::tookTime, memory);
            opened.addOwner(pieces::close);
            return opened.keep(new LuksDisk(below, header, bytes, options, pieces));
        }
    }

    @Override
    public boolean changesContents() {
        return true;
    }

    @Override
    public void format(VirtualDisk below, FilterContext context) throws DiskException {
        try {
            new LuksFormat(FormatOptions.of(context.options()), context).format(below);
        } catch (IllegalStateException e) {
            throw new DiskException(Reason.IO, context.id() + ": " + e.getMessage(), e);
        }
    }

    @Override
    public long sizeBelow(long sizeBytes, Options options) throws DiskException {
        return FormatOptions.of(options).sizeBelow(sizeBytes);
    }
}
