package org.blktap.api.metrics;

import org.osgi.annotation.versioning.ProviderType;

/**
 * Takes the figures of one {@link MetricSource}, during its {@link MetricSource#collect}. One thread.
 *
 * <p>A name is in small letters, digits and {@code _}, begins with {@code blktap_}, and has a base unit at its end:
 * {@code _seconds}, {@code _bytes}. It has one help text and one meaning in all sources. Labels are names and values in
 * turn. Their values come from the operator or the program, such as an attachment's id or a state, so that there are as
 * many as the operator has made; never from a VM, an image or a client.
 */
@ProviderType
public interface MetricSink {
    /**
     * A number that only grows, since the start of what it counts.
     *
     * @param name without {@code _total}, which the text adds
     */
    void counter(String name, String help, double value, String... labels);

    /** A number that grows and falls. */
    void gauge(String name, String help, double value, String... labels);

    /** A number that another part reports without saying whether it only grows. */
    void unknown(String name, String help, double value, String... labels);

    /** How often values occurred, since the start of what is counted. */
    void histogram(String name, String help, Distribution values, String... labels);

    /**
     * A limit of the daemon, and how near it is.
     *
     * @param name of the limit, a constant such as {@code nbd_clients}
     * @param used what is taken now
     * @param most what can be taken
     */
    default void limit(String name, double used, double most) {
        gauge("blktap_limit_used", "What is taken of a limit of the daemon.", used, "limit", name);
        gauge("blktap_limit_max", "What can be taken of a limit of the daemon.", most, "limit", name);
    }
}
