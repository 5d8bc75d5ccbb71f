package org.blktap.api.disk;

import org.osgi.annotation.bundle.Attribute;
import org.osgi.annotation.bundle.Capability;
import org.osgi.service.component.annotations.ComponentPropertyType;

/**
 * Service property {@code tap.type} of a {@link DiskDriver} or {@link SimpleDriver}: the type in {@code tap:<type>:}.
 * It also becomes a capability {@value #NAMESPACE} in the bundle's manifest, which another bundle may require:
 * {@code @Requirement(namespace = TapType.NAMESPACE, name = "qcow2")}.
 */
@ComponentPropertyType
@Capability(namespace = TapType.NAMESPACE, attribute = "class=${@class}")
public @interface TapType {
    /** Makes {@code tap.type} of {@link #type}. */
    String PREFIX_ = "tap.";

    /**
     * Namespace of the capability that a bundle has for each of its types, and the name of the attribute that is the
     * type.
     */
    String NAMESPACE = "org.blktap.type";

    /** E.g. {@code qcow}. */
    @Attribute(NAMESPACE)
    String type();

    /** One line for {@code drivers}: what it opens. No quotation marks. */
    @Attribute("summary")
    String summary() default "";

    /**
     * The {@code engine.name} of the I/O engine that does the I/O of its attachments unless they say otherwise; empty
     * for the best present.
     */
    String engine() default "";
}
