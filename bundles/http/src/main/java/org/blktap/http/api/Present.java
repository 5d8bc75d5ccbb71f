package org.blktap.http.api;

import java.util.function.Supplier;

/** Services that may be missing. */
final class Present {
    private Present() {}

    /** @throws ProblemException 503 if the service is missing */
    static <T> T in(Supplier<T> service, String name) throws ProblemException {
        T found = service.get();
        if (found == null) {
            throw new ProblemException(503, name + " is not active; blktap diag shows why");
        }
        return found;
    }
}
