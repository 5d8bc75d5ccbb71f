package org.blktap.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.blktap.api.metrics.MetricSource;
import org.blktap.api.testkit.Eventually;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;

/** Sources that throw, hang, come and go. */
@Timeout(120)
class SourcesTest {
    private final Map<ServiceReference<?>, MetricSource> registered = new LinkedHashMap<>();
    private final AtomicInteger held = new AtomicInteger();
    private final Sources sources = new Sources(make(BundleContext.class, (proxy, method, arguments) -> {
        switch (method.getName()) {
            case "getServiceReferences":
                return registered.keySet();
            case "getService":
                held.incrementAndGet();
                return registered.get(arguments[0]);
            default:
                held.decrementAndGet();
                return true;
        }
    }));

    private static <T> T make(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }

    private ServiceReference<?> register(String bundle, MetricSource source) {
        Bundle of = make(Bundle.class, (proxy, method, arguments) -> bundle);
        ServiceReference<?> reference =
                make(ServiceReference.class, (proxy, method, arguments) -> switch (method.getName()) {
                    case "getBundle" -> of;
                    case "equals" -> proxy == arguments[0];
                    default -> System.identityHashCode(of);
                });
        registered.put(reference, source);
        return reference;
    }

    @AfterEach
    void close() {
        sources.close();
    }

    @Test
    void oneThatThrowsIsLeftOutAndNamed() {
        register("good", sink -> sink.gauge("blktap_g", "", 1));
        register("bad", sink -> {
            sink.gauge("blktap_h", "", 1);
            throw new IllegalStateException("meant to fail");
        });
        Sources.Answers answers = sources.ask();
        assertEquals(Map.of("good", false, "bad", true), answers.failed());
        assertEquals(1, answers.samples().size());
        assertEquals(0, held.get());
    }

    @Test
    void oneThatHangsIsNotAskedAgainUntilItReturns() throws Exception {
        CountDownLatch hang = new CountDownLatch(1);
        AtomicInteger asked = new AtomicInteger();
        register("good", sink -> sink.gauge("blktap_g", "", 1));
        register("hangs", sink -> {
            asked.incrementAndGet();
            try {
                hang.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        for (int i = 0; i < 3; i++) {
            Sources.Answers answers = sources.ask();
            assertEquals(Map.of("good", false, "hangs", true), answers.failed());
            assertEquals(1, answers.samples().size());
        }
        assertEquals(1, asked.get());
        hang.countDown();
        Eventually.holds("it is asked again", () -> {
            sources.ask();
            return asked.get() > 1;
        });
    }

    @Test
    void theyComeAndGo() {
        assertTrue(sources.ask().samples().isEmpty());
        ServiceReference<?> reference = register("good", sink -> sink.gauge("blktap_g", "", 1));
        assertEquals(1, sources.ask().samples().size());
        registered.remove(reference);
        assertTrue(sources.ask().failed().isEmpty());
    }
}
