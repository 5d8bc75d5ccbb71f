package org.blktap.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Dictionary;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.condition.Condition;

class PrerequisiteTest {
    /** The services that are registered, as their interface and properties. */
    private final List<String> registered = new ArrayList<>();

    private Object service;
    private final BundleContext context = (BundleContext) Proxy.newProxyInstance(
            getClass().getClassLoader(), new Class<?>[] {BundleContext.class}, (proxy, method, arguments) -> {
                assertEquals("registerService", method.getName());
                Dictionary<?, ?> properties = (Dictionary<?, ?>) arguments[2];
                String text = ((Class<?>) arguments[0]).getSimpleName() + " " + properties.get("osgi.condition.id")
                        + " " + properties.get("reason");
                registered.add(text);
                service = arguments[1];
                return Proxy.newProxyInstance(
                        getClass().getClassLoader(),
                        new Class<?>[] {ServiceRegistration.class},
                        (p, m, a) -> registered.remove(text));
            });
    private final Prerequisite library = new Prerequisite(context, "org.example.library");

    @Test
    void itIsPresentOrAbsentNeverBoth() {
        assertEquals(List.of(), registered);
        library.absent("lib.so.1: not found");
        assertEquals(List.of("Condition org.example.library.absent lib.so.1: not found"), registered);
        library.absent("lib.so.1: too old");
        assertEquals(List.of("Condition org.example.library.absent lib.so.1: too old"), registered);
        library.present();
        assertEquals(List.of("Condition org.example.library null"), registered);
        assertSame(Condition.INSTANCE, service);
        library.close();
        library.close();
        assertEquals(List.of(), registered);
    }

    @Test
    void itMayBeAServiceThatIsUsed() {
        library.present(Runnable.class, registered::clear);
        assertEquals(List.of("Runnable org.example.library null"), registered);
    }
}
