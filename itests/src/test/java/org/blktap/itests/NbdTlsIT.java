package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.blktap.tls.testkit.TestCertificates;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** NBD over TLS with clients and servers of others, and from daemon to daemon. */
class NbdTlsIT extends SharedDaemon {
    private static final int MIB = 1 << 20;

    private TestCertificates certificates;

    @BeforeAll
    void sign() throws Exception {
        certificates = TestCertificates.usual(daemon.dataDir.resolveSibling("pki"));
        daemon.configure("{\"org.blktap.node-nbd\": {\"tls.directory\": \"" + certificates.directory() + "\"}}");
        daemon.blktap("config", "--reload").ok();
    }

    private String with(String uri, TestCertificates of) {
        return uri + "?tls-certificates=" + of.directory();
    }

    private int port(String id) throws Exception {
        return Integer.parseInt(daemon.nbd(id).replaceAll("^nbds?://[^/]*:(\\d+)/.*", "$1"));
    }

    private String uri(String id) throws Exception {
        return "nbds://127.0.0.1:" + port(id) + "/" + id;
    }

    private Path noise(String name, int bytes) throws Exception {
        byte[] data = new byte[bytes];
        new Random(bytes).nextBytes(data);
        return Files.write(directory.resolve(name), data);
    }

    @Test
    void toolsOfOthersReadAndWrite() throws Exception {
        Path source = noise("source.raw", 24 * MIB);
        daemon.attach(create("raw", "disk.raw", "24M"), "d", "--node", "nbd,tcp=0,tls=required");
        String uri = with(uri("d"), certificates);
        assertTrue(daemon.nbd("d").startsWith("nbds://127.0.0.1:"), daemon.nbd("d"));

        Run info = Run.of("nbdinfo", uri).ok();
        assertTrue(info.out().contains("newstyle-fixed with TLS"), info::toString);
        Run.of("nbdcopy", source.toString(), uri).ok();
        assertEquals(-1, Files.mismatch(source, directory.resolve("disk.raw")));
        Path copy = directory.resolve("copy.raw");
        Run.of("nbdcopy", uri, copy.toString()).ok();
        assertEquals(-1, Files.mismatch(source, copy));

        String object = "tls-creds-x509,id=t,endpoint=client,dir=" + certificates.directory();
        String image = "driver=nbd,host=127.0.0.1,port=" + port("d") + ",export=d,tls-creds=t";
        Run.of("qemu-img", "info", "--object", object, "--image-opts", image).ok();
        Path converted = directory.resolve("converted.raw");
        Run.of("qemu-img", "convert", "--object", object, "--image-opts", image, "-O", "raw", converted.toString())
                .ok();
        assertEquals(-1, Files.mismatch(source, converted));

        // without TLS, and without a certificate
        assertNotEquals(0, Run.of("nbdinfo", uri("d").replace("nbds:", "nbd:")).status());
        TestCertificates nobody = certificates.copyTo(directory.resolve("nobody"));
        Files.delete(nobody.directory().resolve("client-cert.pem"));
        Files.delete(nobody.directory().resolve("client-key.pem"));
        assertNotEquals(0, Run.of("nbdinfo", with(uri("d"), nobody)).status());
        TestCertificates strange = TestCertificates.usual(directory.resolve("strange"));
        assertNotEquals(0, Run.of("nbdinfo", with(uri("d"), strange)).status());
    }

    @Test
    void exportsAreForTheirSubjects() throws Exception {
        daemon.attach(
                create("raw", "a.raw", "1M"), "a", "--node", "nbd,tcp=0,tls=required,subjects=O=Example%2CCN=backup");
        daemon.attach(
                create("raw", "b.raw", "1M"),
                "b",
                "--node",
                "nbd,tcp=" + port("a") + ",tls=required,subjects=CN=someone");
        Run.of("nbdinfo", with(uri("a"), certificates)).ok();
        assertNotEquals(0, Run.of("nbdinfo", with(uri("b"), certificates)).status());
        Run list = Run.of("nbdinfo", "--list", with("nbds://127.0.0.1:" + port("a") + "/", certificates))
                .ok();
        assertTrue(list.out().contains("export=\"a\"") && !list.out().contains("export=\"b\""), list::toString);
    }

    @Test
    void fromDaemonToDaemon() throws Exception {
        Path source = noise("far.raw", 8 * MIB);
        daemon.attach("tap:raw:" + source, "far", "--node", "nbd,tcp=0,tls=required");
        String uri = with(uri("far"), certificates);
        daemon.attach("tap:nbd:" + uri, "near", "--node", "nbd");
        io("near", "write -P 9 1M 3M", "read -P 9 1M 3M", "flush");
        Qemu.io("raw", "nbd+unix:///far?socket=" + daemon.runDir.resolve("nbd.sock"), "read -P 9 1M 3M");
        Path copy = directory.resolve("copy.raw");
        daemon.blktap("convert", uri, "tap:raw:" + copy).ok();
        assertEquals(-1, Files.mismatch(source, copy));
        Run info = daemon.blktap("info", "tap:nbd:" + uri).ok();
        assertTrue(info.out().contains("TLSv1.3"), info::toString);

        // who cannot be verified is not used
        String to = uri("far");
        refused("use nbds://", "info", "tap:nbd:" + to.replace("nbds:", "nbd:"));
        refused("ca-cert.pem", "info", "tap:nbd:" + to + "?tls-certificates=" + directory);
        TestCertificates strange = TestCertificates.usual(directory.resolve("strange"));
        refused("TLS handshake has failed", "info", "tap:nbd:" + with(to, strange));
        refused("other.example", "info", "tap:nbd:" + uri + "&tls-hostname=other.example");
        refused(
                "does not start TLS",
                "info",
                "tap:nbd:" + with("nbds+unix:///far", certificates) + "&socket=" + daemon.runDir.resolve("nbd.sock"));
    }

    /** An option, a setting and a record of an attachment: each is held to it. */
    @Test
    void otherHostsNeedTls() throws Exception {
        String spec = create("raw", "open.raw", "1M");
        refused("add tls=required", "attach", spec, "--id", "o", "--node", "nbd,tcp=0.0.0.0:0");
        refused("add tls=required", "attach", spec, "--id", "o", "--node", "nbd,tcp=[::]:0,tls=allowed");
        String section = "{\"org.blktap.node-nbd\": {\"tls.directory\": \"" + certificates.directory() + "\"%s}}";
        daemon.configure(String.format(section, ", \"tls\": \"required\""));
        daemon.blktap("config", "--reload").ok();
        daemon.attach(spec, "o", "--node", "nbd,tcp=0.0.0.0:0");
        Run.of("nbdinfo", with(uri("o"), certificates)).ok();
        assertNotEquals(0, Run.of("nbdinfo", uri("o").replace("nbds:", "nbd:")).status());
        daemon.stop();
        daemon.configure(String.format(section, ""));
        daemon.start();
        Wait.until(
                "the attachment is not opened",
                () -> daemon.attachment("o").toString().contains("add tls=required"));
    }
}
