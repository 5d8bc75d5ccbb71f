package org.blktap.node.xen;

import java.io.IOException;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;

/**
 * What {@code --node xen:<domain>/<device>[,backend=<type>][,devtype=<disk|cdrom>][,access=<rw|ro>]} names.
 *
 * @param domain its name or number
 * @param name of the device in the guest
 * @param device its number
 * @param type the kind of backend in XenStore
 * @param access what is asked of the device, as far as no toolstack says it
 */
record DomainDevice(String domain, String name, int device, String type, DeviceAccess access) {
    /** What we are called in XenStore where no toolstack has called us something else. */
    static final String TYPE = "tap";
    /** The kinds of backends that we serve. */
    static final List<String> TYPES = List.of(TYPE, "vbd3", Blkback.TYPE, Qdisks.TYPE);

    static DomainDevice parse(String target, Options options) throws DiskException {
        String type = options.text("backend", TYPE);
        if (!TYPES.contains(type)) {
            throw Options.bad("backend", type, "one of " + String.join(", ", TYPES));
        }
        DeviceAccess access = access(options);
        int slash = target.lastIndexOf('/');
        // /dev/xvda is a name as well
        if (target.contains("/dev/")) {
            slash = target.indexOf("/dev/");
        }
        if (slash < 1 || slash == target.length() - 1) {
            throw new DiskException(
                    Reason.BAD_OPTION,
                    "bad node 'xen:" + target + "': expected xen:<domain>/<device>, e.g. xen:web1/xvda");
        }
        String name = target.substring(slash + 1);
        try {
            return new DomainDevice(
                    target.substring(0, slash),
                    name.replaceFirst("^/?dev/", ""),
                    VirtualDevice.number(name),
                    type,
                    access);
        } catch (IllegalArgumentException e) {
            throw new DiskException(Reason.BAD_OPTION, "bad node 'xen:" + target + "': " + e.getMessage());
        }
    }

    /** What the options say of the device, in the words of xl-disk-configuration(5). */
    static DeviceAccess access(Options options) throws DiskException {
        boolean cdrom = options.oneOf("devtype", "disk", "disk", "cdrom").equals("cdrom");
        boolean writable = options.oneOf("access", "rw", "rw", "ro").equals("rw");
        return new DeviceAccess(writable, cdrom, false);
    }

    /** Parses a node as given to attach; null if it is no Xen node. */
    static DomainDevice ofNode(String node) throws DiskException {
        String name = Options.nameIn(node);
        if (!name.startsWith("xen:")) {
            return null;
        }
        return parse(name.substring(4), new Options(Options.valuesIn(node, "bad node '" + node + "'")));
    }

    /**
     * Where its nodes are.
     *
     * @throws DiskException NOT_FOUND if there is no such domain
     */
    DevicePaths paths(XenStore store) throws IOException, DiskException {
        DevicePaths paths = new DevicePaths(store.domainId(), type, domainNumber(store), device);
        if (!paths.hasDomain(store)) {
            throw new DiskException(Reason.NOT_FOUND, "no domain " + domain + "; xl list shows them");
        }
        return paths;
    }

    private int domainNumber(XenStore store) throws IOException, DiskException {
        if (domain.matches("[0-9]{1,5}")) {
            return Integer.parseInt(domain);
        }
        int found = -1;
        for (String number : store.list("/local/domain")) {
            if (number.matches("[0-9]{1,5}") && domain.equals(store.read("/local/domain/" + number + "/name"))) {
                if (found >= 0) {
                    // a migration has both for a moment
                    throw new DiskException(
                            Reason.BUSY,
                            "domains " + found + " and " + number + " are both called " + domain + "; give the number");
                }
                found = Integer.parseInt(number);
            }
        }
        if (found < 0) {
            throw new DiskException(Reason.NOT_FOUND, "no domain is called '" + domain + "'; xl list shows them");
        }
        return found;
    }

    /** Whether this names the same device, with the domain's name or number as it was given. */
    boolean isSame(DomainDevice other) {
        return domain.equals(other.domain) && device == other.device && type.equals(other.type);
    }

    /** Whether this names that device, as far as can be said without asking for the domain's name. */
    boolean mayBe(DevicePaths paths) {
        return device == paths.device()
                && type.equals(paths.type())
                && (!domain.matches("[0-9]{1,5}") || Integer.parseInt(domain) == paths.domain());
    }

    /** The text that names it again, by the domain's number. */
    String shown(int domainNumber) {
        return shown(Integer.toString(domainNumber));
    }

    /** The text that names it as it was given. */
    String shown() {
        return shown(domain);
    }

    private String shown(String domainText) {
        return "xen:" + domainText + "/" + name + (type.equals(TYPE) ? "" : ",backend=" + type)
                + (access.cdrom() ? ",devtype=cdrom" : "") + (access.writable() || access.cdrom() ? "" : ",access=ro");
    }
}
