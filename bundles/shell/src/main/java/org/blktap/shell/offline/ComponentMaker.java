package org.blktap.shell.offline;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.blktap.shell.offline.Description.Reference;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;

/**
 * Makes one component as its description says: constructor, fields, bind methods, activate. What only a framework can
 * give (ComponentContext) is refused.
 */
final class ComponentMaker {
    private final LocalServices services;
    private final LocalBundle bundle;
    private final Description description;

    ComponentMaker(LocalServices services, LocalBundle bundle, Description description) {
        this.services = services;
        this.bundle = bundle;
        this.description = description;
    }

    /** The component, or null if a service that it must have is not there. */
    Object make() throws ReflectiveOperationException {
        for (Reference reference : description.references) {
            if (!reference.optional() && services.of(reference).isEmpty()) {
                return null;
            }
        }
        Class<?> type = bundle.loader().loadClass(description.implementation());
        Object component = construct(type);
        for (Reference reference : description.references) {
            if (reference.get("field") != null) {
                Field field = type.getDeclaredField(reference.get("field"));
                field.setAccessible(true);
                field.set(component, injected(reference, field.getType()));
            }
            if (reference.get("bind") != null) {
                List<LocalService> found = services.of(reference);
                for (LocalService each : reference.multiple() ? found : found.subList(0, Math.min(1, found.size()))) {
                    bind(component, method(type, reference.get("bind"), reference.type()), each);
                }
            }
        }
        activate(type, component);
        return component;
    }

    private Object construct(Class<?> type) throws ReflectiveOperationException {
        int parameters = Integer.parseInt(description.get("init", "0"));
        for (Constructor<?> each : type.getDeclaredConstructors()) {
            if (each.getParameterCount() == parameters
                    && (parameters > 0 || java.lang.reflect.Modifier.isPublic(each.getModifiers()))) {
                each.setAccessible(true);
                Object[] arguments = new Object[parameters];
                for (int i = 0; i < parameters; i++) {
                    String place = Integer.toString(i);
                    Class<?> wanted = each.getParameterTypes()[i];
                    Reference reference = description.references.stream()
                            .filter(r -> place.equals(r.get("parameter")))
                            .findFirst()
                            .orElse(null);
                    arguments[i] = reference == null ? surroundings(wanted) : injected(reference, wanted);
                }
                return each.newInstance(arguments);
            }
        }
        throw new NoSuchMethodException(type.getName() + ": no constructor of " + parameters + " parameters");
    }

    private Object injected(Reference reference, Class<?> wanted) {
        List<LocalService> found = services.of(reference);
        if (Collection.class.isAssignableFrom(wanted)) {
            return found.stream().map(LocalService::object).toList();
        }
        return found.isEmpty()
                ? null
                : wanted == ServiceReference.class ? found.get(0) : found.get(0).object();
    }

    /** What a component may ask for besides services. */
    private Object surroundings(Class<?> wanted) {
        if (wanted == BundleContext.class) {
            return services.context(bundle);
        }
        if (wanted == Map.class) {
            return properties();
        }
        if (wanted.isAnnotation()) {
            return ComponentProperties.of(wanted, properties());
        }
        throw new UnsupportedOperationException(
                description.implementation() + " needs the daemon, for " + wanted.getName());
    }

    /** The properties of the description and of the configuration. */
    Map<String, Object> properties() {
        Map<String, Object> all = description.all();
        for (String pid : description.get("configuration-pid", "$").split(" ")) {
            all.putAll(
                    services.configured(pid.equals("$") ? description.get("name", description.implementation()) : pid));
        }
        return all;
    }

    private static Method method(Class<?> type, String name, String service) throws NoSuchMethodException {
        for (Class<?> at = type; at != null; at = at.getSuperclass()) {
            for (Method each : at.getDeclaredMethods()) {
                if (each.getName().equals(name) && (service == null || each.getParameterCount() > 0)) {
                    each.setAccessible(true);
                    return each;
                }
            }
        }
        throw new NoSuchMethodException(type.getName() + "." + name);
    }

    private static void bind(Object component, Method method, LocalService service)
            throws ReflectiveOperationException {
        Object[] arguments = Arrays.stream(method.getParameterTypes())
                .map(each -> each == ServiceReference.class
                        ? service
                        : each == Map.class ? service.properties() : service.object())
                .toArray();
        method.invoke(component, arguments);
    }

    private void activate(Class<?> type, Object component) throws ReflectiveOperationException {
        String named = description.get("activate", null);
        // a constructor that takes services is the activation
        if (named == null && description.get("init", null) != null) {
            return;
        }
        Method method;
        try {
            method = method(type, named == null ? "activate" : named, null);
        } catch (NoSuchMethodException e) {
            if (named == null) {
                return;
            }
            throw e;
        }
        try {
            method.invoke(
                    component,
                    Arrays.stream(method.getParameterTypes())
                            .map(this::surroundings)
                            .toArray());
        } catch (InvocationTargetException e) {
            throw new ReflectiveOperationException(e.getCause().toString(), e.getCause());
        }
    }
}
