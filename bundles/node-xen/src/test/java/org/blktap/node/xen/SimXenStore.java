package org.blktap.node.xen;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Executor;
import org.blktap.api.engine.Errno;

/**
 * XenStore in memory, with the rules of xenstored (the C program, Xen 4.17):
 *
 * <ul>
 *   <li>A write makes missing parents. Removing a node removes everything below it.
 *   <li>A watch fires when it is set, when its node or a node below changes, and when its node is removed with a
 *       parent.
 *   <li>A new node has its parent's permissions, but a guest owns the nodes it makes.
 *   <li>A guest sees and changes only nodes whose permissions allow it.
 *   <li>A transaction fails if others have changed what it used.
 * </ul>
 *
 * <p>One object is the view of one domain, {@link #asDomain} gives those of others. Watches run on the given executor.
 */
final class SimXenStore implements XenStore {
    private static final int TRANSACTION_TRIES = 64;

    /** {@code others} and {@code may} are bits {@link #READ} and {@link #WRITE}. */
    private record Node(String value, int owner, int others, Map<Integer, Integer> may) {
        boolean allows(int domain, int what) {
            return domain == 0 || domain == owner || (may.getOrDefault(domain, others) & what) == what;
        }
    }

    private static final int READ = 1;
    private static final int WRITE = 2;

    /** What all views share; also the lock. */
    private static final class Shared {
        final List<SimWatch> watches = new ArrayList<>();
        TreeMap<String, Node> nodes = new TreeMap<>();
        int conflicts;
        int commits;
        boolean lost;
    }

    private static final class SimWatch {
        final SimXenStore of;
        final String path;
        final Runnable changed;
        boolean queued;
        boolean closed;

        SimWatch(SimXenStore of, String path, Runnable changed) {
            this.of = of;
            this.path = path;
            this.changed = changed;
        }

        /** Called with the lock held. */
        void fire() {
            if (!queued && !closed) {
                queued = true;
                of.bus.execute(this::run);
            }
        }

        private void run() {
            synchronized (of.shared) {
                queued = false;
                if (closed || of.shared.lost) {
                    return;
                }
            }
            changed.run();
        }
    }

    /** A transaction under way: it sees and changes {@code nodes}. */
    private static final class Transaction {
        final TreeMap<String, Node> before;
        final TreeMap<String, Node> nodes;
        final Set<String> used = new HashSet<>();
        final Set<String> listed = new HashSet<>();
        final List<Runnable> events = new ArrayList<>();

        Transaction(TreeMap<String, Node> now) {
            before = new TreeMap<>(now);
            nodes = new TreeMap<>(now);
        }
    }

    private final Shared shared;
    private final int domain;
    private final Executor bus;
    private final Transaction tx;

    private SimXenStore(Shared shared, int domain, Executor bus, Transaction tx) {
        this.shared = shared;
        this.domain = domain;
        this.bus = bus;
        this.tx = tx;
    }

    /** An empty store, as domain 0 sees it. */
    SimXenStore(Executor bus) {
        this(new Shared(), 0, bus, null);
        shared.nodes.put("/", new Node("", 0, READ, Map.of()));
    }

    /** The same store as another domain sees it; its watches run on the same executor. */
    SimXenStore asDomain(int domid) {
        return asDomain(domid, bus);
    }

    SimXenStore asDomain(int domid, Executor watchesOn) {
        return new SimXenStore(shared, domid, watchesOn, null);
    }

    /** The same store as another process of the same domain sees it. */
    SimXenStore asProcess(Executor itsBus) {
        return new SimXenStore(shared, domain, itsBus, null);
    }

    /** xenstored forgets the watches of a process that has died. */
    void forgetWatches() {
        synchronized (shared) {
            shared.watches.removeIf(watch -> watch.of == this);
        }
    }

    /** The next {@code count} transactions that would succeed are refused as conflicts. */
    void injectConflicts(int count) {
        synchronized (shared) {
            shared.conflicts = count;
        }
    }

    /** Transactions that have been committed. */
    int commits() {
        synchronized (shared) {
            return shared.commits;
        }
    }

