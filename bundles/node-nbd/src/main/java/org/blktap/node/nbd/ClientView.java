package org.blktap.node.nbd;

import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.blktap.node.nbd.ExportAccess.Verdict;

/** The exports of a listener as one client may see them, before and after it has started TLS. */
final class ClientView {
    private final Catalogue catalogue;
    private final TlsMode mode;
    private final boolean local;
    private X500Principal peer;

    /**
     * @param mode of the listener when the client came
     * @param local whether it came by a unix socket, whose file mode decides alone; else each export does, also one
     *     that has come since
     */
    ClientView(Catalogue catalogue, TlsMode mode, boolean local) {
        this.catalogue = catalogue;
        this.mode = mode;
        this.local = local;
    }

    TlsMode mode() {
        return mode;
    }

    /** The client speaks TLS from now on, and has proved who it is. */
    void secured(X500Principal client) {
        peer = client;
    }

    boolean isSecure() {
        return peer != null;
    }

    /** Whether nothing but STARTTLS is answered. */
    boolean mustUpgrade() {
        return mode == TlsMode.REQUIRED && !isSecure();
    }

    Verdict verdict(ExportInfo export) {
        Verdict verdict = local ? Verdict.YES : export.access().of(peer);
        if (verdict == Verdict.OTHER_SUBJECT) {
            catalogue.refused(export.name(), peer);
        }
        return verdict;
    }

    /** Those that the client may use. */
    List<ExportInfo> exports() {
        return catalogue.exports().stream()
                .filter(each -> local || each.access().of(peer) == Verdict.YES)
                .toList();
    }

    /** The export of a name, or null; the empty name means the only export that the client may use. */
    ExportInfo find(String name) {
        if (name.isEmpty()) {
            List<ExportInfo> all = exports();
            if (all.size() == 1) {
                return all.get(0);
            }
        }
        for (ExportInfo export : catalogue.exports()) {
            if (export.name().equals(name)) {
                return export;
            }
        }
        return null;
    }

    /** Whether one more client may use an export that is there. */
    boolean hasPlace(ExportInfo export) {
        return catalogue.hasPlace(export.name());
    }
}
