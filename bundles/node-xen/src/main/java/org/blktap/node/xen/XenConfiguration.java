package org.blktap.node.xen;

import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;

/** The bundle's current settings. Any thread. */
@Component(service = XenConfiguration.class, configurationPid = XenSettings.PID)
public final class XenConfiguration {
    private final GuestLimits limits;
    private final String toolstack;
    private volatile int opening;

    @Activate
    public XenConfiguration(XenSettings settings) {
        limits = GuestLimits.of(settings, NativeGrantTable.mappingsMax());
        opening = settings.opening();
        toolstack = settings.toolstack();
    }

    @Modified
    public void configure(XenSettings settings) {
        limits.configure(settings, NativeGrantTable.mappingsMax());
        opening = settings.opening();
    }

    /** The limits of guests, and the amounts taken: one object, which changes with the settings. */
    GuestLimits limits() {
        return limits;
    }

    /** Whether disks of toolstacks are this instance's: {@code yes}, {@code no} or {@code default}. */
    String toolstack() {
        return toolstack;
    }

    /** Most disks of toolstacks that are opened at the same time. */
    int opening() {
        return opening;
    }
}