    /** From now on every call fails, in all views. */
    void lose() {
        synchronized (shared) {
            shared.lost = true;
        }
    }

    /** Watches that are set, of all domains. */
    int watches() {
        synchronized (shared) {
            return shared.watches.size();
        }
    }

    /** As libxl and xenstore-ls write them: {@code n0,r5}. */
    String permissionsOf(String path) {
        synchronized (shared) {
            Node node = shared.nodes.get(absolute(path));
            StringBuilder all = new StringBuilder(letter(node.others)).append(node.owner);
            new TreeMap<>(node.may)
                    .forEach((domid, what) ->
                            all.append(',').append(letter(what)).append(domid));
            return all.toString();
        }
    }

    private static String letter(int what) {
        return new String[] {"n", "r", "w", "b"}[what];
    }

    /** All nodes that have a value, for messages of failed tests. */
    @Override
    public String toString() {
        synchronized (shared) {
            StringBuilder all = new StringBuilder();
            nodes().forEach((path, node) ->
                    all.append(node.value.isEmpty() ? "" : path + " = \"" + node.value + "\"\n"));
            return all.toString();
        }
    }

    @Override
    public int domainId() {
        return domain;
    }

    @Override
    public String read(String path) throws IOException {
        synchronized (shared) {
            String at = begin(path);
            use(at);
            Node node = nodes().get(at);
            allow("read", at, READ);
            return node == null ? null : node.value;
        }
    }

    @Override
    public List<String> list(String path) throws IOException {
        synchronized (shared) {
            String at = begin(path);
            use(at);
            if (tx != null) {
                tx.listed.add(at);
            }
            allow("list", at, READ);
            return new ArrayList<>(children(nodes(), at));
        }
    }

    @Override
    public void write(String path, String value) throws IOException {
        synchronized (shared) {
            String at = begin(path);
            XsText.value(path, value);
            use(at);
            allow("write", at, WRITE);
            Node old = nodes().get(at);
            Node like = old != null ? old : inherited(at);
            for (String parent = parent(at); !nodes().containsKey(parent); parent = parent(parent)) {
                nodes().put(parent, new Node("", like.owner, like.others, like.may));
            }
            nodes().put(at, new Node(value, like.owner, like.others, like.may));
            changed(at);
        }
    }

    /** The permissions of a new node: those of its nearest parent, but a guest owns what it makes. */
    private Node inherited(String path) {
        Node like = nodes().get(nearest(path));
        return domain == 0 ? like : new Node("", domain, like.others, like.may);
    }

    @Override
    public void remove(String path) throws IOException {
        synchronized (shared) {
            String at = begin(path);
            use(at);
            allow("remove", at, WRITE);
            if (at.equals("/")) {
                throw new XenStoreException("remove", at, Errno.EINVAL);
            }
            if (nodes().containsKey(at)) {
                Set<String> gone = new TreeSet<>(Set.of(at));
                gone.addAll(nodes().subMap(at + "/", at + "0").keySet());
                Map<String, Node> were = new TreeMap<>();
                gone.forEach(p -> were.put(p, nodes().remove(p)));
                gone.forEach(this::use);
                event(() -> shared.watches.forEach(w -> {
                    if (isAtOrBelow(at, w.path) && were.get(at).allows(w.of.domain, READ)
                            || were.containsKey(w.path) && were.get(w.path).allows(w.of.domain, READ)) {
                        w.fire();
                    }
                }));
            }
        }
    }

    @Override
    public void permissions(String path, int owner, int reader) throws IOException {
        synchronized (shared) {
            String at = begin(path);
            use(at);
            Node node = nodes().get(at);
            if (node == null) {
                throw new XenStoreException("set permissions", at, Errno.ENOENT);
            }
            if (domain != 0 && domain != node.owner) {
                throw new XenStoreException("set permissions", at, Errno.EACCES);
            }
            nodes().put(at, new Node(node.value, owner, 0, Map.of(reader, READ)));
            changed(at);
        }
    }

