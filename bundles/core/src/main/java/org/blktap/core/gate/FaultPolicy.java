package org.blktap.core.gate;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.StateReason.Kind;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.engine.Errno;

/**
 * What becomes of requests of an attachment that the storage fails.
 *
 * @param onEnospc for which it has no space
 * @param onEio that it fails otherwise
 */
public record FaultPolicy(Response onEnospc, Response onEio) {
    /** The options of an attachment that make it. */
    public static final List<String> OPTIONS = List.of(AttachRequest.ON_ENOSPC, AttachRequest.ON_EIO);

    /** Answers all requests. */
    public static final FaultPolicy REPORT = new FaultPolicy(Response.REPORT, Response.REPORT);

    private static final FaultPolicy DEFAULT = new FaultPolicy(Response.PARK, Response.REPORT);

    /** What is done about a failed request. */
    public enum Response {
        /** It is answered with the error. */
        REPORT("report"),
        /** It is held, and the attachment is parked until an operator resumes it. */
        PARK("park"),
        /** The same, and the attachment resumes by itself. */
        PARK_AUTO("park,auto");

        private final String text;

        Response(String text) {
            this.text = text;
        }

        /** As an option has it. */
        @Override
        public String toString() {
            return text;
        }

        private static Response of(Map<String, String> options, String name, Response other) throws DiskException {
            String value = options.get(name);
            if (value == null) {
                return other;
            }
            return Arrays.stream(values())
                    .filter(each -> each.text.equals(value))
                    .findFirst()
                    .orElseThrow(() -> new DiskException(
                            Reason.BAD_OPTION,
                            "bad option " + name + "=" + value + ", expected report, park or park,auto"));
        }
    }

    /**
     * The policy that the options of an attachment ask for.
     *
     * @throws DiskException BAD_OPTION
     */
    public static FaultPolicy of(Map<String, String> options) throws DiskException {
        return new FaultPolicy(
                Response.of(options, AttachRequest.ON_ENOSPC, DEFAULT.onEnospc),
                Response.of(options, AttachRequest.ON_EIO, DEFAULT.onEio));
    }

    /** The options that ask for it, with those that are the default. */
    public Map<String, String> options() {
        Map<String, String> options = new LinkedHashMap<>();
        options.put(AttachRequest.ON_ENOSPC, onEnospc.toString());
        options.put(AttachRequest.ON_EIO, onEio.toString());
        return options;
    }

    /** What is done about a kind of failure. */
    public Response of(Kind kind) {
        return kind == Kind.NO_SPACE ? onEnospc : kind == Kind.IO_ERROR ? onEio : Response.REPORT;
    }

    /**
     * The kind of an error: NO_SPACE; IO_ERROR for what Linux's block layer reports of devices (block/blk-core.c,
     * blk_errors) and a server that is shutting down; NONE for errors that say something about the request.
     */
    public static Kind kindOf(int errno) {
        return switch (errno) {
            case Errno.ENOSPC, Errno.EDQUOT -> Kind.NO_SPACE;
            case Errno.EIO,
                    Errno.ENODATA,
                    Errno.ENOLINK,
                    Errno.EILSEQ,
                    Errno.ETIMEDOUT,
                    Errno.EREMOTEIO,
                    Errno.ESHUTDOWN -> Kind.IO_ERROR;
            default -> Kind.NONE;
        };
    }

    /** Whether a request that has failed with this is held. */
    boolean holds(int errno) {
        return of(kindOf(errno)) != Response.REPORT;
    }
}
