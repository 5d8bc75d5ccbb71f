package org.blktap.deploy;

import java.io.File;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.blktap.api.event.Event;
import org.blktap.api.event.Events;
import org.blktap.api.settings.Directories;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.BundleListener;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Publishes which bundles of {@code deploy/} come, are replaced and go, whoever put them there. The start of the
 * daemon, and a bundle that is only started again, is no event.
 */
@Component(
        service = {},
        immediate = true)
public final class DeployEvents implements BundleListener {
    private final BundleContext bundles;
    private final Events events;
    private final Path directory;
    /** For each bundle that has started, by its number, when its contents were last changed. */
    private final Map<Long, Long> known = new ConcurrentHashMap<>();

    @Activate
    public DeployEvents(BundleContext bundles, @Reference Events events, @Reference Directories directories) {
        this.bundles = bundles;
        this.events = events;
        directory = directories.deploy().toAbsolutePath().normalize();
        for (Bundle each : bundles.getBundles()) {
            if (each.getState() == Bundle.ACTIVE) {
                known.put(each.getBundleId(), each.getLastModified());
            }
        }
        bundles.addBundleListener(this);
    }

    @Override
    public void bundleChanged(BundleEvent event) {
        Bundle bundle = event.getBundle();
        String jar = jar(bundle);
        if (jar == null) {
            return;
        }
        boolean running = bundles.getBundle(0).getState() == Bundle.ACTIVE;
        if (event.getType() == BundleEvent.STARTED) {
            Long before = known.put(bundle.getBundleId(), bundle.getLastModified());
            if (running && (before == null || before != bundle.getLastModified())) {
                publish(Event.DEPLOYED, bundle, jar, before == null ? " is deployed" : " has replaced the one before");
            }
        } else if (event.getType() == BundleEvent.UNINSTALLED) {
            known.remove(bundle.getBundleId());
            if (running) {
                publish(Event.UNDEPLOYED, bundle, jar, " is not deployed any more");
            }
        }
    }

    private void publish(String kind, Bundle bundle, String jar, String what) {
        String name = String.valueOf(bundle.getSymbolicName());
        events.publish(
                kind,
                name,
                name + " " + bundle.getVersion() + what,
                Map.of("version", bundle.getVersion().toString(), "jar", jar));
    }

    /** The name of the jar, if the bundle is one of {@code deploy/}; null if not. */
    private String jar(Bundle bundle) {
        String prefix = directory.toFile().toURI().toString();
        String location = bundle.getLocation();
        return location.startsWith(prefix) ? new File(location).getName() : null;
    }

    @Deactivate
    public void stop() {
        bundles.removeBundleListener(this);
    }
}
