package org.blktap.filter.luks;

import java.util.ArrayList;

/**
 * Lets a change of a part of a sector, which reads, changes and writes the sector, wait for other changes of the same
 * sector, and these for it. Changes of whole sectors do not wait for each other. Loop only.
 */
final class PartialSectors {
    private final ArrayList<Piece> under = new ArrayList<>();
    private final ArrayList<Piece> blocked = new ArrayList<>();
    /** Number of active changes that change a part of a sector. */
    private int partial;

    /** Whether a piece may begin. If not, it is begun later. */
    boolean enter(Piece piece) {
        if (conflicts(piece)) {
            blocked.add(piece);
            return false;
        }
        under.add(piece);
        partial += piece.isPartial() ? 1 : 0;
        return true;
    }

    private boolean conflicts(Piece piece) {
        if (partial == 0 && !piece.isPartial()) {
            return false;
        }
        for (int i = 0; i < under.size(); i++) {
            Piece other = under.get(i);
            if ((piece.isPartial() || other.isPartial()) && piece.overlaps(other)) {
                return true;
            }
        }
        return false;
    }

    void leave(Piece piece) {
        int at = under.lastIndexOf(piece);
        int last = under.size() - 1;
        under.set(at, under.get(last));
        under.remove(last);
        partial -= piece.isPartial() ? 1 : 0;
        for (int i = 0; i < blocked.size(); ) {
            Piece next = blocked.get(i);
            if (conflicts(next)) {
                i++;
            } else {
                blocked.remove(i);
                under.add(next);
                partial += next.isPartial() ? 1 : 0;
                next.change();
                // it may have ended at once, and others with it
                i = 0;
            }
        }
    }
}
