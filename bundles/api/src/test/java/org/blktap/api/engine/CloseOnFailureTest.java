package org.blktap.api.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CloseOnFailureTest {
    private final List<String> closed = new ArrayList<>();

    @Test
    void aFailureClosesTheLastFirst() {
        IOException failure = assertThrows(IOException.class, () -> {
            try (CloseOnFailure opened = new CloseOnFailure(() -> closed.add("file"))) {
                opened.add(() -> closed.add("table"));
                throw new IOException("no space");
            }
        });
        assertEquals("no space", failure.getMessage());
        assertEquals(List.of("table", "file"), closed);
    }

    @Test
    void anOwnerClosesInPlaceOfWhatItOwns() {
        try (CloseOnFailure opened = new CloseOnFailure(() -> closed.add("file"))) {
            opened.addOwner(() -> closed.add("map"));
            opened.add(() -> closed.add("parent"));
        }
        assertEquals(List.of("parent", "map"), closed);
    }

    @Test
    void successClosesNothing() {
        Object result = new Object();
        try (CloseOnFailure opened = new CloseOnFailure()) {
            opened.add(() -> closed.add("file"));
            assertSame(result, opened.keep(result));
        }
        assertEquals(List.of(), closed);
    }

    @Test
    void aClosingThatThrowsHidesNothing() {
        IllegalStateException second = new IllegalStateException("second");
        IllegalStateException first = new IllegalStateException("first");
        IOException failure = assertThrows(IOException.class, () -> {
            try (CloseOnFailure opened = new CloseOnFailure(() -> {
                throw second;
            })) {
                opened.add(() -> closed.add("table"));
                opened.add(() -> {
                    throw first;
                });
                throw new IOException("no space");
            }
        });
        assertEquals(List.of("table"), closed);
        assertSame(first, failure.getSuppressed()[0]);
        assertSame(second, first.getSuppressed()[0]);
    }
}
