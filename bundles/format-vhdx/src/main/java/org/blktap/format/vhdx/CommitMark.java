package org.blktap.format.vhdx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Alignment;

/**
 * Says in a parent that it is written to only by a commit of one child, whose own contents hide what changes. The
 * parent's DataWriteGuid changes as ever, so that it is refused to all other children; but this child knows by the mark
 * that its parent is still the right one. A user item of the metadata, which other programs pass over. It counts as
 * long as the header has one of its DataWriteGuids: the next change that is not a commit's ends it.
 *
 * @param from the DataWriteGuid by which the child knows its parent
 * @param to the DataWriteGuid of the commit
 * @param before the DataWriteGuid before that, which the header has until the mark is written
 * @param child the name of the child's file, without directories
 */
record CommitMark(UUID from, UUID to, UUID before, String child) {
    static final UUID ITEM = UUID.fromString("6a1f8f6e-4d0b-4c43-9d2b-0f5a7c3e9b11");
    private static final int AT_FROM = 0;
    private static final int AT_TO = 16;
    private static final int AT_BEFORE = 32;
    private static final int AT_CHILD = 48;
    /** Names of files have 255 bytes at most. */
    private static final int LONGEST_NAME = 1024;

    /** Returns null for an item that has another form. */
    static CommitMark parse(ByteBuffer item) {
        int name = item.limit() - AT_CHILD;
        if (name <= 0 || name > LONGEST_NAME || name % 2 != 0) {
            return null;
        }
        return new CommitMark(
                Layout.guid(item, AT_FROM),
                Layout.guid(item, AT_TO),
                Layout.guid(item, AT_BEFORE),
                new String(item.array(), AT_CHILD, name, StandardCharsets.UTF_16LE));
    }

    private ByteBuffer bytes() {
        byte[] name = child.getBytes(StandardCharsets.UTF_16LE);
        ByteBuffer item = Layout.allocate(AT_CHILD + name.length);
        Layout.putGuid(item, AT_FROM, from);
        Layout.putGuid(item, AT_TO, to);
        Layout.putGuid(item, AT_BEFORE, before);
        return item.put(AT_CHILD, name);
    }

    /** Whether the mark counts in an image with this DataWriteGuid. */
    boolean counts(UUID dataWriteGuid) {
        return dataWriteGuid.equals(to) || dataWriteGuid.equals(before);
    }

    /** Returns the mark of a commit of a child into an image that has been opened. */
    static CommitMark next(VhdxImage image, String child) {
        UUID now = image.headers().current().dataWriteGuid();
        CommitMark last = image.metadata().commit();
        boolean goesOn = last != null && last.counts(now) && last.child().equals(child);
        return new CommitMark(goesOn ? last.from() : now, UUID.randomUUID(), now, child);
    }

    /** Marks the image before the first change of a commit. Blocking; may be repeated after an error. */
    void begin(VhdxImage image, LogWriter log) throws IOException {
        IoFile file = image.file();
        log.begin(before);
        MetadataEdit edit = new MetadataEdit(file, image.regions().metadata());
        edit.put(ITEM, VhdxMetadata.IS_USER, bytes());
        edit.apply(log, Alignment.up(file.size(), Layout.MIB));
        log.contentsChange(to);
    }
}
