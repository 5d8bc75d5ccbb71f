package org.blktap.http.api;

import jakarta.servlet.Servlet;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Semaphore;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.control.Jobs;
import org.blktap.api.disk.DiskException;
import org.blktap.api.settings.Directories;
import org.blktap.http.HttpLimits;
import org.blktap.http.Problem;
import org.eclipse.jetty.http.HttpException;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/** Answers {@code /api/v1}: finds the route, runs it, and writes the result. */
@Component(
        service = Servlet.class,
        property = {"osgi.http.whiteboard.servlet.pattern=/api/v1/*", "osgi.http.whiteboard.servlet.name=blktap"})
public final class ApiServlet extends HttpServlet {
    private static final System.Logger LOG = System.getLogger("org.blktap.http");
    /** The most requests at a time that change something. These may wait for VMs, and must leave threads for reads. */
    private static final int CHANGES = 12;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Attachments attachments;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Images images;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Jobs jobs;

    private final transient Router router = new Router();
    private final transient Semaphore changes = new Semaphore(CHANGES);

    @Activate
    public ApiServlet(
            BundleContext context,
            @Reference HttpLimits limits,
            @Reference Directories directories,
            @Reference ServiceComponentRuntime components)
            throws IOException {
        new AttachmentsResource(() -> attachments, () -> images, () -> jobs).addTo(router);
        new FiltersResource(() -> attachments).addTo(router);
        new JobsResource(() -> jobs).addTo(router);
        new BundlesResource(context, components, directories).addTo(router);
        new DaemonResource(context, components, limits, () -> attachments).addTo(router);
        new OpenApi(context.getBundle().getVersion().toString()).addTo(router);
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        Reply answer = answer(request);
        answer.headers().forEach(response::setHeader);
        response.setStatus(answer.status());
        if (answer.text() != null) {
            byte[] bytes = answer.text().getBytes(StandardCharsets.UTF_8);
            response.setContentType(answer.type());
            response.setContentLength(bytes.length);
            response.getOutputStream().write(bytes);
        }
    }

    private Reply answer(HttpServletRequest request) {
        Ask ask = new Ask(request);
        boolean reads = ask.method().equals("GET");
        if (!reads && !changes.tryAcquire()) {
            return Reply.of(new Problem(
                            HttpServletResponse.SC_SERVICE_UNAVAILABLE,
                            CHANGES + " other changes are under way; try again"))
                    .with("Retry-After", "5");
        }
        try {
            return router.answer(ask);
        } catch (ProblemException e) {
            return Reply.of(e.problem());
        } catch (DiskException e) {
            return Reply.of(Problem.of(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Reply.of(new Problem(HttpServletResponse.SC_SERVICE_UNAVAILABLE, "this bundle is being stopped"));
        } catch (RuntimeException | LinkageError e) {
            if (e instanceof HttpException wrong) {
                // thrown by Jetty for the body
                return Reply.of(new Problem(wrong.getCode(), String.valueOf(wrong.getReason())));
            }
            LOG.log(Level.ERROR, "a request failed in a way that it should not", e);
            return Reply.of(new Problem(
                    HttpServletResponse.SC_INTERNAL_SERVER_ERROR, "internal error, see the daemon's log: " + e));
        } finally {
            if (!reads) {
                changes.release();
            }
        }
    }
}
