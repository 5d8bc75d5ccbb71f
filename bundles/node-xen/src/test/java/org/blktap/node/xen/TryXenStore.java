package org.blktap.node.xen;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Tries {@link XenStoreRules} on the XenStore of this machine, for the lab: exit status 0 if it keeps them. */
final class TryXenStore {
    private TryXenStore() {}

    public static void main(String[] arguments) throws Exception {
        CompletableFuture<XenStore> connected = new CompletableFuture<>();
        try (XenStoreConnection connection = new XenStoreConnection()) {
            connection.listen(new XenStoreListener() {
                @Override
                public void onConnected(XenStore store) {
                    connected.complete(store);
                }

                @Override
                public void onLost() {
                    System.out.println("lost");
                }
            });
            XenStore store = connected.get(120, TimeUnit.SECONDS);
            System.out.println("domain " + store.domainId() + ", domains " + store.list("/local/domain"));
            new XenStoreRules(store, XenStoreRules::until).all();
            System.out.println("the rules are kept");
        }
        System.out.println("closed");
    }
}
