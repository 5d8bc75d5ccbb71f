package org.blktap.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.prometheus.metrics.expositionformats.ExpositionFormats;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.blktap.api.metrics.Distribution;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FamiliesTest {
    private final Families families = new Families();

    private String text() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ExpositionFormats.init().getPrometheusTextFormatWriter().write(out, families.all());
        return out.toString(StandardCharsets.UTF_8);
    }

    @Test
    void sourcesShareAFamily() throws Exception {
        Samples one = new Samples();
        one.limit("a", 1, 2);
        one.counter("blktap_n", "Things.", 3);
        Samples other = new Samples();
        other.limit("b", 3, 4);
        assertNull(families.add(one));
        assertNull(families.add(other));
        assertEquals("""
                # HELP blktap_limit_max What can be taken of a limit of the daemon.
                # TYPE blktap_limit_max gauge
                blktap_limit_max{limit="a"} 2.0
                blktap_limit_max{limit="b"} 4.0
                # HELP blktap_limit_used What is taken of a limit of the daemon.
                # TYPE blktap_limit_used gauge
                blktap_limit_used{limit="a"} 1.0
                blktap_limit_used{limit="b"} 3.0
                # HELP blktap_n_total Things.
                # TYPE blktap_n_total counter
                blktap_n_total 3.0
                """, text());
    }

    @Test
    void whatIsThereAlreadyIsKeptAndTheRestOfTheSourceIsTaken() throws Exception {
        Samples one = new Samples();
        one.gauge("blktap_g", "A.", 1, "id", "a");
        Samples other = new Samples();
        other.gauge("blktap_g", "B.", 2, "id", "a");
        other.gauge("blktap_g", "B.", 3, "id", "b");
        other.counter("blktap_g", "B.", 4, "id", "c");
        families.add(one);
        assertEquals("blktap_g", families.add(other));
        assertEquals("""
                # HELP blktap_g A.
                # TYPE blktap_g gauge
                blktap_g{id="a"} 1.0
                blktap_g{id="b"} 3.0
                """, text());
    }

    @Test
    void labelsAreEscaped() throws Exception {
        Samples samples = new Samples();
        samples.gauge("blktap_g", "A\nB.", 1, "id", "\"\n\\");
        families.add(samples);
        assertEquals(3, text().lines().count());
    }

    @ParameterizedTest
    @ValueSource(strings = {"up", "blktap_", "blktap_a b", "blktap_A", "blktap_a\n", "blktap_ä"})
    void namesAreOurs(String name) {
        assertThrows(IllegalArgumentException.class, () -> new Samples().gauge(name, "", 1));
    }

    @Test
    void aSourceIsBounded() {
        Samples samples = new Samples();
        assertThrows(IllegalArgumentException.class, () -> samples.gauge("blktap_g", "", 1, "id", "x".repeat(201)));
        for (int i = 0; i < Samples.MOST; i++) {
            samples.gauge("blktap_g", "", 1);
        }
        assertThrows(
                IllegalStateException.class,
                () -> samples.histogram("blktap_h", "", new Distribution(new double[0], new long[0], 0)));
    }
}
