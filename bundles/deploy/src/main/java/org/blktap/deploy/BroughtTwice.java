package org.blktap.deploy;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.SynchronousBundleListener;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/**
 * Logs, when a bundle has been installed or updated and before it is started, what it brings that another bundle brings
 * too.
 */
@Component(
        service = {},
        immediate = true)
public final class BroughtTwice implements SynchronousBundleListener {
    private static final Logger LOG = System.getLogger("org.blktap.deploy");

    private final BundleContext bundles;

    @Activate
    public BroughtTwice(BundleContext bundles) {
        this.bundles = bundles;
        bundles.addBundleListener(this);
    }

    @Override
    public void bundleChanged(BundleEvent event) {
        Bundle bundle = event.getBundle();
        if ((event.getType() == BundleEvent.INSTALLED || event.getType() == BundleEvent.UPDATED)
                && !bundle.getLocation().startsWith(TrialBundle.LOCATION)) {
            Contribution.broughtTwice(bundle, String.valueOf(bundle.getSymbolicName()), bundles)
                    .forEach(each -> LOG.log(Level.WARNING, each));
        }
    }

    @Deactivate
    public void stop() {
        bundles.removeBundleListener(this);
    }
}
