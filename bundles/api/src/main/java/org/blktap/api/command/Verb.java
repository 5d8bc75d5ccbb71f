package org.blktap.api.command;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A verb of the command line: {@code blktap NAME}. A service of prototype scope with a {@link VerbDeclaration}; each
 * call has an object of its own.
 *
 * <p>Options and operands are fields with picocli's {@code @Option} and {@code @Parameters}; the option {@code --help}
 * is there without a field. Description and footer of picocli's {@code @Command} are shown on the verb's page. A verb
 * that also runs outside the daemon has a public constructor without parameters, and refers to no other services.
 */
@ConsumerType
public interface Verb {
    /**
     * Does the work. Any thread; blocks until it is done.
     *
     * @return the exit status: 0 if all is well
     * @throws Exception a {@link org.blktap.api.disk.DiskException}, whose message is shown to the caller in one line;
     *     its reason BAD_OPTION makes the exit status 2, any other 1. All other exceptions are shown as internal errors
     */
    int run(Call call) throws Exception;
}
