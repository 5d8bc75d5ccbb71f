package org.blktap.client.nbd;

import java.nio.file.Path;

/**
 * How to speak TLS with a server.
 *
 * @param certificates the directory of the certificates, or null for the one of the settings
 * @param host the name or address that the server's certificate must be for
 * @param port for the engine's use only
 */
record TlsParameters(Path certificates, String host, int port) {}
