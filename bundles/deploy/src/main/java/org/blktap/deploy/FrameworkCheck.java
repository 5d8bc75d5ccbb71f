package org.blktap.deploy;

import java.nio.file.Path;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;

/** Checks jars by the resolver of the running framework, and bundles by their components. */
public record FrameworkCheck(BundleContext bundles, ServiceComponentRuntime components) implements Deployer.JarCheck {
    @Override
    public List<String> resolves(Path jar) throws DiskException {
        return TrialBundle.resolve(jar, bundles);
    }

    @Override
    public String failure(Bundle bundle) {
        for (ComponentDescriptionDTO component : components.getComponentDescriptionDTOs(bundle)) {
            for (ComponentConfigurationDTO each : components.getComponentConfigurationDTOs(component)) {
                if (each.state == ComponentConfigurationDTO.FAILED_ACTIVATION) {
                    return "component " + component.name + " fails: "
                            + (each.failure == null
                                    ? "the daemon's log says why"
                                    : each.failure.lines().findFirst().orElse("the daemon's log says why"));
                }
            }
        }
        return null;
    }
}
