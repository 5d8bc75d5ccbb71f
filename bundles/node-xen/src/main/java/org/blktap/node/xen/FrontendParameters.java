package org.blktap.node.xen;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.Printable;
import org.blktap.ring.Abi;

/**
 * What a frontend has written of itself, checked: Xen's public io/blkif.h, "Frontend XenBus Nodes".
 *
 * @param domain the frontend's
 * @param persistent whether it uses the same pages again and again
 */
record FrontendParameters(int domain, Abi abi, boolean persistent, List<Queue> queues) {
    /** A ring of up to {@link Abi#PAGES_MAX} pages. */
    static final int PAGE_ORDER_MAX = 4;
    /** Characters that a message shows of what a guest wrote. */
    private static final int SHOWN = 40;
    /** A grant reference or port has 32 bits. */
    private static final long NUMBER_MAX = 0xffffffffL;

    /**
     * One ring.
     *
     * @param ringRefs the grant references of its pages
     * @param eventChannel the frontend's port
     */
    record Queue(List<Integer> ringRefs, int eventChannel) {}

    /** @throws IOException naming the node, its value and what was expected */
    static FrontendParameters read(XenStore store, String frontend, int domain, int queuesMax) throws IOException {
        Abi abi;
        String protocol = store.read(frontend + "/protocol");
        try {
            abi = Abi.of(protocol);
        } catch (IllegalArgumentException e) {
            // its message has what the guest wrote, at any length
            throw new IOException(frontend + "/protocol is \"" + Printable.of(protocol, SHOWN)
                    + "\", expected x86_64-abi, x86_32-abi or arm-abi");
        }
        boolean persistent = number(store, frontend + "/feature-persistent", 0, 1, 0L) == 1;
        int queueCount = (int) number(store, frontend + "/multi-queue-num-queues", 1, queuesMax, 1L);
        List<Queue> queues = new ArrayList<>();
        for (int i = 0; i < queueCount; i++) {
            // the nodes of a single queue have no directory of their own
            queues.add(queue(store, frontend, queueCount == 1 ? frontend : frontend + "/queue-" + i));
        }
        return new FrontendParameters(domain, abi, persistent, List.copyOf(queues));
    }

    private static Queue queue(XenStore store, String frontend, String path) throws IOException {
        List<Integer> refs = new ArrayList<>();
        int pages = pages(store, frontend);
        if (pages == 0) {
            refs.add((int) number(store, path + "/ring-ref", 0, NUMBER_MAX, null));
        }
        for (int i = 0; i < pages; i++) {
            refs.add((int) number(store, path + "/ring-ref" + i, 0, NUMBER_MAX, null));
        }
        return new Queue(List.copyOf(refs), (int) number(store, path + "/event-channel", 0, Integer.MAX_VALUE, null));
    }

    /** The pages of each ring; 0 where the frontend knows of only one, and names that without a number. */
    private static int pages(XenStore store, String frontend) throws IOException {
        String order = frontend + "/ring-page-order";
        if (store.read(order) != null) {
            return 1 << number(store, order, 0, PAGE_ORDER_MAX, null);
        }
        // the older way to say it
        String pages = frontend + "/num-ring-pages";
        if (store.read(pages) == null) {
            return 0;
        }
        int count = (int) number(store, pages, 1, Abi.PAGES_MAX, null);
        if (Integer.bitCount(count) != 1) {
            throw new IOException(pages + " is " + count + ", expected a power of two");
        }
        return count == 1 ? 0 : count;
    }

    /** A number in a node. {@code absent} is what it is without the node, or null when that is an error. */
    private static long number(XenStore store, String path, long least, long most, Long absent) throws IOException {
        String text = store.read(path);
        if (text == null) {
            if (absent == null) {
                throw new IOException(path + " is absent, expected a number");
            }
            return absent;
        }
        if (text.matches("[0-9]{1,10}")) {
            long value = Long.parseLong(text);
            if (value >= least && value <= most) {
                return value;
            }
        }
        throw new IOException(
                path + " is \"" + Printable.of(text, SHOWN) + "\", expected a number from " + least + " to " + most);
    }
}
