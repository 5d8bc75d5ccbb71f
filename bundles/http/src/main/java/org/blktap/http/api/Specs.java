package org.blktap.http.api;

import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;

/** Parses tap specs of requests. A client has no directory to which a path could be relative. */
final class Specs {
    private Specs() {}

    /**
     * @throws DiskException BAD_OPTION if it is no spec
     * @throws ProblemException if its path is relative
     */
    static TapSpec parse(String text) throws DiskException, ProblemException {
        return checked(TapSpec.parse(text));
    }

    static TapSpec checked(TapSpec spec) throws ProblemException {
        String path = spec.path();
        // options follow a comma if the path is a name
        boolean file = path.startsWith(".") || path.replaceFirst(",.*", "").indexOf('/') > 0;
        if (!spec.isRemote() && file && !path.contains("://")) {
            throw new ProblemException(400, spec + ": the path is relative; give it from /");
        }
        return spec;
    }
}
