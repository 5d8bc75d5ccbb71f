package org.blktap.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoCallback;
import org.blktap.api.engine.IoFile;
import org.blktap.api.memory.Segments;

/**
 * Passes all calls on to a file; subclasses change some of them.
 *
 * @deprecated for formats that were compiled against version 3.0; {@link org.blktap.api.engine.PassThroughFile} is the
 *     same in the API
 */
@Deprecated(since = "3.1.0")
public abstract class FilterFile implements IoFile {
    protected final IoFile file;

    protected FilterFile(IoFile file) {
        this.file = file;
    }

    @Override
    public Path path() {
        return file.path();
    }

    @Override
    public boolean writable() {
        return file.writable();
    }

    @Override
    public boolean blockDevice() {
        return file.blockDevice();
    }

    @Override
    public long size() {
        return file.size();
    }

    @Override
    public int alignment() {
        return file.alignment();
    }

    @Override
    public int sectorSize() {
        return file.sectorSize();
    }

    @Override
    public int physicalSectorSize() {
        return file.physicalSectorSize();
    }

    @Override
    public void read(long offset, Segments into, long skip, long length, IoCallback done) {
        file.read(offset, into, skip, length, done);
    }

    @Override
    public void write(long offset, Segments from, long skip, long length, IoCallback done) {
        file.write(offset, from, skip, length, done);
    }

    @Override
    public void flush(IoCallback done) {
        file.flush(done);
    }

    @Override
    public void discard(long offset, long length, IoCallback done) {
        file.discard(offset, length, done);
    }

    @Override
    public boolean zeroesOnDiscard() {
        return file.zeroesOnDiscard();
    }

    @Override
    public void zero(long offset, long length, boolean unmap, IoCallback done) {
        file.zero(offset, length, unmap, done);
    }

    @Override
    public void truncate(long size, IoCallback done) {
        file.truncate(size, done);
    }

    @Override
    public void map(long offset, long length, ExtentList into, IoCallback done) {
        file.map(offset, length, into, done);
    }

    @Override
    public void readFully(ByteBuffer into, long offset) throws IOException {
        file.readFully(into, offset);
    }

    @Override
    public void writeFully(ByteBuffer from, long offset) throws IOException {
        file.writeFully(from, offset);
    }

    @Override
    public void truncateNow(long size) throws IOException {
        file.truncateNow(size);
    }

    @Override
    public void flushNow() throws IOException {
        file.flushNow();
    }

    @Override
    public void close() {
        file.close();
    }
}
