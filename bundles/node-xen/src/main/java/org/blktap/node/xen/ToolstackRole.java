package org.blktap.node.xen;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import org.blktap.api.settings.Instance;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;

/**
 * Whether this instance attaches the disks that toolstacks write into XenStore. One instance does, as long as it lives:
 * it holds a lock on a file that all instances know. Decided once, when the bundle starts.
 */
@Component(service = ToolstackRole.class)
public final class ToolstackRole {
    private static final System.Logger LOG = System.getLogger("org.blktap.node.xen");
    /** In the directory for sockets of the default instance. */
    private static final String FILE = "toolstack.lock";

    private final FileChannel file;
    private final boolean answers;
    private final Claimant claimant;

    @Activate
    public ToolstackRole(@Reference Instance instance, @Reference XenConfiguration configuration) {
        claimant = new Claimant(instance.name());
        FileChannel opened = null;
        boolean locked = false;
        if (isWanted(instance, configuration.toolstack())) {
            try {
                Path path = instance.commonRun().resolve(FILE);
                Files.createDirectories(path.getParent());
                opened = FileChannel.open(
                        path, Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS));
                FileLock lock = opened.tryLock();
                locked = lock != null;
                if (!locked) {
                    LOG.log(
                            Level.WARNING,
                            "disks of toolstacks are not this instance's: another one attaches them already");
                }
            } catch (IOException e) {
                // a directory that cannot be written keeps others from being locked out as well
                LOG.log(Level.WARNING, "disks of toolstacks are not this instance's: " + e);
            }
        }
        file = opened;
        answers = locked;
    }

    private static boolean isWanted(Instance instance, String setting) {
        switch (setting) {
            case "yes":
                return true;
            case "no":
                return false;
            case Instance.DEFAULT:
                return instance.isDefault();
            default:
                LOG.log(Level.WARNING, "toolstack: expected yes, no or default");
                return instance.isDefault();
        }
    }

    /** Whether it does. */
    boolean answers() {
        return answers;
    }

    /** The names of this instance's attachments. */
    Claimant claimant() {
        return claimant;
    }

    @Deactivate
    public void stop() throws IOException {
        if (file != null) {
            file.close();
        }
    }
}
