package org.blktap.api.engine;

import org.osgi.annotation.bundle.Attribute;
import org.osgi.annotation.bundle.Capability;
import org.osgi.service.component.annotations.ComponentPropertyType;

/**
 * Service property {@code engine.name} of an {@link IoEngine}. It also becomes a capability {@value #NAMESPACE} in the
 * bundle's manifest, by which {@code engines} lists an engine that this machine cannot run.
 */
@ComponentPropertyType
@Capability(namespace = EngineName.NAMESPACE, attribute = "class=${@class}")
public @interface EngineName {
    /** Makes {@code engine.name} of {@link #name}. */
    String PREFIX_ = "engine.";

    /**
     * Namespace of the capability that a bundle has for each of its engines, and the name of the attribute that is the
     * engine's name.
     */
    String NAMESPACE = "org.blktap.engine";

    /** E.g. {@code libaio}. */
    @Attribute(NAMESPACE)
    String name();

    /** One line for {@code engines}: how it does the I/O. No quotation marks. */
    @Attribute("summary")
    String summary() default "";
}
