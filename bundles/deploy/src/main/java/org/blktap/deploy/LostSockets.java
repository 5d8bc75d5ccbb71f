package org.blktap.deploy;

import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.disk.FileNames;
import org.blktap.api.disk.PercentCoding;

/** The unix sockets of nodes that others have deleted: no new client can come to them. */
public final class LostSockets {
    private static final System.Logger LOG = System.getLogger("org.blktap.deploy");
    /** Matches a socket path in an address: {@code vhost-user:/path} and {@code nbd+unix:///name?socket=/path}. */
    private static final Pattern SOCKET = Pattern.compile("(?:^[a-z-]+:|[?&]socket=)(/[^/&?][^&?]*)$");

    private LostSockets() {}

    /** The addresses of an attachment's nodes whose socket is not there. */
    public static List<String> of(AttachmentStatus attachment) {
        List<String> lost = new ArrayList<>();
        for (AttachmentStatus.Node node :
                attachment.state() == State.RUNNING ? attachment.nodes() : List.<AttachmentStatus.Node>of()) {
            Matcher socket = SOCKET.matcher(node.address());
            try {
                if (socket.find() && !Files.exists(path(node.address(), socket.group(1)), LinkOption.NOFOLLOW_LINKS)) {
                    lost.add(node.address());
                }
            } catch (IllegalArgumentException e) {
                LOG.log(Level.DEBUG, node.address() + ": no path: " + e.getMessage());
            }
        }
        return lost;
    }

    /** Bytes in a URI are escaped. */
    private static Path path(String address, String written) {
        return FileNames.path(address.contains("://") ? PercentCoding.decode(written) : written);
    }

    /** What to say of a lost socket. */
    public static String message(String id, String address) {
        return id + ": the socket of " + address + " was deleted from outside; unplug and plug it to have it again";
    }
}