    @Override
    public void transaction(Change change) throws IOException {
        if (tx != null) {
            throw new IllegalStateException("a transaction within a transaction");
        }
        for (int i = 0; i < TRANSACTION_TRIES; i++) {
            SimXenStore attempt = startTransaction();
            change.apply(attempt);
            if (attempt.commit()) {
                return;
            }
        }
        throw new XenStoreException("commit", "a transaction", Errno.EAGAIN);
    }

    /** The view of a new transaction, which ends by {@link #commit} or by being forgotten. */
    SimXenStore startTransaction() throws IOException {
        synchronized (shared) {
            begin("/");
            return new SimXenStore(shared, domain, bus, new Transaction(shared.nodes));
        }
    }

    /** Makes what this transaction has changed seen by all; false when others changed what it used. */
    boolean commit() throws IOException {
        synchronized (shared) {
            begin("/");
            if (conflicts(tx)) {
                return false;
            }
            commit(tx);
            return true;
        }
    }

    private boolean conflicts(Transaction t) {
        if (shared.conflicts > 0) {
            shared.conflicts--;
            return true;
        }
        return t.used.stream().anyMatch(p -> t.before.get(p) != shared.nodes.get(p))
                || t.listed.stream().anyMatch(p -> !children(t.before, p).equals(children(shared.nodes, p)));
    }

    private void commit(Transaction t) {
        Set<String> paths = new TreeSet<>(t.before.keySet());
        paths.addAll(t.nodes.keySet());
        for (String path : paths) {
            Node now = t.nodes.get(path);
            if (now != t.before.get(path)) {
                if (now == null) {
                    shared.nodes.remove(path);
                } else {
                    shared.nodes.put(path, now);
                }
            }
        }
        shared.commits++;
        t.events.forEach(Runnable::run);
    }

    @Override
    public Watch watch(String path, Runnable changed) throws IOException {
        if (tx != null) {
            throw new IllegalStateException("a watch within a transaction");
        }
        synchronized (shared) {
            SimWatch watch = new SimWatch(this, begin(path), changed);
            shared.watches.add(watch);
            watch.fire();
            return () -> {
                synchronized (shared) {
                    watch.closed = true;
                    shared.watches.remove(watch);
                }
            };
        }
    }

    /** The absolute path, of a call that may be made. */
    private String begin(String path) throws IOException {
        if (shared.lost) {
            throw new XenStoreException("call", path, Errno.EBADF);
        }
        return absolute(XsText.path(path));
    }

    private String absolute(String path) {
        return path.startsWith("/") ? path : "/local/domain/" + domain + "/" + path;
    }

    private TreeMap<String, Node> nodes() {
        return tx == null ? shared.nodes : tx.nodes;
    }

    private void use(String path) {
        if (tx != null) {
            tx.used.add(path);
        }
    }

    private void allow(String verb, String path, int what) throws IOException {
        if (!nodes().get(nearest(path)).allows(domain, what)) {
            throw new XenStoreException(verb, path, Errno.EACCES);
        }
    }

    /** The node itself, or the nearest parent that exists. */
    private String nearest(String path) {
        String at = path;
        while (!nodes().containsKey(at)) {
            at = parent(at);
        }
        return at;
    }

    private void changed(String path) {
        event(() -> shared.watches.forEach(w -> {
            Node node = shared.nodes.get(path);
            if (isAtOrBelow(path, w.path) && (node == null || node.allows(w.of.domain, READ))) {
                w.fire();
            }
        }));
    }

    private void event(Runnable fire) {
        if (tx == null) {
            fire.run();
        } else {
            tx.events.add(fire);
        }
    }

    private static boolean isAtOrBelow(String path, String top) {
        return path.equals(top) || top.equals("/") || path.startsWith(top + "/");
    }

    private static String parent(String path) {
        int slash = path.lastIndexOf('/');
        return slash <= 0 ? "/" : path.substring(0, slash);
    }

    private static Set<String> children(TreeMap<String, Node> nodes, String path) {
        String prefix = path.equals("/") ? "/" : path + "/";
        Set<String> names = new TreeSet<>();
        for (String p : nodes.tailMap(prefix, false).keySet()) {
            if (!p.startsWith(prefix)) {
                break;
            }
            names.add(p.substring(prefix.length()).split("/")[0]);
        }
        return names;
    }
}
