package org.blktap.tls.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A certificate authority of a test, made by {@code openssl}, and what it has signed: a directory with
 * {@code ca-cert.pem}, {@code server-cert.pem}, {@code client-cert.pem} and their keys, as QEMU and libnbd have it.
 */
public final class TestCertificates {
    /** Names of the host on which tests run. */
    public static final String LOCAL = "DNS:localhost,IP:127.0.0.1,IP:::1";

    private static final int LIMIT_SECONDS = 60;

    private final Path directory;

    private TestCertificates(Path directory) {
        this.directory = directory;
    }

    /** Makes an authority, without anything that it has signed. */
    public static TestCertificates authority(Path directory) throws Exception {
        TestCertificates made = new TestCertificates(Files.createDirectories(directory));
        List<String> command = new ArrayList<>(List.of("openssl", "req", "-x509", "-days", "30"));
        command.addAll(newKey("ca"));
        command.addAll(List.of("-subj", "/CN=authority", "-out", "ca-cert.pem"));
        made.run(command);
        return made;
    }

    /** An authority, a server of this host, and a client with the subject {@code O=Example,CN=backup}. */
    public static TestCertificates usual(Path directory) throws Exception {
        return authority(directory)
                .sign("server", "/CN=localhost", LOCAL, 30)
                .sign("client", "/CN=backup/O=Example", null, 30);
    }

    /** The directory, for options. */
    public Path directory() {
        return directory;
    }

    /**
     * Makes a key and a certificate, in place of those that are there.
     *
     * @param role server or client
     * @param subject as openssl has it: {@code /CN=name}
     * @param names subject alternative names, or null for none
     * @param days negative for a certificate that has expired
     */
    public TestCertificates sign(String role, String subject, String names, int days) throws Exception {
        List<String> request = new ArrayList<>(List.of("openssl", "req"));
        request.addAll(newKey(role));
        request.addAll(List.of("-subj", subject, "-out", role + ".csr"));
        run(request);
        List<String> signing = new ArrayList<>(List.of("openssl", "x509", "-req", "-in", role + ".csr"));
        signing.addAll(List.of("-CA", "ca-cert.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"));
        signing.addAll(List.of("-days", Integer.toString(days), "-out", role + "-cert.pem"));
        if (names != null) {
            Files.writeString(directory.resolve("names"), "subjectAltName=" + names + "\n");
            signing.addAll(List.of("-extfile", "names"));
        }
        run(signing);
        return this;
    }

    /** Copies this directory, so that some of its files can be replaced. */
    public TestCertificates copyTo(Path target) throws IOException {
        Files.createDirectories(target);
        try (var files = Files.list(directory)) {
            for (Path each : files.filter(Files::isRegularFile).toList()) {
                Files.copy(each, target.resolve(each.getFileName()));
            }
        }
        return new TestCertificates(target);
    }

    /** Makes {@code ca-crl.pem}, in which the certificate of a role is revoked, or none if it is null. */
    public void revoke(String role) throws Exception {
        Files.writeString(directory.resolve("index"), "");
        Files.writeString(directory.resolve("number"), "01\n");
        Files.writeString(
                directory.resolve("ca.conf"),
                "[ca]\ndefault_ca=own\n[own]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\n");
        List<String> ca =
                List.of("openssl", "ca", "-config", "ca.conf", "-cert", "ca-cert.pem", "-keyfile", "ca-key.pem");
        if (role != null) {
            List<String> revoking = new ArrayList<>(ca);
            revoking.addAll(List.of("-revoke", role + "-cert.pem"));
            run(revoking);
        }
        List<String> listing = new ArrayList<>(ca);
        listing.addAll(List.of("-gencrl", "-out", "ca-crl.pem"));
        run(listing);
    }

    private static List<String> newKey(String role) {
        return List.of("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", role + "-key.pem");
    }

    /** Runs a program in the directory. */
    public void run(List<String> command) throws Exception {
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        process.getOutputStream().close();
        String said = new String(process.getInputStream().readAllBytes());
        if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new IOException(command + ": " + said);
        }
    }
}
