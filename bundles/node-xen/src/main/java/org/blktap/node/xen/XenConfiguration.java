package org.blktap.node.xen;

import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;

/** The bundle's settings as they are at this moment. Any thread. */
@Component(service = XenConfiguration.class, configurationPid = XenSettings.PID)
public final class XenConfiguration {
    private final Limits limits;
    private volatile int opening;

    @Activate
    public XenConfiguration(XenSettings settings) {
        limits = Limits.of(settings, NativeGrantTable.mappingsMax());
        opening = settings.opening();
    }

    @Modified
    public void configure(XenSettings settings) {
        limits.configure(settings, NativeGrantTable.mappingsMax());
        opening = settings.opening();
    }

    /** The limits of guests, and what they have taken of them: one object, which changes with the settings. */
    Limits limits() {
        return limits;
    }

    /** Disks of toolstacks that may be opened at once. */
    int opening() {
        return opening;
    }
}
