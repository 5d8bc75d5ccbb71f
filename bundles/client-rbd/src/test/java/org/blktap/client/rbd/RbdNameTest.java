package org.blktap.client.rbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.disk.DiskException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RbdNameTest {
    @Test
    void partsOfAName() throws Exception {
        assertEquals(new RbdName("vms", "", "web", null), RbdName.parse("vms/web"));
        assertEquals(new RbdName("vms", "a", "web", "s1"), RbdName.parse("vms/a/web@s1"));
        assertEquals("vms/a/web", RbdName.parse("vms/a/web@s1").whole());
        assertEquals("s@2/x", RbdName.parse("vms/web@s@2").snapshot() + "/x");
    }

    @ParameterizedTest
    @ValueSource(strings = {"web", "", "/web", "vms/", "vms//web", "a/b/c/d", "vms/web@", "vms/@s", "/vms/web"})
    void badNames(String path) {
        DiskException e = assertThrows(DiskException.class, () -> RbdName.parse(path));
        assertEquals(DiskException.Reason.BAD_OPTION, e.reason());
        assertTrue(e.getMessage().contains("pool/image"), e.getMessage());
    }
}
