package org.blktap.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.disk.TapSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecordsTest {
    @TempDir
    Path directory;

    @Test
    void namesThatAreNotUtf8ComeBack() throws Exception {
        for (String path : List.of("/vm/caf\udce9.img", "/vm/\u00e9\udc80\\udce9 \ud83d\ude00", "/vm/\udcffff")) {
            AttachRequest request = new AttachRequest(
                    TapSpec.parse("tap:raw:" + path),
                    "a",
                    List.of("nbd"),
                    false,
                    Map.of("parent", path),
                    List.of("b,file=" + path, "a"));
            new Records(directory).entry("a").write(request, null);
            assertEquals(request, new Records(directory).readAll().get(0).request());
            // others read it as text
            Files.readString(directory.resolve("a.cfg"), StandardCharsets.UTF_8);
        }
    }
}
