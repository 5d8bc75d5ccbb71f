package org.blktap.shell.launch;

import java.lang.System.Logger.Level;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;

/** Handles SIGHUP, which would end the process otherwise. By {@code sun.misc.Signal}, which no other API replaces. */
final class HangUp {
    private HangUp() {}

    /**
     * Runs a task at each SIGHUP, on a thread of the JVM. A process that was started to ignore the signal still ignores
     * it.
     */
    static void handle(Runnable task) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal", true, ClassLoader.getPlatformClassLoader());
            Class<?> handler = Class.forName("sun.misc.SignalHandler", true, ClassLoader.getPlatformClassLoader());
            InvocationHandler call = (proxy, method, arguments) -> switch (method.getName()) {
                case "handle" -> {
                    task.run();
                    yield null;
                }
                case "equals" -> proxy == arguments[0];
                case "hashCode" -> System.identityHashCode(proxy);
                default -> "reads the settings again";
            };
            signal.getMethod("handle", signal, handler)
                    .invoke(
                            null,
                            signal.getConstructor(String.class).newInstance("HUP"),
                            Proxy.newProxyInstance(HangUp.class.getClassLoader(), new Class<?>[] {handler}, call));
        } catch (ReflectiveOperationException | RuntimeException e) {
            System.getLogger("org.blktap").log(Level.INFO, "SIGHUP does not read the settings again: " + e);
        }
    }
}
