package org.blktap.shell.offline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ComponentPropertiesTest {
    private @interface Some {
        int drain_seconds() default 60;

        long log$_$memory() default 5;

        boolean on() default true;

        String[] image_roots() default {};
    }

    @Test
    void methodsReturnPropertiesOrTheirDefaults() {
        Some defaults = (Some) ComponentProperties.of(Some.class, Map.of());
        assertEquals(60, defaults.drain_seconds());
        assertEquals(5, defaults.log$_$memory());
        assertArrayEquals(new String[0], defaults.image_roots());
        Some set = (Some) ComponentProperties.of(
                Some.class,
                Map.of("drain.seconds", 7, "log-memory", 8L, "on", false, "image.roots", new String[] {"/a"}));
        assertEquals(7, set.drain_seconds());
        assertEquals(8, set.log$_$memory());
        assertEquals(false, set.on());
        assertArrayEquals(new String[] {"/a"}, set.image_roots());
        assertArrayEquals(
                new String[] {"/b"},
                ((Some) ComponentProperties.of(Some.class, Map.of("image.roots", List.of("/b")))).image_roots());
    }

    @Test
    void namesAreThoseOfTheSpecification() {
        assertEquals(
                List.of("a.b", "a_b", "a-b", "a$b", "int"),
                List.of("a_b", "a__b", "a$_$b", "a$$b", "$int").stream()
                        .map(ComponentProperties::key)
                        .toList());
    }
}
