package org.blktap.node.xen;

/**
 * How this daemon names its attachments in XenStore, where other instances of the daemon name theirs: an instance that
 * is not the default one puts its name and a slash before the id, which neither of them contains.
 *
 * @param instance the name of this instance, empty for the default one
 */
record Claimant(String instance) {
    static final Claimant DEFAULT = new Claimant("");

    /** Names an attachment of this instance. */
    String name(String attachment) {
        return instance.isEmpty() ? attachment : instance + "/" + attachment;
    }

    /** The attachment that a name in XenStore means; null if it is not this instance's. */
    String attachment(String name) {
        int slash = name.indexOf('/');
        String of = slash < 0 ? "" : name.substring(0, slash);
        return of.equals(instance) ? name.substring(slash + 1) : null;
    }
}
