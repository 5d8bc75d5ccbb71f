package org.blktap.api.testkit;

import java.util.Map;
import org.blktap.api.disk.Options;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.filter.FilterContext;
import org.blktap.api.memory.NativeMemory;

/** The context of a filter, as values. */
public record TestFilterContext(String id, boolean readOnly, Options options, IoLoop loop, NativeMemory memory)
        implements FilterContext {

    /** A writable attachment's, without options. */
    public static TestFilterContext of(String id, IoLoop loop, NativeMemory memory) {
        return new TestFilterContext(id, false, Options.none(), loop, memory);
    }

    /** This with these options in place of its own. */
    public TestFilterContext withOptions(Map<String, String> values) {
        return new TestFilterContext(id, readOnly, new Options(values), loop, memory);
    }

    /** This for a disk that refuses writes, or not. */
    public TestFilterContext withReadOnly(boolean refusesWrites) {
        return new TestFilterContext(id, refusesWrites, options, loop, memory);
    }
}
