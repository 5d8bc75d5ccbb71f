package org.blktap.api.node;

import org.osgi.service.component.annotations.ComponentPropertyType;

/** Service property {@code node.kind} of a {@link NodeProvider}: what {@code --node} names. */
@ComponentPropertyType
public @interface NodeKind {
    /** Makes {@code node.kind} of {@link #kind}. */
    String PREFIX_ = "node.";

    /** E.g. {@code vhost-user}. */
    String kind();

    /** One line for {@code nodes}: whom it reaches. */
    String summary() default "";
}
