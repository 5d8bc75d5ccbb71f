package org.blktap.jobs.mirror;

import java.util.ArrayList;

/** The pieces that are being copied. Loop only. */
final class ActivePieces {
    private final ArrayList<CopyPiece> all = new ArrayList<>();

    void add(CopyPiece piece) {
        all.add(piece);
    }

    void remove(CopyPiece piece) {
        int last = all.size() - 1;
        all.set(all.indexOf(piece), all.get(last));
        all.remove(last);
    }

    int count() {
        return all.size();
    }

    /** Called when the VM changes a range. */
    void touch(long from, long to) {
        for (int i = 0; i < all.size(); i++) {
            all.get(i).touch(from, to);
        }
    }

    /** Returns a piece that overlaps a range, or null. */
    CopyPiece overlapping(long from, long to) {
        for (int i = 0; i < all.size(); i++) {
            CopyPiece each = all.get(i);
            if (each.begin() < to && from < each.end()) {
                return each;
            }
        }
        return null;
    }

    /** Returns the beginning of the first piece that begins in a range; the end of the range if none does. */
    long firstBegin(long from, long to) {
        long first = to;
        for (int i = 0; i < all.size(); i++) {
            long begin = all.get(i).begin();
            if (begin >= from && begin < first) {
                first = begin;
            }
        }
        return first;
    }
}
