package org.blktap.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.disk.DiskException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QemuNameTest {
    private static QemuName parse(String text) throws DiskException {
        return QemuName.parse("/vm/a.qcow2", "backing file name", text);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "base.img | base.img |",
                "/vm/base.img | /vm/base.img |",
                "./nbd:x | ./nbd:x |",
                "dir/a:b | dir/a:b |",
                "file:/vm/b.img | /vm/b.img |",
                "file:b.img | b.img |",
                "file:///vm/b.img | /vm/b.img |",
                "host_device:/dev/vg/a | /dev/vg/a |",
                "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/vm/b\"}} | /vm/b | qcow2",
                "json:{\"driver\":\"raw\",\"file.driver\":\"file\",\"file.filename\":\"/vm/b\"} | /vm/b | raw",
                "json:{'driver':'vmdk','file':{'filename':'b.vmdk','driver':'file'}} | b.vmdk | vmdk",
                "json:{\"driver\":\"file\",\"filename\":\"json:{}\"} | json:{} | raw",
                "json:{\"file.filename\":\"file:/vm/b\"} | /vm/b |",
                "json:{\"driver\":\"qcow2\",\"filename\":\"/vm/b\"} | /vm/b | qcow2",
                "json:{\"driver\":\"raw\",\"read-only\":true,\"node-name\":\"n\",\"file\":{\"driver\":\"file\",\"filename\":\"b\\u0041\\n\",\"cache\":{\"direct\":true}}} | bA\\n | raw",
                "rbd:bases/a@s | bases/a@s | rbd",
                "rbd:bases/ns/a:conf=/etc/x.conf:id=admin | bases/ns/a | rbd",
                "./rbd:a | ./rbd:a |",
                "json: {\"driver\":\"raw\",\"file\":{\"driver\":\"host_device\",\"filename\":\"/dev/x\"}}  | /dev/x | raw",
            })
    void namesOfPlainFiles(String text, String file, String format) throws Exception {
        assertEquals(file.replace("\\n", "\n").strip(), parse(text).file().strip());
        assertEquals(format, parse(text).format());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "nbd:localhost:10809 | protocol nbd",
                "nbd://host/x | protocol nbd",
                "http://host/x.img | protocol http",
                "fat:/etc | protocol fat",
                "file://host/x | another host",
                "file: | no file",
                "rbd: | no image of a cluster",
                "rbd:a\\:b/c | no image of a cluster",
                "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"rbd\",\"pool\":\"p\",\"image\":\"i\"}} | driver rbd",
                "json:{\"driver\":\"nbd\",\"host\":\"x\"} | driver nbd",
                "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\",\"host\":\"x\"}} | driver nbd",
                "json:{\"driver\":\"raw\",\"offset\":512,\"file\":{\"driver\":\"file\",\"filename\":\"/b\"}} | option offset",
                "json:{\"driver\":\"raw\",\"size\":512,\"file.driver\":\"file\",\"file.filename\":\"/b\"} | option size",
                "json:{\"driver\":\"qcow2\",\"backing\":{\"driver\":\"raw\"},\"file.filename\":\"/b\"} | option backing.driver",
                "json:{\"driver\":\"qcow2\",\"encrypt\":{\"key-secret\":\"s\"},\"file.filename\":\"/b\"} | option encrypt.key-secret",
                "json:{\"driver\":\"qcow2\",\"data-file\":{\"filename\":\"/etc/x\"},\"file.filename\":\"/b\"} | option data-file.filename",
                "json:{\"driver\":\"raw\",\"driver\":\"qcow2\",\"file.filename\":\"/b\"} | option driver twice",
                "json:{\"file.filename\":\"/b\",\"file\":{\"filename\":\"/c\"}} | option file.filename twice",
                "json:{\"filename\":\"/b\",\"file\":{\"filename\":\"/c\"}} | two files",
                "json:{\"driver\":\"raw\",\"file\":\"node1\"} | no file",
                "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"qcow2\",\"file\":{\"filename\":\"/b\"}}} | driver qcow2 under raw",
                "json:{\"driver\":\"raw\",\"file.filename\":\"json:{}\"} | JSON options within",
                "json:{\"driver\":\"raw\",\"file.filename\":\"nbd:x\"} | protocol nbd",
                "json:{\"driver\":\"raw\",\"file\":{\"filename\":[\"/b\"]}} | neither text nor a number",
                "json:{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}}} | a.b.c.d",
                "json:{\"driver\":\"raw\" | not a JSON object",
                "json:[] | not a JSON object",
                "json: | not a JSON object",
                "json:{\"file.filename\":\"/b\"}{} | after its JSON object",
            })
    void allOthersAreRefusedByName(String text, String says) {
        DiskException e = assertThrows(DiskException.class, () -> parse(text));
        assertEquals(DiskException.Reason.UNSUPPORTED, e.reason());
        assertTrue(e.getMessage().startsWith("/vm/a.qcow2: backing file name"), e.getMessage());
        assertTrue(e.getMessage().contains(says), e.getMessage());
    }

    @Test
    void deepNestingIsRefused() {
        assertThrows(DiskException.class, () -> parse("json:" + "{\"a\":".repeat(200)));
        assertThrows(DiskException.class, () -> parse("json:" + "[".repeat(1000)));
    }

    @Test
    void aPathIsWrittenSoThatItIsRead() throws Exception {
        for (String path : new String[] {"a", "a:b", "/x:y", "json:{}", "file:x"}) {
            assertEquals(path, parse(QemuName.encode(path)).file().replaceFirst("^\\./", ""));
        }
    }
}
