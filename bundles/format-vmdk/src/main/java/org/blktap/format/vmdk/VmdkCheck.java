package org.blktap.format.vmdk;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskDriver.CheckReport;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.IoLoop;
import org.blktap.api.memory.NativeMemory;

/**
 * Checks the extents of a disk, one after the other. What a crash leaves is no error: redundant tables that lack an
 * entry, a flag of an unclean shutdown, space after the last grain. A repair, which is made only if no extent has an
 * error, corrects these. Blocking, on a control thread.
 */
final class VmdkCheck {
    static final int MOST_PROBLEMS = 100;

    private final VmdkImage image;
    private final boolean repair;
    private final IoLoop loop;
    private final NativeMemory memory;
    private final List<SparseCheck> checks = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private final List<String> leftovers = new ArrayList<>();
    private long grains;
    private long leaked;

    VmdkCheck(VmdkImage image, boolean repair, IoLoop loop, NativeMemory memory) {
        this.image = image;
        this.repair = repair;
        this.loop = loop;
        this.memory = memory;
    }

    CheckReport run() throws DiskException {
        try {
            return checkAll();
        } finally {
            checks.forEach(SparseCheck::close);
        }
    }

    private CheckReport checkAll() throws DiskException {
        List<SparseRepair> repairs = new ArrayList<>();
        for (VmdkImage.Part part : image.parts()) {
            if (part.seSparse() != null) {
                throw new DiskException(Reason.UNSUPPORTED, part.file().path() + ": seSparse extents are not checked");
            }
            if (part.grains() != null) {
                repairs.add(check(part));
            }
        }
        if (repair && problems.isEmpty()) {
            for (SparseRepair each : repairs) {
                leaked -= each.run();
            }
        }
        return new CheckReport(grains, leaked, problems, leftovers);
    }

    private SparseRepair check(VmdkImage.Part part) throws DiskException {
        SparseCheck check = new SparseCheck(part.grains(), part.file(), loop, memory, problems);
        checks.add(check);
        try {
            check.run();
        } catch (IOException e) {
            throw DiskException.io(part.file().path(), "read the tables", e);
        }
        grains += check.grains();
        leaked += check.leaked();
        SparseRepair todo = new SparseRepair(part.grains(), part.file(), check);
        leftovers.addAll(todo.list());
        return todo;
    }
}
