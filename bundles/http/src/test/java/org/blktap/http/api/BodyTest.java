package org.blktap.http.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonParser;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BodyTest {
    private static Body json(String text) {
        return new Body(JsonParser.parseString(text).getAsJsonObject());
    }

    @Test
    void membersHaveTheirTypes() throws Exception {
        Body json = json("{'a':'x','b':5,'c':true,'d':['p','q'],'e':{'k':1,'l':false},'n':null}".replace('\'', '"'));
        assertEquals("x", json.required("a"));
        assertEquals("5", json.text("b"));
        assertTrue(json.flag("c"));
        assertFalse(json.flag("not there"));
        assertEquals(List.of("p", "q"), json.texts("d"));
        assertEquals(Map.of("k", "1", "l", "false"), json.map("e"));
        assertNull(json.text("n"));
        json.checkAllKnown();
    }

    @Test
    void whatIsWrongIsRefused() {
        assertThrows(ProblemException.class, () -> json("{}").required("a"));
        assertThrows(ProblemException.class, () -> json("{\"a\":null}").required("a"));
        assertThrows(ProblemException.class, () -> json("{\"a\":{}}").text("a"));
        assertThrows(ProblemException.class, () -> json("{\"a\":\"true\"}").flag("a"));
        assertThrows(ProblemException.class, () -> json("{\"a\":\"x\"}").texts("a"));
        assertThrows(ProblemException.class, () -> json("{\"a\":[[]]}").texts("a"));
        assertThrows(ProblemException.class, () -> json("{\"a\":[]}").map("a"));
        assertThrows(ProblemException.class, () -> json("{\"a\":{\"b\":{}}}").map("a"));
        ProblemException unknown = assertThrows(ProblemException.class, () -> {
            Body json = json("{\"a\":1,\"spce\":2}");
            json.text("a");
            json.text("spec");
            json.checkAllKnown();
        });
        assertEquals("unknown member 'spce'; known: a, spec", unknown.getMessage());
    }

    @Test
    void theRestIsWhatNobodyHasAskedFor() throws Exception {
        Body json = json("{\"kind\":\"commit\",\"top\":\"tap:raw:/a\",\"keep\":true,\"base\":null}");
        json.text("kind");
        assertEquals(Map.of("top", "tap:raw:/a", "keep", "true"), json.rest());
        json.checkAllKnown();
    }

    @Test
    void changesTakeBackByNull() throws Exception {
        assertEquals(
                Map.of("iops", "4000", "burst", ""),
                json("{\"options\":{\"iops\":4000,\"burst\":null}}").changes("options"));
        assertThrows(ProblemException.class, () -> json("{}").changes("options"));
        assertThrows(ProblemException.class, () -> json("{\"options\":{}}").changes("options"));
        assertThrows(
                ProblemException.class, () -> json("{\"options\":{\"a\":[]}}").changes("options"));
    }

    @Test
    void relativePathsAreRefused() throws Exception {
        for (String each :
                List.of("tap:raw:/a/b", "tap:ram:name,size=1/2", "tap:nbd:nbd://host/x", "tap:rbd:pool/image")) {
            assertEquals(each, Specs.parse(each).toString());
        }
        for (String each : List.of("tap:raw:a/b", "tap:raw:../a", "tap:qcow2:./a,b")) {
            assertThrows(ProblemException.class, () -> Specs.parse(each), each);
        }
    }
}
