package org.blktap.tls;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CRL;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/**
 * A PEM file: certificates, revocation lists, or a private key (RFC 7468). Text between the blocks, which
 * {@code openssl} and {@code certtool} write, is ignored.
 */
final class Pem {
    /** The largest file: several hundred certificates. */
    private static final int MAX_BYTES = 1 << 20;

    private static final Pattern BLOCK =
            Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----", Pattern.DOTALL);

    private final Path file;
    private final List<Block> blocks = new ArrayList<>();

    private record Block(String label, byte[] der) {}

    private Pem(Path file) {
        this.file = file;
    }

    /** @throws DiskException NOT_FOUND, IO, BAD_OPTION for a file that has no PEM block */
    static Pem read(Path file) throws DiskException {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MAX_BYTES + 1);
        } catch (NoSuchFileException e) {
            throw new DiskException(Reason.NOT_FOUND, file + ": no such file", e);
        } catch (IOException e) {
            throw DiskException.io(file, "read", e);
        }
        Pem pem = new Pem(file);
        if (bytes.length > MAX_BYTES) {
            throw pem.bad("more than " + MAX_BYTES + " bytes");
        }
        Matcher block = BLOCK.matcher(new String(bytes, StandardCharsets.ISO_8859_1));
        while (block.find()) {
            String label = block.group(1);
            if (block.group(2).contains(":")) {
                // headers of RFC 1421: the key is encrypted
                throw pem.encrypted();
            }
            try {
                pem.blocks.add(new Block(label, Base64.getMimeDecoder().decode(block.group(2))));
            } catch (IllegalArgumentException e) {
                throw pem.bad("the block " + label + " is not base64");
            }
        }
        if (pem.blocks.isEmpty()) {
            throw pem.bad("no PEM block in it");
        }
        return pem;
    }

    /** Returns all certificates, at least one. */
    List<X509Certificate> certificates() throws DiskException {
        List<X509Certificate> found = new ArrayList<>();
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            for (Block block : blocks) {
                if (block.label.equals("CERTIFICATE") || block.label.equals("X509 CERTIFICATE")) {
                    found.add((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(block.der)));
                }
            }
        } catch (GeneralSecurityException e) {
            throw bad("not a certificate: " + e.getMessage());
        }
        if (found.isEmpty()) {
            throw bad("no certificate in it");
        }
        return found;
    }

    /** Returns all revocation lists, at least one. */
    List<CRL> revocations() throws DiskException {
        List<CRL> found = new ArrayList<>();
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            for (Block block : blocks) {
                if (block.label.equals("X509 CRL")) {
                    found.add(factory.generateCRL(new ByteArrayInputStream(block.der)));
                }
            }
        } catch (GeneralSecurityException e) {
            throw bad("not a revocation list: " + e.getMessage());
        }
        if (found.isEmpty()) {
            throw bad("no revocation list (X509 CRL) in it");
        }
        return found;
    }

    /**
     * Returns the private key: PKCS#8, PKCS#1 of RSA, or SEC 1 of an elliptic curve; not encrypted.
     *
     * @param algorithm algorithm of the certificate's key, such as RSA, EC or EdDSA
     */
    PrivateKey privateKey(String algorithm) throws DiskException {
        for (Block block : blocks) {
            byte[] pkcs8;
            switch (block.label) {
                case "PRIVATE KEY" -> pkcs8 = block.der;
                case "RSA PRIVATE KEY" -> pkcs8 = Der.pkcs8OfRsa(block.der);
                case "EC PRIVATE KEY" -> pkcs8 = Der.pkcs8OfCurve(block.der);
                case "ENCRYPTED PRIVATE KEY" -> throw encrypted();
                default -> {
                    continue;
                }
            }
            if (pkcs8 == null) {
                throw bad("the EC PRIVATE KEY does not name its curve");
            }
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
            } catch (GeneralSecurityException e) {
                throw bad("not a private key of the kind " + algorithm + ", which the certificate has");
            }
        }
        throw bad("no private key in it");
    }

    private DiskException encrypted() {
        return bad("the private key is encrypted; expected one without a passphrase, readable by the daemon only");
    }

    private DiskException bad(String what) {
        return new DiskException(Reason.BAD_OPTION, file + ": " + what);
    }
}
