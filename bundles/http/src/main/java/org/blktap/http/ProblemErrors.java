package org.blktap.http;

import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.util.Callback;

/** Gives Jetty's own errors, such as those of invalid requests, the form of a {@link Problem}. */
final class ProblemErrors extends ErrorHandler {
    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        Object message = request.getAttribute(ERROR_MESSAGE);
        problem(response.getStatus(), message == null ? null : message.toString())
                .write(response, callback);
        return true;
    }

    private static Problem problem(int status, String message) {
        String known = message == null || message.isEmpty()
                ? null
                : message.lines().findFirst().orElse(null);
        return new Problem(status, status == 404 || known == null ? fallback(status) : known);
    }

    private static String fallback(int status) {
        return status == 404 ? "there is nothing of this path" : "the request cannot be answered";
    }
}
