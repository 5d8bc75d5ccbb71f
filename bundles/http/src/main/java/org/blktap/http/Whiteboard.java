package org.blktap.http;

import java.util.Hashtable;
import org.apache.felix.http.base.internal.HttpServiceController;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.osgi.framework.BundleContext;

/**
 * Felix's Whiteboard: servlets that bundles register as services, behind the {@link Guard}. Felix's own start of Jetty
 * is not used: it would listen at all addresses until it is configured.
 */
final class Whiteboard extends ServletContextHandler {
    private final HttpServiceController controller;

    Whiteboard(BundleContext context) {
        super("/");
        controller = new HttpServiceController(context);
        addServlet(new ServletHolder(controller.createDispatcherServlet()), "/*");
    }

    @Override
    protected void doStart() throws Exception {
        super.doStart();
        controller.register(getServletContext(), new Hashtable<>());
    }

    @Override
    protected void doStop() throws Exception {
        controller.unregister();
        super.doStop();
    }
}
