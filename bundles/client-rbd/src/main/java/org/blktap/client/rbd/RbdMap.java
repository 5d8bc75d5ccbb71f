package org.blktap.client.rbd;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.ExtentList;
import org.blktap.api.engine.IoLoop;
import org.blktap.linux.LibRbd;

/**
 * Answers how ranges of an image are stored, by its object map if that is valid, else by a look at each object. Helper
 * threads wait for the cluster. Loop only, except where noted.
 */
final class RbdMap {
    /** The most bytes of one answer by the object map, and of one by a look at each object. */
    private static final long MOST_BY_MAP = 64L << 30;

    private static final long MOST_BY_OBJECT = 1L << 30;

    private final RbdImage image;
    private final IoLoop loop;
    private final boolean byMap;
    /** Unit at whose multiples answers begin: otherwise librbd before 17.1 reports wrong offsets. */
    private final long unit;

    private RbdMap(RbdImage image, IoLoop loop, boolean byMap, long unit) {
        this.image = image;
        this.loop = loop;
        this.byMap = byMap;
        this.unit = unit;
    }

    /** Makes the map of an image. Any thread; waits for the cluster. */
    static RbdMap of(RbdImage image, IoLoop loop) throws DiskException {
        long object = image.objectBytes();
        boolean striped = image.stripeUnit() != object || image.stripeCount() != 1;
        // the object map of an overlay does not say what the parent has
        boolean byMap = (image.features() & LibRbd.FEATURE_FAST_DIFF) != 0
                && (image.flags() & LibRbd.FLAG_FAST_DIFF_INVALID) == 0
                && !striped
                && image.parent() == null;
        return new RbdMap(image, loop, byMap, object * Math.max(1, image.stripeCount()));
    }

    void submit(Request request) {
        long offset = request.offset();
        long length = Math.min(request.length(), byMap ? MOST_BY_MAP : MOST_BY_OBJECT);
        long begin = offset - offset % unit;
        ExtentList found = new ExtentList();
        loop.offload(
                () -> {
                    Runs runs = new Runs(offset, offset + length, found);
                    int result = image.call(
                            () -> LibRbd.ranges(image.handle(), begin, offset + length - begin, byMap, runs));
                    runs.finish();
                    return -Math.min(0, result);
                },
                errno -> {
                    for (int i = 0; errno == 0 && i < found.count(); i++) {
                        request.extents().add(found.length(i), found.state(i), found.depth(i));
                    }
                    request.complete(errno);
                });
    }

    /** Makes extents from the ranges that exist; what lies between them does not. */
    private static final class Runs implements LibRbd.Ranges {
        private static final int NOTHING = ExtentList.HOLE | ExtentList.ZERO;
        private final long end;
        private final ExtentList into;
        private long at;

        Runs(long begin, long end, ExtentList into) {
            this.at = begin;
            this.end = end;
            this.into = into;
        }

        @Override
        public void range(long offset, long bytes, boolean exists) {
            if (!exists) {
                return;
            }
            long from = Math.max(at, Math.min(offset, end));
            long to = Math.max(from, Math.min(offset + bytes, end));
            hole(from);
            into.add(to - from, ExtentList.DATA);
            at = to;
        }

        private void hole(long until) {
            if (until > at) {
                into.add(until - at, NOTHING, ExtentList.NOWHERE);
            }
        }

        void finish() {
            hole(end);
        }
    }
}
