package org.blktap.tls;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSessionContext;
import javax.net.ssl.TrustManagerFactory;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;

/** Makes a TLS context from the files in a directory, which have the names that QEMU, nbdkit and libnbd use. */
final class TlsFiles {
    static final String CA = "ca-cert.pem";
    static final String REVOKED = "ca-crl.pem";
    /** Password of the key store, which is in memory only. */
    private static final char[] NO_PASSWORD = {};
    /**
     * How long a session can be resumed: shortly, so that each connection verifies certificates, and revoked or expired
     * ones are refused.
     */
    private static final int SESSION_SECONDS = 1;

    private static final int SESSIONS = 64;

    private TlsFiles() {}

    /** Returns the files that a role reads, of which the last may be missing. */
    static List<Path> of(Path directory, TlsRole role) {
        return List.of(
                directory.resolve(CA),
                directory.resolve(role.file("cert")),
                directory.resolve(role.file("key")),
                directory.resolve(REVOKED));
    }

    /** @throws DiskException naming the file that is missing or wrong */
    static SSLContext load(Path directory, TlsRole role) throws DiskException {
        List<X509Certificate> authorities = Pem.read(directory.resolve(CA)).certificates();
        Path revoked = directory.resolve(REVOKED);
        try {
            TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
            trust.init(new CertPathTrustManagerParameters(
                    verification(authorities, Files.exists(revoked) ? Pem.read(revoked) : null)));
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(identity(directory, role), trust.getTrustManagers(), null);
            for (SSLSessionContext sessions :
                    List.of(context.getServerSessionContext(), context.getClientSessionContext())) {
                sessions.setSessionTimeout(SESSION_SECONDS);
                sessions.setSessionCacheSize(SESSIONS);
            }
            return context;
        } catch (GeneralSecurityException e) {
            throw new DiskException(
                    Reason.BAD_OPTION, directory + ": the certificates cannot be used: " + e.getMessage(), e);
        }
    }

    private static PKIXBuilderParameters verification(List<X509Certificate> authorities, Pem revoked)
            throws GeneralSecurityException, DiskException {
        Set<TrustAnchor> anchors = new HashSet<>();
        for (X509Certificate authority : authorities) {
            anchors.add(new TrustAnchor(authority, null));
        }
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, new X509CertSelector());
        parameters.setRevocationEnabled(revoked != null);
        if (revoked != null) {
            parameters.addCertStore(
                    CertStore.getInstance("Collection", new CollectionCertStoreParameters(revoked.revocations())));
            PKIXRevocationChecker checker =
                    (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
            // only the lists of the directory; no server that a certificate names is asked
            checker.setOptions(
                    EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
            parameters.addCertPathChecker(checker);
        }
        return parameters;
    }

    /** Returns the certificate and key to show; null for a client that has none. */
    private static KeyManager[] identity(Path directory, TlsRole role) throws GeneralSecurityException, DiskException {
        Path certificate = directory.resolve(role.file("cert"));
        if (role == TlsRole.CLIENT && !Files.exists(certificate)) {
            return null;
        }
        List<X509Certificate> chain = Pem.read(certificate).certificates();
        PublicKey own = chain.get(0).getPublicKey();
        Path keyFile = directory.resolve(role.file("key"));
        PrivateKey key = Pem.read(keyFile).privateKey(own.getAlgorithm());
        if (!belongTogether(key, own)) {
            throw new DiskException(
                    Reason.BAD_OPTION, keyFile + ": it is not the key of the certificate in " + certificate);
        }
        try {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setKeyEntry("own", key, NO_PASSWORD, chain.toArray(Certificate[]::new));
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, NO_PASSWORD);
            return keys.getKeyManagers();
        } catch (java.io.IOException e) {
            throw new GeneralSecurityException(e);
        }
    }

    private static boolean belongTogether(PrivateKey key, PublicKey certified) throws GeneralSecurityException {
        String algorithm = switch (certified.getAlgorithm()) {
            case "RSA" -> "SHA256withRSA";
            case "EC" -> "SHA256withECDSA";
            default -> certified.getAlgorithm();
        };
        byte[] sample = {1, 2, 3};
        Signature signature = Signature.getInstance(algorithm);
        signature.initSign(key);
        signature.update(sample);
        byte[] signed = signature.sign();
        signature.initVerify(certified);
        signature.update(sample);
        return signature.verify(signed);
    }
}
