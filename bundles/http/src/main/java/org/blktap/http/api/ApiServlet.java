package org.blktap.http.api;

import jakarta.servlet.Servlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import org.blktap.api.control.Attachments;
import org.blktap.api.disk.DiskException;
import org.blktap.http.Problem;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;

/** Answers all of {@code /api/v1}: finds the route, has it work, and writes what comes of it. */
@Component(
        service = Servlet.class,
        property = {"osgi.http.whiteboard.servlet.pattern=/api/v1/*", "osgi.http.whiteboard.servlet.name=blktap"})
public final class ApiServlet extends HttpServlet {
    private static final System.Logger LOG = System.getLogger("org.blktap.http");

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Attachments attachments;

    private final transient Router router = new Router();

    @Activate
    public ApiServlet(BundleContext context) {
        new DisksResource(() -> attachments).addTo(router);
        new OpenApi(context.getBundle().getVersion().toString()).addTo(router);
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        Answer answer;
        try {
            answer = router.answer(new Ask(request));
        } catch (ProblemException e) {
            answer = Answer.of(e.problem());
        } catch (DiskException e) {
            answer = Answer.of(Problem.of(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            answer = Answer.of(new Problem(HttpServletResponse.SC_SERVICE_UNAVAILABLE, "the daemon is stopping"));
        } catch (RuntimeException | LinkageError e) {
            LOG.log(Level.ERROR, "a request failed in a way that it should not", e);
            answer = Answer.of(new Problem(
                    HttpServletResponse.SC_INTERNAL_SERVER_ERROR, "internal error, see the daemon's log: " + e));
        }
        answer.headers().forEach(response::setHeader);
        response.setStatus(answer.status());
        if (answer.text() != null) {
            byte[] bytes = answer.text().getBytes(StandardCharsets.UTF_8);
            response.setContentType(answer.type());
            response.setContentLength(bytes.length);
            response.getOutputStream().write(bytes);
        }
    }
}
