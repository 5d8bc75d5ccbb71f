package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Dictionary;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.blktap.api.settings.Instance;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;

/** What the node kind's component depends on, as it comes and goes with XenStore. */
@Timeout(180)
class XenNodesTest {
    @TempDir
    Path directory;

    private final Set<String> registered = ConcurrentHashMap.newKeySet();
    private final BlockingQueue<String> news = new LinkedBlockingQueue<>();
    private final BlockingQueue<FakeXsLibrary> opened = new LinkedBlockingQueue<>();
    private final BundleContext context = proxy(BundleContext.class, arguments -> {
        Dictionary<?, ?> properties = (Dictionary<?, ?>) arguments[2];
        String service = ((Class<?>) arguments[0]).getSimpleName() + " " + properties.get("osgi.condition.id") + ": "
                + properties.get("reason");
        registered.add(service);
        news.add(service);
        return proxy(ServiceRegistration.class, any -> registered.remove(service));
    });

    private interface Call {
        Object of(Object[] arguments);
    }

    private static <T> T proxy(Class<T> type, Call call) {
        return type.cast(
                Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                    Object result = call.of(arguments);
                    return method.getReturnType() == void.class ? null : result;
                }));
    }

    private FakeXsLibrary open() {
        FakeXsLibrary library = new FakeXsLibrary();
        opened.add(library);
        return library;
    }

    private void next(String service) throws Exception {
        assertEquals(service, news.poll(120, TimeUnit.SECONDS));
        assertTrue(registered.size() <= 1, "one at a time");
    }

    @Test
    void thereIsAnOpenerOrAReasonWhyNot() throws Exception {
        Path socket = directory.resolve("socket");
        try (XenStoreConnection connection =
                new XenStoreConnection(new XenStorePlaces(List.of(socket)), this::open, 10)) {
            XenConfiguration configuration = new XenConfiguration(TestHost.class.getAnnotation(XenSettings.class));
            ToolstackRole role = new ToolstackRole(new Instance("", false, true, directory, directory), configuration);
            XenNodes nodes = new XenNodes(context, connection, configuration, role);
            String absent = "Condition org.blktap.xenstore.absent: there is no XenStore on this machine (none of "
                    + socket + " exists); Xen guests are served once there is";
            next(absent);
            Files.createFile(socket);
            next("NodeOpener org.blktap.xenstore: null");
            Files.delete(socket);
            opened.take().lose();
            next("Condition org.blktap.xenstore.absent: the connection to XenStore is lost");
            next(absent);
            nodes.stop();
            role.stop();
            assertEquals(Set.of(), registered);
        }
    }
}
