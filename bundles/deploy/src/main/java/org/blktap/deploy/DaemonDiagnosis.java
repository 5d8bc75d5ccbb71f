package org.blktap.deploy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.deploy.ComponentDiagnosis.Finding;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/** Why attachments and bundles are not active: the lines of the verb {@code diag}. One thread, one use. */
public final class DaemonDiagnosis {
    private final BundleContext bundles;
    private final Attachments attachments;
    private final ComponentDiagnosis diagnosis;
    private final List<String> out = new ArrayList<>();
    private String name;

    /** @param attachments null if the core is not there */
    public DaemonDiagnosis(BundleContext bundles, ServiceComponentRuntime components, Attachments attachments) {
        this.bundles = bundles;
        this.attachments = attachments;
        diagnosis = new ComponentDiagnosis(bundles, components);
    }

    /**
     * Returns one line for each finding, and a line if there is none.
     *
     * @param of an attachment, a bundle, or what a bundle brings; null for all that is not active
     * @throws DiskException NOT_FOUND if there is nothing of the name
     */
    public List<String> lines(String of) throws DiskException {
        name = of;
        int told = attachments();
        List<String> lacking = new ArrayList<>();
        for (Bundle bundle : bundles.getBundles()) {
            if (name == null || isNamed(bundle)) {
                told += bundle(bundle, lacking);
            } else {
                told += contributions(bundle);
            }
        }
        if (told == 0 && name != null) {
            throw new DiskException(
                    DiskException.Reason.NOT_FOUND,
                    "neither an attachment nor a bundle, nor anything that a bundle brings: " + name);
        }
        out.addAll(lacking);
        if (told == 0) {
            out.add(lacking.isEmpty() ? "all is active" : "all else is active");
        }
        return List.copyOf(out);
    }

    private boolean isNamed(Bundle bundle) {
        return name.equals(bundle.getSymbolicName()) || ("org.blktap." + name).equals(bundle.getSymbolicName());
    }

    private int attachments() {
        int told = 0;
        if (attachments == null) {
            out.add("the core gives no service Attachments");
            return name == null ? 1 : 0;
        }
        for (AttachmentStatus each : attachments.list()) {
            if (name == null
                    ? each.state() != State.RUNNING || !each.reason().isEmpty()
                    : each.id().equals(name)) {
                out.add("attachment " + each.id() + " (" + each.spec() + "): "
                        + each.state().name().toLowerCase(Locale.ROOT)
                        + (each.reason().isEmpty() ? "" : ": " + each.reason()));
                told++;
            }
            if (name == null || each.id().equals(name)) {
                for (String address : LostSockets.of(each)) {
                    out.add("attachment " + LostSockets.message(each.id(), address));
                    told++;
                }
            }
        }
        return told;
    }

    /**
     * Returns the number of lines added; adds to {@code lacking} what is absent because of this machine, if all bundles
     * are asked for.
     */
    private int bundle(Bundle bundle, List<String> lacking) {
        int told = 0;
        if (name != null
                || bundle.getState() != Bundle.ACTIVE
                        && bundle.getState() != Bundle.STARTING
                        && !BundleDiagnosis.isFragment(bundle)
                        && !BundleDiagnosis.isLater(bundle, bundles)) {
            out.add("bundle " + bundle.getSymbolicName() + " " + bundle.getVersion() + ": "
                    + BundleDiagnosis.why(bundle, bundles));
            told++;
        }
        Map<Contribution.Kind, List<String>> present = new TreeMap<>();
        Set<String> explained = new HashSet<>();
        for (Contribution each : Contribution.of(bundle)) {
            Finding absence = diagnosis.absence(each);
            if (absence == null) {
                present.computeIfAbsent(each.kind(), any -> new ArrayList<>()).add(each.name());
                continue;
            }
            explained.add(absence.component());
            if (name != null) {
                out.add("  brings " + each + ", which is absent: " + absence.why());
            } else if (absence.machine()) {
                lacking.add(absent(each, absence));
            } else if (bundle.getState() == Bundle.ACTIVE) {
                out.add(absent(each, absence));
                told++;
            }
        }
        if (name != null) {
            present.forEach((kind, names) ->
                    out.add("  brings " + kind + (names.size() == 1 ? " " : "s ") + String.join(", ", names)));
        }
        for (Finding each : diagnosis.of(bundle)) {
            if (!each.machine() && !explained.contains(each.component())) {
                out.add("  " + each);
                told++;
            }
        }
        return told;
    }

    private static String absent(Contribution brought, Finding absence) {
        return brought + " of " + brought.bundle().getSymbolicName() + " "
                + brought.bundle().getVersion() + " is absent: " + absence.why();
    }

    /** Adds what the bundle brings under this name. Returns the number of lines added. */
    private int contributions(Bundle bundle) {
        int told = 0;
        for (Contribution each : Contribution.of(bundle)) {
            if (each.name().equals(name)) {
                Finding absence = diagnosis.absence(each);
                out.add(
                        absence != null
                                ? absent(each, absence)
                                : each + " of " + bundle.getSymbolicName() + " " + bundle.getVersion() + ": present");
                told++;
            }
        }
        return told;
    }
}
