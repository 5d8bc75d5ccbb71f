package org.blktap.api.event;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Something that has happened. Immutable. The constants are the kinds that blktap's own bundles publish; a bundle may
 * have kinds of its own.
 *
 * @param sequence its number in the history: larger than that of each earlier event. Numbers go on over restarts
 * @param timeMillis when it was published, in milliseconds since 1970
 * @param kind lower-case letters, digits and dashes
 * @param subject what it happened to: an attachment's id, a bundle's symbolic name, or empty for the daemon
 * @param text one line for people
 * @param details for programs: texts, numbers and truth values
 */
public record Event(
        long sequence, long timeMillis, String kind, String subject, String text, Map<String, Object> details) {
    /** The daemon is ready: {@code version}, {@code pid}. */
    public static final String READY = "ready";
    /** The daemon closes its disks, which stay on record. */
    public static final String STOPPING = "stopping";
    /** An attachment was made: {@code spec}, {@code readOnly}. */
    public static final String ATTACHED = "attached";
    /** An attachment has ended. */
    public static final String DETACHED = "detached";
    /** A disk was closed while its VM waits: {@code reason}, a name of StateReason.Kind in lower case. */
    public static final String PARKED = "parked";
    /** A disk serves its VM again, after it was parked or the daemon was restarted: {@code waitedMillis}. */
    public static final String RESUMED = "resumed";
    /** An operator or a job has changed an attachment: its nodes, filters, size or image. */
    public static final String CHANGED = "changed";
    /**
     * Requests fail: {@code operation}, {@code errno}, {@code refused} (the requests were invalid), {@code series}
     * (begins, continues, ended), {@code count} since the series began, {@code offset} of the last.
     */
    public static final String ERRORS = "errors";
    /** A job has another state: {@code job}, {@code job.kind}, {@code state}. The subject is the attachment. */
    public static final String JOB = "job";
    /** A bundle of {@code deploy/} was installed or replaced, and has started: {@code version}, {@code jar}. */
    public static final String DEPLOYED = "deployed";
    /** A bundle of {@code deploy/} has gone: {@code version}, {@code jar}. */
    public static final String UNDEPLOYED = "undeployed";
    /**
     * A jar that was put into {@code deploy/} cannot be used, and the one before stays: {@code version}, {@code jar}.
     */
    public static final String DEPLOY_REFUSED = "deploy-refused";
    /** A client or VM has connected to a node: {@code node}, {@code client}. */
    public static final String CONNECTED = "connected";
    /** A client or VM has disconnected from a node: {@code node}, {@code client}. */
    public static final String DISCONNECTED = "disconnected";
    /**
     * Not in the history, but told to a reader: the events {@code from} to {@code to} are not kept any more. Its
     * sequence is {@code to}. With {@code reset}, the history has begun anew, and the reader is ahead of it.
     */
    public static final String GAP = "gap";
    /** Events came faster than they could be recorded, and were dropped: {@code count}. */
    public static final String LOST = "lost";

    public Event {
        details = Collections.unmodifiableMap(new LinkedHashMap<>(details));
    }
}
