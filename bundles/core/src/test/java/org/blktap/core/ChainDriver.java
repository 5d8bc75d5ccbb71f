package org.blktap.core;

import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.blktap.api.disk.DiskContext;
import org.blktap.api.disk.DiskDriver;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.CloseOnFailure;
import org.blktap.api.engine.IoFile;

/**
 * Images that are real files with a few properties: size, identity, backing image. Each write of a disk adds a line to
 * the list of what was written, with the image that has got it. A test sees each call, and has it fail.
 */
final class ChainDriver implements DiskDriver {
    private static final int BYTES = 4096;

    final List<String> written = Collections.synchronizedList(new ArrayList<>());
    final String type;
    volatile boolean early;
    volatile boolean saysType = true;
    /** Sees each call before and after it is done, such as {@code open /a} and {@code opened /a}. */
    volatile Watcher watcher = (step, name) -> {};

    volatile int flushError;

    /** What a test does at a call. */
    interface Watcher {
        void at(String step, String name) throws DiskException;
    }

    ChainDriver(String type) {
        this.type = type;
    }

    /** Makes an image outside of any attachment. */
    void make(Path path, long size, Path backing) throws IOException {
        Properties properties = properties(path, size, backing == null ? null : new TapSpec(type, backing.toString()));
        java.nio.file.Files.write(path, bytes(properties).array());
    }

    private Properties properties(Path path, long size, TapSpec backing) {
        Properties properties = new Properties();
        properties.setProperty("size", Long.toString(size));
        properties.setProperty("uuid", path.getFileName().toString());
        if (backing != null) {
            properties.setProperty("backing", backing.path());
            properties.setProperty("type", saysType ? backing.type() : "");
        }
        return properties;
    }

    private static ByteBuffer bytes(Properties properties) throws IOException {
        StringWriter text = new StringWriter();
        properties.store(text, null);
        return ByteBuffer.allocate(BYTES)
                .put(text.toString().getBytes(StandardCharsets.UTF_8))
                .rewind();
    }

    private static Properties read(IoFile file) throws DiskException {
        try {
            ByteBuffer bytes = ByteBuffer.allocate(BYTES);
            file.readFully(bytes, 0);
            Properties properties = new Properties();
            properties.load(new StringReader(new String(bytes.array(), StandardCharsets.UTF_8).replace("\0", "")));
            return properties;
        } catch (IOException e) {
            throw DiskException.io(file.path(), "read", e);
        }
    }

    private static String name(String path) {
        return Path.of(path).getFileName().toString();
    }

    @Override
    public VirtualDisk open(String path, DiskContext context) throws DiskException {
        watcher.at("open", name(path));
        context.options().text("color", "");
        IoFile file = context.openFile(Path.of(path));
        try (CloseOnFailure opened = new CloseOnFailure(file::close)) {
            Properties properties = read(file);
            String backing = properties.getProperty("backing");
            VirtualDisk below = null;
            if (backing != null) {
                String named = properties.getProperty("type");
                String found = context.backingType(named.isEmpty() ? null : named);
                if (found == null) {
                    throw new DiskException(Reason.BAD_OPTION, path + ": of what type is its backing file?");
                }
                below = context.openBacking(found, context.confine(Path.of(path), backing));
                opened.add(below::close);
            }
            watcher.at("opened", name(path));
            return opened.keep(new Disk(path, file, properties, below, context.readOnly()));
        }
    }

    @Override
    public void create(String path, long sizeBytes, TapSpec backing, DiskContext context) throws DiskException {
        watcher.at("create", name(path));
        long size = sizeBytes;
        if (backing != null) {
            try (VirtualDisk below =
                    context.openBacking(backing.type(), context.confine(Path.of(path), backing.path()))) {
                size = size == -1 ? below.info().sizeBytes() : size;
            }
        }
        try (IoFile file = context.createFile(Path.of(path))) {
            file.writeFully(bytes(properties(Path.of(path), size, backing)), 0);
        } catch (IOException e) {
            throw DiskException.io(path, "create", e);
        }
        watcher.at("created", name(path));
    }

    @Override
    public void rebase(String path, TapSpec backing, DiskContext context) throws DiskException {
        watcher.at("rebase", name(path));
        try (IoFile file = context.openFile(Path.of(path))) {
            Properties properties = read(file);
            properties.remove("backing");
            if (backing != null) {
                properties.setProperty("backing", backing.path());
                properties.setProperty("type", saysType ? backing.type() : "");
            }
            file.writeFully(bytes(properties), 0);
        } catch (IOException e) {
            throw DiskException.io(path, "rebase", e);
        }
        watcher.at("rebased", name(path));
    }

    @Override
    public void resize(String path, long sizeBytes, DiskContext context) throws DiskException {
        watcher.at("resize", name(path));
        try (IoFile file = context.openFile(Path.of(path))) {
            Properties properties = read(file);
            properties.setProperty("size", Long.toString(sizeBytes));
            file.writeFully(bytes(properties), 0);
        } catch (IOException e) {
            throw DiskException.io(path, "resize", e);
        }
        watcher.at("resized", name(path));
    }

    @Override
    public boolean recordsBackingState() {
        return !early;
    }

    @Override
    public boolean recordsBackingType(String of) {
        return saysType;
    }

    private final class Disk implements VirtualDisk {
        private final String path;
        private final IoFile file;
        private final Properties properties;
        private final VirtualDisk below;
        private final boolean readOnly;

        Disk(String path, IoFile file, Properties properties, VirtualDisk below, boolean readOnly) {
            this.path = path;
            this.file = file;
            this.properties = properties;
            this.below = below;
            this.readOnly = readOnly;
        }

        @Override
        public DiskInfo info() {
            return DiskInfo.ofSize(Long.parseLong(properties.getProperty("size")))
                    .withReadOnly(readOnly)
                    .withDetails(Map.of("uuid", properties.getProperty("uuid")));
        }

        @Override
        public void submit(Request request) {
            if (request.operation() == Operation.WRITE) {
                written.add(name(path));
            }
            request.complete(request.operation() == Operation.FLUSH ? flushError : 0);
        }

        @Override
        public void close() {
            try {
                watcher.at("close", name(path));
            } catch (DiskException e) {
                throw new IllegalStateException(e);
            } finally {
                file.close();
                if (below != null) {
                    below.close();
                }
            }
        }
    }
}
