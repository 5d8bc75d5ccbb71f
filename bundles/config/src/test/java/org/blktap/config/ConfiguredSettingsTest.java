package org.blktap.config;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.cm.ConfigurationAdmin;

/** Reactions to bundles that come and go; ConfigIT tests the whole. */
class ConfiguredSettingsTest {
    private static final String DESCRIPTION =
            "<MetaData><OCD id='a'><AD id='count' type='Integer' default='5'/></OCD><Designate pid='x.bundle'><Object ocdref='a'/></Designate></MetaData>";

    @TempDir
    Path directory;

    private interface Answer {
        Object to(Method method, Object[] arguments) throws Throwable;
    }

    private static <T> T fake(Class<T> type, Answer answer) {
        InvocationHandler handler = (proxy, method, arguments) -> switch (method.getName()) {
            case "hashCode" -> System.identityHashCode(proxy);
            case "equals" -> proxy == arguments[0];
            default -> answer.to(method, arguments);
        };
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }

    /** A thread that resolves a bundle has the framework's lock, and notifies of it. */
    @Test
    void noBundleIsResolvedToLookForSettings() throws Exception {
        Path file = Files.writeString(directory.resolve("a.xml"), DESCRIPTION);
        Bundle installed = fake(Bundle.class, (method, arguments) -> switch (method.getName()) {
            case "getSymbolicName" -> "x.bundle";
            case "getState" -> Bundle.INSTALLED;
            case "getEntryPaths" ->
                Collections.enumeration(List.of("OSGI-INF/metatype/a.xml", "OSGI-INF/metatype/l10n/"));
            case "getEntry" -> file.toUri().toURL();
            default -> throw new AssertionError(method.getName() + " may resolve the bundle");
        });
        Bundle going = fake(Bundle.class, (method, arguments) -> switch (method.getName()) {
            case "getSymbolicName" -> "gone.bundle";
            case "getState" -> Bundle.UNINSTALLED;
            default -> throw new IllegalStateException("the bundle is uninstalled");
        });
        BundleContext context = fake(
                BundleContext.class,
                (method, arguments) -> method.getName().equals("getBundles")
                        ? new Bundle[] {going, installed}
                        : method.getName().equals("getBundle") ? installed : null);
        ConfigurationAdmin admin = fake(ConfigurationAdmin.class, (method, arguments) -> null);
        ConfiguredSettings settings =
                new ConfiguredSettings(context, admin, () -> Map.of("x.bundle", Map.of("cuont", true)), "a.json", "");
        settings.start();
        assertEquals(
                List.of("a.json: x.bundle: cuont: there is no such setting; there are count"), settings.problems());
        settings.reload();
        assertEquals(
                List.of("count"),
                settings.values().stream().map(each -> each.setting().key()).toList());
    }
}
