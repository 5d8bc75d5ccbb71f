package org.blktap.api.testkit;

import java.util.Map;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.disk.VirtualDisk;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.memory.NativeMemory;

/**
 * The context of a filter, as values.
 *
 * @param disks opens the disks that the filter asks for
 */
public record TestFilterContext(
        String id, boolean readOnly, Options options, IoLoop loop, NativeMemory memory, Disks disks)
        implements FilterContext {

    /** Opens a disk besides the filter's own. */
    @FunctionalInterface
    public interface Disks {
        VirtualDisk open(TapSpec spec, boolean readOnly) throws DiskException;
    }

    /** A writable attachment's, without options. */
    public static TestFilterContext of(String id, IoLoop loop, NativeMemory memory) {
        return new TestFilterContext(id, false, Options.none(), loop, memory, (spec, refusesWrites) -> {
            throw new DiskException(DiskException.Reason.NOT_FOUND, spec + ": this test has no other disk");
        });
    }

    /** This with these options in place of its own. */
    public TestFilterContext withOptions(Map<String, String> values) {
        return new TestFilterContext(id, readOnly, new Options(values), loop, memory, disks);
    }

    /** This for a disk that refuses writes, or not. */
    public TestFilterContext withReadOnly(boolean refusesWrites) {
        return new TestFilterContext(id, refusesWrites, options, loop, memory, disks);
    }

    /** This with other disks that can be opened. */
    public TestFilterContext withDisks(Disks others) {
        return new TestFilterContext(id, readOnly, options, loop, memory, others);
    }

    @Override
    public VirtualDisk openDisk(TapSpec spec, Map<String, String> values, boolean refusesWrites) throws DiskException {
        return disks.open(spec, refusesWrites);
    }
}
