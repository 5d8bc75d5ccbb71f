package org.blktap.api.node;

import org.osgi.annotation.bundle.Attribute;
import org.osgi.annotation.bundle.Capability;
import org.osgi.service.component.annotations.ComponentPropertyType;

/**
 * Service property {@code node.kind} of a {@link NodeProvider}: what {@code --node} names. It also becomes a capability
 * {@value #NAMESPACE} in the bundle's manifest.
 */
@ComponentPropertyType
@Capability(namespace = NodeKind.NAMESPACE, attribute = "class=${@class}")
public @interface NodeKind {
    /** Makes {@code node.kind} of {@link #kind}. */
    String PREFIX_ = "node.";

    /**
     * Namespace of the capability that a bundle has for each of its kinds, and the name of the attribute that is the
     * kind.
     */
    String NAMESPACE = "org.blktap.node";

    /** E.g. {@code vhost-user}. */
    @Attribute(NAMESPACE)
    String kind();

    /** One line for {@code nodes}: whom it reaches. No quotation marks. */
    @Attribute("summary")
    String summary() default "";
}
