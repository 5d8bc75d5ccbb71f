package org.blktap.shell.offline;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An object of a component property type, whose methods return a component's properties (OSGi Compendium, chapter
 * 112.8.2).
 */
final class ComponentProperties {
    /**
     * Escapes in a method's name for characters that a name in Java cannot have, or that have another meaning there.
     */
    private static final Pattern ESCAPES = Pattern.compile("\\$_\\$|\\$\\$|\\$|__|_");

    private ComponentProperties() {}

    static Object of(Class<?> type, Map<String, Object> properties) {
        return Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> switch (method.getName()) {
                    case "annotationType" -> type;
                    case "hashCode" -> System.identityHashCode(proxy);
                    case "equals" -> proxy == arguments[0];
                    case "toString" -> type.getName();
                    default -> value(method, properties.get(key(method.getName())));
                });
    }

    /**
     * Returns the property of a method: {@code drain_seconds} is {@code drain.seconds}, {@code log$_$memory} is
     * {@code log-memory}.
     */
    static String key(String method) {
        return ESCAPES.matcher(method)
                .replaceAll(found -> Matcher.quoteReplacement(
                        switch (found.group()) {
                            case "$_$" -> "-";
                            case "$$" -> "$";
                            case "__" -> "_";
                            case "_" -> ".";
                            default -> "";
                        }));
    }

    private static Object value(Method method, Object found) {
        Class<?> wanted = method.getReturnType();
        if (found == null) {
            return method.getDefaultValue();
        }
        if (wanted == String[].class) {
            return found instanceof String[]
                    ? found
                    : found instanceof List<?> all
                            ? all.stream().map(String::valueOf).toArray(String[]::new)
                            : new String[] {found.toString()};
        }
        if (found instanceof Number number) {
            return wanted == long.class
                    ? (Object) number.longValue()
                    : wanted == int.class ? (Object) number.intValue() : number;
        }
        if (Set.of(boolean.class, String.class).contains(wanted)) {
            return found;
        }
        throw new UnsupportedOperationException("a property of type " + wanted.getName() + " needs the daemon");
    }
}
