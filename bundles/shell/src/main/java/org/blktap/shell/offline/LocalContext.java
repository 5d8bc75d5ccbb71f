package org.blktap.shell.offline;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Collections;
import java.util.Dictionary;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.blktap.shell.launch.LaunchOptions;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;

/** What a bundle can do with its context where there is no framework: register services, find them, read properties. */
final class LocalContext {
    private LocalContext() {}

    static BundleContext of(LocalServices services, String bundle) {
        return (BundleContext) Proxy.newProxyInstance(
                LocalContext.class.getClassLoader(),
                new Class<?>[] {BundleContext.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "registerService" -> registration(services, register(services, arguments));
                    case "getServiceReference" ->
                        services.of(name(arguments[0])).stream().findFirst().orElse(null);
                    case "getService" -> ((LocalService) arguments[0]).object();
                    case "ungetService" -> true;
                    case "getProperty" -> LaunchOptions.property((String) arguments[0]);
                    case "hashCode" -> System.identityHashCode(proxy);
                    case "equals" -> proxy == arguments[0];
                    case "toString" -> bundle;
                    default -> throw needsFramework(method, bundle);
                });
    }

    private static UnsupportedOperationException needsFramework(Method method, String bundle) {
        return new UnsupportedOperationException(
                bundle + " needs the daemon: " + method.getName() + " of its context is of the framework");
    }

    private static LocalService register(LocalServices services, Object[] arguments) {
        Set<String> interfaces = arguments[0] instanceof String[] names ? Set.of(names) : Set.of(name(arguments[0]));
        Map<String, Object> properties = new HashMap<>();
        if (arguments[2] instanceof Dictionary<?, ?> given) {
            for (Object key : Collections.list(given.keys())) {
                properties.put(key.toString(), given.get(key));
            }
        }
        return services.register(arguments[1], interfaces, properties);
    }

    private static String name(Object type) {
        return type instanceof Class<?> known ? known.getName() : String.valueOf(type);
    }

    private static ServiceRegistration<?> registration(LocalServices services, LocalService service) {
        return (ServiceRegistration<?>) Proxy.newProxyInstance(
                LocalContext.class.getClassLoader(),
                new Class<?>[] {ServiceRegistration.class},
                (proxy, method, arguments) -> {
                    switch (method.getName()) {
                        case "getReference" -> {
                            return service;
                        }
                        case "unregister" -> services.unregister(service);
                        default -> {
                            return List.of("hashCode", "equals").contains(method.getName())
                                    ? method.invoke(service, arguments)
                                    : null;
                        }
                    }
                    return null;
                });
    }
}
