package org.blktap.api.engine;

import org.osgi.service.component.annotations.ComponentPropertyType;

/** Service property {@code engine.name} of an {@link IoEngine}. */
@ComponentPropertyType
public @interface EngineName {
    /** Makes {@code engine.name} of {@link #name}. */
    String PREFIX_ = "engine.";

    /** E.g. {@code libaio}. */
    String name();
}
