package org.blktap.node.xen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Proxy;
import java.nio.file.Path;
import org.blktap.api.settings.Instance;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ToolstackRoleTest {
    @TempDir
    Path directory;

    private ToolstackRole role(String instance, String setting) {
        XenSettings defaults = TestHost.class.getAnnotation(XenSettings.class);
        XenSettings settings = (XenSettings) Proxy.newProxyInstance(
                XenSettings.class.getClassLoader(),
                new Class<?>[] {XenSettings.class},
                (proxy, method, arguments) ->
                        method.getName().equals("toolstack") ? setting : method.invoke(defaults, arguments));
        return new ToolstackRole(
                new Instance(instance, false, true, directory.resolve("run"), directory),
                new XenConfiguration(settings));
    }

    @Test
    void itIsTheDefaultInstancesUnlessConfigured() throws Exception {
        ToolstackRole named = role("lab", "default");
        ToolstackRole odd = role("lab", "perhaps");
        ToolstackRole usual = role("", "default");
        assertTrue(usual.answers());
        assertFalse(named.answers());
        assertFalse(odd.answers());
        for (ToolstackRole each : new ToolstackRole[] {named, odd, usual}) {
            each.stop();
        }
        ToolstackRole without = role("", "no");
        assertFalse(without.answers());
        ToolstackRole wanted = role("lab", "yes");
        assertTrue(wanted.answers());
        without.stop();
        wanted.stop();
    }

    @Test
    void attachmentsOfInstancesHaveNamesOfTheirOwn() {
        Claimant lab = new Claimant("lab");
        assertEquals("a", Claimant.DEFAULT.name("a"));
        assertEquals("lab/a", lab.name("a"));
        assertEquals("a", lab.attachment("lab/a"));
        assertEquals("a", Claimant.DEFAULT.attachment("a"));
        for (String other : new String[] {"a", "laboratory/a", "other/a", "/a", ""}) {
            assertNull(lab.attachment(other), other);
        }
        assertNull(Claimant.DEFAULT.attachment("lab/a"));
    }
}
