package org.blktap.shell.server;

import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.blktap.api.command.Screen;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.settings.Directories;
import org.blktap.deploy.FrameworkCheck;
import org.blktap.shell.command.Surroundings;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.startlevel.FrameworkStartLevel;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/**
 * The services that the verbs use. The core may be missing: then {@code diag} and {@code status}, which show why, still
 * answer.
 */
@Component(service = ControlServices.class)
public final class ControlServices {
    /** Start level of the framework's own commands, which only a prompt needs. */
    private static final int PROMPT_LEVEL = 40;

    private static final int PROMPT_SECONDS = 60;

    private final BundleContext bundles;
    private final ServiceComponentRuntime components;
    private final Directories directories;
    /** Whether blktap's launcher has started the framework, and not another program. */
    private final boolean levelIsOurs;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Attachments attachments;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Images images;

    @Activate
    public ControlServices(
            BundleContext bundles,
            @Reference ServiceComponentRuntime components,
            @Reference Directories directories,
            @Reference(cardinality = ReferenceCardinality.OPTIONAL, target = "(blktap.launcher=failure)")
                    Consumer<String> launcher) {
        this.bundles = bundles;
        this.components = components;
        this.directories = directories;
        levelIsOurs = launcher != null;
    }

    /** The attachments, or null without the core. */
    Attachments attachments() {
        return attachments;
    }

    /** Whether the core is there. */
    boolean complete() {
        return attachments != null && images != null;
    }

    /** Starts the framework's own commands, unless they are running. */
    void startPrompt() {
        if (!levelIsOurs) {
            return;
        }
        FrameworkStartLevel level = bundles.getBundle(0).adapt(FrameworkStartLevel.class);
        if (level.getStartLevel() < PROMPT_LEVEL) {
            CountDownLatch reached = new CountDownLatch(1);
            level.setStartLevel(PROMPT_LEVEL, event -> reached.countDown());
            try {
                // blktap's own commands work without them
                reached.await(PROMPT_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Returns in one line why the core is not active. */
    String whyIncomplete() {
        FrameworkCheck check = new FrameworkCheck(bundles, components);
        for (Bundle bundle : bundles.getBundles()) {
            String failure =
                    String.valueOf(bundle.getSymbolicName()).startsWith("org.blktap.") ? check.failure(bundle) : null;
            if (failure != null) {
                return failure;
            }
        }
        return "a service that it needs is missing; lib/ and bundle/ must be of one version";
    }

    /** The daemon's directories. */
    Directories directories() {
        return directories;
    }

    /**
     * The services for a caller in a directory, at a terminal or not.
     *
     * @param screen the terminal that the caller's output is; null if it is a file or a pipe
     */
    public Surroundings in(Path directory, boolean terminal, Screen screen) {
        return new Surroundings(
                () -> attachments, () -> images, bundles, components, directories, directory, terminal, screen);
    }
}
