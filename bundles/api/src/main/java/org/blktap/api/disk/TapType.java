package org.blktap.api.disk;

import org.osgi.service.component.annotations.ComponentPropertyType;

/** Service property {@code tap.type} of a {@link DiskDriver} or {@link SimpleDriver}: the type in {@code tap:<type>:}. */
@ComponentPropertyType
public @interface TapType {
    /** Makes {@code tap.type} of {@link #type}. */
    String PREFIX_ = "tap.";

    /** E.g. {@code qcow}. */
    String type();

    /** One line for {@code drivers}: what it opens. */
    String summary() default "";

    /** The {@code engine.name} of the I/O engine that does the I/O of its attachments unless they say otherwise; empty for the best present. */
    String engine() default "";
}
