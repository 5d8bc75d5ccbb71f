package org.blktap.http.api;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;

/** Text as a segment of a URL's path. */
final class PathSegment {
    private PathSegment() {}

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
