package org.blktap.jobs;

import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.blktap.api.control.JobState;
import org.blktap.api.control.JobStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Options;

/**
 * One job: what it does, what operators have asked of it, and its progress. Thread-safe. All but the progress is on
 * record, so that the job continues after a restart.
 */
public final class Job {
    /** The share of a job that adapts by itself to how much the device can bear. */
    public static final int AUTOMATIC_SHARE = 0;

    private static final int MOST_SHARE = 16;

    static final String PAUSED_BY_OPERATOR = "paused by an operator";

    /** Lock that is held while the record is written; loops take the job's own lock, and must not wait for that. */
    private final Object writing = new Object();

    private final JobFiles files;
    private final String id;
    private final String kind;
    private final String attachment;
    private final long createdMillis;
    private final Map<String, String> values = new LinkedHashMap<>();
    private JobState state = JobState.RUNNING;
    private volatile boolean paused;
    private volatile boolean cancelled;
    private volatile boolean complete;
    private String message = "";
    private long pausedMicros = -1;
    private long endedMillis;
    private long doneBytes;
    private long totalBytes;
    private volatile long speed;
    private volatile int share = AUTOMATIC_SHARE;
    private volatile Runnable onChange = () -> {};
    private volatile Consumer<JobStatus> onState = status -> {};
    /** The last state that was reported; null for a new job. */
    private JobState reported;

    /** Makes a new job. */
    Job(JobFiles files, String id, String kind, String attachment, Map<String, String> values) {
        this.files = files;
        this.id = id;
        this.kind = kind;
        this.attachment = attachment;
        this.createdMillis = System.currentTimeMillis();
        this.values.putAll(values);
    }

    /** Reads a job from its record. */
    Job(JobFiles files, String id, Properties record) {
        this.files = files;
        this.id = id;
        kind = record.getProperty("kind", "");
        attachment = record.getProperty("attachment", "");
        createdMillis = Long.parseLong(record.getProperty("created", "0"));
        state = JobState.valueOf(record.getProperty("state", "RUNNING"));
        reported = state;
        paused = Boolean.parseBoolean(record.getProperty("paused"));
        cancelled = Boolean.parseBoolean(record.getProperty("cancelled"));
        complete = Boolean.parseBoolean(record.getProperty("complete"));
        message = record.getProperty("message", "");
        pausedMicros = Long.parseLong(record.getProperty("paused-micros", "-1"));
        endedMillis = Long.parseLong(record.getProperty("ended", "0"));
        doneBytes = Long.parseLong(record.getProperty("done", "0"));
        totalBytes = Long.parseLong(record.getProperty("total", "0"));
        speed = Long.parseLong(record.getProperty("speed", "0"));
        share = Integer.parseInt(record.getProperty("share", Integer.toString(AUTOMATIC_SHARE)));
        for (String key : new TreeSet<>(record.stringPropertyNames())) {
            if (key.startsWith("value.")) {
                values.put(key.substring("value.".length()), record.getProperty(key));
            }
        }
    }

    private synchronized Properties record() {
        Properties record = new Properties();
        record.setProperty("kind", kind);
        record.setProperty("attachment", attachment);
        record.setProperty("created", Long.toString(createdMillis));
        record.setProperty("state", state.name());
        record.setProperty("paused", Boolean.toString(paused));
        record.setProperty("cancelled", Boolean.toString(cancelled));
        record.setProperty("complete", Boolean.toString(complete));
        record.setProperty("message", message);
        record.setProperty("paused-micros", Long.toString(pausedMicros));
        record.setProperty("ended", Long.toString(endedMillis));
        record.setProperty("done", Long.toString(doneBytes));
        record.setProperty("total", Long.toString(totalBytes));
        record.setProperty("speed", Long.toString(speed));
        record.setProperty("share", Integer.toString(share));
        values.forEach((key, value) -> record.setProperty("value." + key, value));
        return record;
    }

    void write() throws DiskException {
        synchronized (writing) {
            files.write(id, record());
        }
    }

    private void changed() {
        boolean another;
        synchronized (this) {
            notifyAll();
            another = state != reported;
            reported = state;
        }
        if (another) {
            onState.accept(status());
        }
        onChange.run();
    }

    /**
     * Sets the receiver of each new state, which is called once the state is on record. Called on any thread; it must
     * not block.
     */
    void onState(Consumer<JobStatus> receiver) {
        onState = receiver;
    }

    public String id() {
        return id;
    }

    public String kind() {
        return kind;
    }

    public String attachment() {
        return attachment;
    }

    public synchronized JobState state() {
        return state;
    }

    public synchronized String message() {
        return message;
    }

    /** The limit in bytes a second; 0 for none. */
    public long speed() {
        return speed;
    }

    /** Pieces that are copied at once while the VM has requests in flight, or {@link #AUTOMATIC_SHARE}. */
    public int share() {
        return share;
    }

