package org.blktap.health;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.felix.hc.api.HealthCheck;
import org.apache.felix.hc.api.Result;
import org.blktap.api.control.Attachments;
import org.blktap.deploy.BundleDiagnosis;
import org.blktap.linux.ProcFile;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.condition.Condition;

/** Checks whether the daemon is ready, its bundles are active, and file descriptors are left. */
@Component(property = {HealthCheck.NAME + "=daemon", HealthCheck.TAGS + "=blktap"})
public final class DaemonCheck implements HealthCheck {
    private static final Path DESCRIPTORS = Path.of("/proc/self/fd");
    private static final Path LIMITS = Path.of("/proc/self/limits");
    private static final Pattern LIMIT = Pattern.compile("(?m)^Max open files +([0-9]+) ");
    private static final int WARN_PERCENT = 90;
    private static final int CRITICAL_PERCENT = 98;

    private final BundleContext bundles;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC)
    volatile Attachments attachments;

    /** Present once the daemon is ready. */
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            target = "(osgi.condition.id=org.blktap.ready)")
    volatile Condition ready;

    @Activate
    public DaemonCheck(BundleContext bundles) {
        this.bundles = bundles;
    }

    @Override
    public Result execute() {
        Findings findings = new Findings();
        if (attachments == null) {
            findings.critical("the core is not active, and no disk is served; blktap diag says why");
        } else if (ready == null) {
            findings.critical("not ready: earlier attachments are being opened");
        }
        for (Bundle each : bundles.getBundles()) {
            boolean active = each.getState() == Bundle.ACTIVE || each.getState() == Bundle.STARTING;
            if (!active && !BundleDiagnosis.isFragment(each) && !BundleDiagnosis.isLater(each, bundles)) {
                findings.warn(
                        "bundle " + each.getSymbolicName() + " is not active: " + BundleDiagnosis.why(each, bundles));
            }
        }
        descriptors(findings);
        return findings.result("ready, pid " + ProcessHandle.current().pid());
    }

    private static void descriptors(Findings findings) {
        try {
            Matcher limit = LIMIT.matcher(ProcFile.read(LIMITS));
            long most = limit.find() ? Long.parseLong(limit.group(1)) : 0;
            long open = 0;
            try (DirectoryStream<Path> all = Files.newDirectoryStream(DESCRIPTORS)) {
                for (Path each : all) {
                    open++;
                }
            }
            String line = open + " of " + most + " file descriptors are open; raise LimitNOFILE=";
            if (most > 0 && open * 100 >= most * CRITICAL_PERCENT) {
                findings.critical(line);
            } else if (most > 0 && open * 100 >= most * WARN_PERCENT) {
                findings.warn(line);
            }
        } catch (IOException e) {
            findings.warn("the open file descriptors cannot be counted: " + e.getMessage());
        }
    }
}
