package org.blktap.api.filter;

import org.osgi.annotation.bundle.Attribute;
import org.osgi.annotation.bundle.Capability;
import org.osgi.service.component.annotations.ComponentPropertyType;

/**
 * Service property {@code filter.type} of a {@link DiskFilter}: what {@code --filter} names. It also becomes a
 * capability {@value #NAMESPACE} in the bundle's manifest.
 */
@ComponentPropertyType
@Capability(namespace = FilterType.NAMESPACE, attribute = "class=${@class}")
public @interface FilterType {
    /** Makes {@code filter.type} of {@link #type}. */
    String PREFIX_ = "filter.";

    /**
     * Namespace of the capability that a bundle has for each of its filters, and the name of the attribute that is the
     * type.
     */
    String NAMESPACE = "org.blktap.filter";

    /** E.g. {@code throttle}: lower-case letters, digits, {@code -} and {@code _}. */
    @Attribute(NAMESPACE)
    String type();

    /** One line for {@code filters}: what it does. No quotation marks. */
    @Attribute("summary")
    String summary() default "";
}