    /** Whether the work must pause. */
    public boolean paused() {
        return paused;
    }

    public boolean cancelled() {
        return cancelled;
    }

    /** Whether an operator has asked for the last step of a job that is ready. */
    public boolean complete() {
        return complete;
    }

    public synchronized JobStatus status() {
        return new JobStatus(
                id,
                kind,
                attachment,
                state,
                doneBytes,
                totalBytes,
                speed,
                share,
                message,
                pausedMicros,
                createdMillis,
                endedMillis,
                Collections.unmodifiableMap(new LinkedHashMap<>(values)));
    }

    // ---- called by the work

    /** Returns a recorded value of the job's kind; null if there is none. */
    public synchronized String value(String key) {
        return values.get(key);
    }

    /** Records a value of the job's kind; null removes it. */
    public void keep(String key, String value) throws DiskException {
        synchronized (this) {
            if (value == null) {
                values.remove(key);
            } else {
                values.put(key, value);
            }
        }
        write();
        changed();
    }

    /** Returns the recorded values whose keys begin with a prefix, in order; the keys without the prefix. */
    public synchronized Map<String, String> valuesOf(String prefix) {
        Map<String, String> found = new LinkedHashMap<>();
        values.forEach((key, value) -> {
            if (key.startsWith(prefix)) {
                found.put(key.substring(prefix.length()), value);
            }
        });
        return found;
    }

    /** Sets the job's message. */
    public synchronized void say(String text) {
        message = text;
    }

    /** Sets what runs, on any thread, when an operator changes something. */
    public void onChange(Runnable action) {
        onChange = action;
    }

    public synchronized void progress(long done, long total) {
        doneBytes = done;
        totalBytes = total;
    }

    /** Changes to a state of a job that has not ended, and records it if it differs. */
    public void to(JobState next) throws DiskException {
        synchronized (this) {
            if (state == next || state.ended()) {
                return;
            }
            state = next;
        }
        write();
        changed();
    }

    /** Pauses because of an error that an operator can mend. */
    public void pause(String why) throws DiskException {
        synchronized (this) {
            paused = true;
            message = why;
            state = JobState.PAUSED;
        }
        write();
        changed();
    }

    /** Records how long the VM's requests waited in the last step. */
    public synchronized void waited(Duration pause) {
        pausedMicros = pause.toNanos() / 1000;
    }

    /** Wakes the job's thread, since the work has reached a point that the thread waits for. Any thread. */
    public synchronized void wake() {
        notifyAll();
    }

    /** Waits until something changes, or some time has passed. */
    public synchronized void await(long milliseconds) throws InterruptedException {
        wait(milliseconds);
    }

    /** @throws JobCancelled if an operator has cancelled it */
    public synchronized void checkCancelled() throws JobCancelled {
        if (cancelled) {
            throw new JobCancelled();
        }
    }

    /** Ends the job. If that cannot be recorded, the job runs again after a restart. */
    void end(JobState last, String why) throws DiskException {
        synchronized (this) {
            state = last;
            message = why;
            paused = false;
            endedMillis = System.currentTimeMillis();
        }
        write();
        changed();
    }

    // ---- called for operators

    public void pauseByOperator() throws DiskException {
        synchronized (this) {
            checkRuns();
            paused = true;
            message = PAUSED_BY_OPERATOR;
        }
        write();
        changed();
    }

    public void resume() throws DiskException {
        synchronized (this) {
            checkRuns();
            paused = false;
            message = "";
        }
        write();
        changed();
    }

    public void cancel() throws DiskException {
        synchronized (this) {
            checkRuns();
            cancelled = true;
        }
        write();
        changed();
    }

    public void completeByOperator() throws DiskException {
        synchronized (this) {
            checkRuns();
            if (state != JobState.READY) {
                throw new DiskException(
                        Reason.BUSY,
                        "job " + id + " is " + state
                                + (kind.equals("mirror")
                                        ? "; it can be completed when it is ready"
                                        : ", and completes by itself"));
            }
            complete = true;
        }
        write();
        changed();
    }

    /** Sets {@code speed=} and {@code share=}, which may be {@code auto}. */
    public void set(Map<String, String> settings) throws DiskException {
        Options options = new Options(settings);
        long newSpeed = options.size("speed", speed);
        int newShare = options.text("share", "").equals("auto")
                ? AUTOMATIC_SHARE
                : options.number("share", share, 1, MOST_SHARE);
        options.checkAllKnown("job " + id);
        synchronized (this) {
            checkRuns();
            speed = newSpeed;
            share = newShare;
        }
        write();
        changed();
    }

    private void checkRuns() throws DiskException {
        if (state.ended()) {
            throw new DiskException(Reason.BUSY, "job " + id + " has ended: " + state + ", " + message);
        }
    }
}
