package org.blktap.http;

import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.blktap.tls.Subjects;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.http.HttpURI;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/**
 * Decides which requests are allowed. It comes before all handlers, so that no servlet can be reached without it. Reads
 * no body, and holds no thread.
 */
final class Guard extends Handler.Wrapper {
    /** Attribute that is true on a request whose client has shown a valid token or certificate. */
    static final String TRUSTED = Guard.class.getName() + ".trusted";

    private static final String BEARER = "Bearer ";
    /** An address in digits, unlike a name that an attacker's name server could resolve to this host. */
    private static final Pattern ADDRESS = Pattern.compile("\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9a-fA-F:.]+]");

    private static final List<HttpField> HEADERS = List.of(
            // only lit-html makes HTML from text, and only from the page's templates
            new HttpField(
                    "Content-Security-Policy",
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"),
            new HttpField("X-Content-Type-Options", "nosniff"),
            new HttpField("X-Frame-Options", "DENY"),
            new HttpField("Referrer-Policy", "no-referrer"),
            new HttpField("Cross-Origin-Opener-Policy", "same-origin"),
            new HttpField("Cross-Origin-Resource-Policy", "same-origin"),
            new HttpField("Cache-Control", "no-store"));

    private final Token token;
    private final Subjects subjects;
    private final Predicate<String> open;
    private final Set<String> hosts = new HashSet<>(Set.of("localhost"));

    /**
     * @param subjects the subjects whose certificates are accepted instead of the token; null for none
     * @param hosts names of this host
     * @param open the paths that need no token
     */
    Guard(Token token, Subjects subjects, List<String> hosts, Predicate<String> open) {
        this.open = open;
        this.token = token;
        this.subjects = subjects;
        hosts.forEach(each -> this.hosts.add(each.toLowerCase(Locale.ROOT)));
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        HttpFields.Mutable headers = response.getHeaders();
        HEADERS.forEach(headers::put);
        boolean trusted = isTrusted(request);
        Problem problem = judge(request, trusted);
        if (problem != null) {
            if (problem.status() == HttpStatus.UNAUTHORIZED_401) {
                headers.put(HttpHeader.WWW_AUTHENTICATE, "Bearer realm=\"blktap\"");
            }
            problem.write(response, callback);
            return true;
        }
        request.setAttribute(TRUSTED, trusted);
        return super.handle(request, response, callback);
    }

    /** Returns why the request is refused, or null. */
    private Problem judge(Request request, boolean trusted) {
        String host = Request.getServerName(request);
        if (host == null || !isOurs(host.toLowerCase(Locale.ROOT))) {
            return new Problem(
                    HttpStatus.MISDIRECTED_REQUEST_421,
                    "the name " + host + " is not one of this host's; add it to the setting hosts of org.blktap.http");
        }
        HttpFields headers = request.getHeaders();
        String origin = headers.get(HttpHeader.ORIGIN);
        if (origin != null && !origin.equalsIgnoreCase(ownOrigin(request))) {
            return new Problem(HttpStatus.FORBIDDEN_403, "requests of pages from elsewhere are refused");
        }
        boolean mayAnyone = open.test(Request.getPathInContext(request));
        if (!mayAnyone && isForeign(headers.get("Sec-Fetch-Site"))) {
            return new Problem(HttpStatus.FORBIDDEN_403, "requests of pages from elsewhere are refused");
        }
        return mayAnyone || trusted
                ? null
                : new Problem(
                        HttpStatus.UNAUTHORIZED_401,
                        "give the daemon's token as Authorization: Bearer TOKEN; blktap http shows the file that it is in");
    }

    private boolean isOurs(String host) {
        return hosts.contains(host) || ADDRESS.matcher(host).matches();
    }

    private static boolean isForeign(String site) {
        return site != null && !site.equals("same-origin") && !site.equals("none");
    }

    private static String ownOrigin(Request request) {
        HttpURI uri = request.getHttpURI();
        StringBuilder origin = new StringBuilder(uri.getScheme()).append("://").append(Request.getServerName(request));
        int port = Request.getServerPort(request);
        if (port != ("https".equals(uri.getScheme()) ? 443 : 80)) {
            origin.append(':').append(port);
        }
        return origin.toString();
    }

    private boolean isTrusted(Request request) {
        String authorization = request.getHeaders().get(HttpHeader.AUTHORIZATION);
        if (authorization != null) {
            // a wrong token is refused although there is a certificate
            return authorization.regionMatches(true, 0, BEARER, 0, BEARER.length())
                    && token.is(authorization.substring(BEARER.length()).strip());
        }
        return subjects != null
                && request.getAttribute(EndPoint.SslSessionData.ATTRIBUTE) instanceof EndPoint.SslSessionData tls
                && tls.peerCertificates() != null
                && tls.peerCertificates().length > 0
                && isAllowed(tls);
    }

    private boolean isAllowed(EndPoint.SslSessionData tls) {
        return subjects.allow(tls.peerCertificates()[0].getSubjectX500Principal());
    }
}
