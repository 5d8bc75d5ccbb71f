package org.blktap.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.TapSpec;
import org.junit.jupiter.api.Test;

class JsonTest {
    @Test
    void anAttachmentHasTheFieldsThatScriptsReadAndBytes() throws Exception {
        AttachRequest request = new AttachRequest(
                TapSpec.parse("tap:qcow:/vm/ä \"b\".qcow"), "a", List.of("nbd"), true, Map.of("k", "v"));
        JsonObject json =
                JsonParser.parseString(Json.of(new Fakes().status(request))).getAsJsonObject();
        assertEquals("a", json.get("id").getAsString());
        assertEquals("tap:qcow:/vm/ä \"b\".qcow", json.get("spec").getAsString());
        assertEquals("running", json.get("state").getAsString());
        assertEquals(10L << 30, json.get("sizeBytes").getAsLong());
        assertTrue(json.get("readOnly").getAsBoolean());
        JsonObject node = json.getAsJsonArray("nodes").get(0).getAsJsonObject();
        assertEquals("nbd", node.get("kind").getAsString());
        assertEquals("nbd:/run/a.sock", node.get("address").getAsString());
        assertEquals("v", json.getAsJsonObject("options").get("k").getAsString());
    }

    @Test
    void aNameThatIsNotUtf8IsEscaped() {
        String json = Json.of(List.of("caf\udce9 \ud83d\ude00"));
        assertTrue(json.contains("\"caf\\udce9 \ud83d\ude00\""), json);
        assertEquals(
                "caf\udce9 \ud83d\ude00",
                JsonParser.parseString(json).getAsJsonArray().get(0).getAsString());
    }

    @Test
    void anImageSaysWhatItSupports() {
        DiskInfo info = DiskInfo.ofContents(1000).with(Operation.DISCARD).withDetails(Map.of("format", "raw"));
        JsonObject json = JsonParser.parseString(Json.of(info)).getAsJsonObject();
        assertEquals(1024, json.get("sizeBytes").getAsLong());
        assertEquals(1000, json.get("contentBytes").getAsLong());
        assertEquals(
                "[\"read\",\"write\",\"flush\",\"discard\",\"map\"]",
                json.get("operations").toString());
        assertEquals("raw", json.getAsJsonObject("details").get("format").getAsString());
        json = JsonParser.parseString(Json.of(info.withReadOnly(true))).getAsJsonObject();
        assertEquals("[\"read\",\"flush\",\"map\"]", json.get("operations").toString());
    }

    @Test
    void aMeanOfNothingIsNull() throws Exception {
        Fakes core = new Fakes();
        core.attach(new AttachRequest(TapSpec.parse("tap:ram:x"), "a", List.of(), false, Map.of()));
        JsonObject read = JsonParser.parseString(Json.of(core.stats("a")))
                .getAsJsonObject()
                .getAsJsonObject("operations")
                .getAsJsonObject("read");
        assertEquals(5, read.get("count").getAsLong());
        JsonObject latency = read.getAsJsonObject("latency");
        assertTrue(latency.get("mean") == null || latency.get("mean").isJsonNull());
        assertEquals(12, latency.get("p99").getAsDouble());
    }
}
