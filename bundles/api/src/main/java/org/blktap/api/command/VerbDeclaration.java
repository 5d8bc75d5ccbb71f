package org.blktap.api.command;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.osgi.annotation.bundle.Attribute;
import org.osgi.annotation.bundle.Capability;
import org.osgi.service.component.annotations.ComponentPropertyType;

/**
 * Declares a {@link Verb}. Help, completion, dispatch, the choice of the process and the manual page derive from it:
 * nothing else lists verbs. It becomes the service's properties {@code verb.name} and so on, and a capability
 * {@value #NAMESPACE} in the bundle's manifest, by which a verb is known where no framework runs.
 */
@ComponentPropertyType
@Capability(namespace = VerbDeclaration.NAMESPACE, attribute = "class=${@class}")
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
public @interface VerbDeclaration {
    /** Prefix of the service properties: {@link #name} becomes {@code verb.name}. */
    String PREFIX_ = "verb.";

    /** Namespace of the capability that a bundle has for each of its verbs. */
    String NAMESPACE = "org.blktap.verb";

    /** The word after {@code blktap}: lower case letters, digits and dashes. */
    @Attribute("name")
    String name();

    /** One sentence for the list of verbs. No quotation marks. */
    @Attribute("summary")
    String summary();

    /**
     * The operands in their order. Each is a label for people that is also the name of its {@link OperandKind}:
     * {@code "ID"}, {@code "ID|SPEC"}. A label that is no such name is followed by the kinds: {@code "SOURCE=SPEC"}.
     * Brackets make it optional, {@code "[SIZE]"}; dots, the last one, allow several: {@code "[WORD=TEXT...]"}. The
     * fields with {@code @Parameters} have the same order, and no label or arity of their own.
     */
    String[] operands() default {};

    /**
     * The kinds of options' values, for completion: {@code "--backing=SPEC"}. Options that are not listed have no
     * completion.
     */
    String[] values() default {};

    /** The process that runs the verb when it is called as {@code blktap NAME}. */
    Where runs() default Where.DAEMON;

    /** Whether it may work for minutes, so that its own process should use the JVM's optimising compiler. */
    boolean longRunning() default false;

    /** The process that runs a verb. At the daemon's prompt it is the daemon for all. */
    enum Where {
        /** The daemon: without one the verb fails. */
        DAEMON,
        /**
         * The daemon if one runs, otherwise a process of the caller. Such a verb is faster in the daemon, but does not
         * depend on it.
         */
        ANYWHERE,
        /** A process of the caller, whether a daemon runs or not. */
        CLIENT,
        /** A process of the caller if the first operand is a disk that is not attached, otherwise the daemon. */
        CLIENT_FOR_IMAGES,
        /** A Python program of the verb's name in {@code libexec/}. The verb itself is its page. */
        PROGRAM
    }
}
