package org.blktap.http.api;

import org.blktap.http.Problem;

/** A request that is refused. */
final class ProblemException extends Exception {
    private static final long serialVersionUID = 1;

    private final transient Problem problem;

    ProblemException(int status, String detail) {
        super(detail);
        problem = new Problem(status, detail);
    }

    Problem problem() {
        return problem;
    }
}
