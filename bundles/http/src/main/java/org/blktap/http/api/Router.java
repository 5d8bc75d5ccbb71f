package org.blktap.http.api;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.blktap.api.disk.DiskException;
import org.blktap.http.Problem;

/** Finds the route of a request. Not changed once requests come. */
final class Router {
    private final List<Route> routes = new ArrayList<>();

    /** Does the work of a route. Blocking. */
    interface Work {
        Reply answer(Ask ask) throws ProblemException, DiskException, InterruptedException;
    }

    private record Route(String method, List<String> pattern, Work work) {
        /** Returns the values of the variables, or null if the path does not match. */
        List<String> match(List<String> path) {
            if (path.size() != pattern.size()) {
                return null;
            }
            List<String> values = new ArrayList<>();
            for (int i = 0; i < path.size(); i++) {
                if (pattern.get(i).startsWith("{")) {
                    values.add(path.get(i));
                } else if (!pattern.get(i).equals(path.get(i))) {
                    return null;
                }
            }
            return values;
        }
    }

    /** @param pattern such as {@code /attachments/{id}} */
    void add(String method, String pattern, Work work) {
        routes.add(new Route(method, segments(pattern), work));
    }

    /** Returns all routes, as {@code GET /attachments/{id}}. */
    List<String> all() {
        return routes.stream()
                .map(each -> each.method() + " /" + String.join("/", each.pattern()))
                .toList();
    }

    Reply answer(Ask ask) throws ProblemException, DiskException, InterruptedException {
        List<String> path = segments(ask.path());
        Set<String> allowed = new TreeSet<>();
        for (Route route : routes) {
            List<String> values = route.match(path);
            if (values != null && route.method().equals(ask.method())) {
                ask.found(values);
                return route.work().answer(ask);
            }
            if (values != null) {
                allowed.add(route.method());
            }
        }
        if (allowed.isEmpty()) {
            throw new ProblemException(404, "there is no " + ask.path() + "; /api/v1/openapi.json has what there is");
        }
        Problem problem = new Problem(405, ask.path() + " has " + String.join(" and ", allowed));
        return Reply.of(problem).with("Allow", String.join(", ", allowed));
    }

    private static List<String> segments(String path) {
        return Arrays.asList(path.substring(1).split("/", -1));
    }
}
