package org.blktap.shell.client;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.blktap.api.disk.FileNames;
import org.blktap.shell.launch.LaunchOptions;

/**
 * {@code bin/blktap}: gives its arguments to the daemon and shows the answer. Needs nothing but the JDK, to start fast.
 */
public final class Client {
    /** The name of the daemon's control socket in the run directory. */
    public static final String SOCKET = "control.sock";
    /** The exit status of tap-ctl without permission, an errno as all of its own. */
    private static final int EACCES = 13;

    private Client() {}

    public static void main(String[] arguments) {
        Path socket = LaunchOptions.directories().run().resolve(SOCKET);
        int status = run(socket, List.of(RawArguments.of(arguments)));
        System.out.flush();
        System.err.flush();
        // nothing is left to be tidied up, and hooks cost time
        Runtime.getRuntime().halt(status);
    }

    private static int run(Path socket, List<String> arguments) {
        SocketChannel channel;
        try {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            int status = Offline.run(arguments);
            if (status != Offline.NEEDS_DAEMON) {
                return status;
            }
            boolean tapCtl = !arguments.isEmpty() && arguments.get(0).equals("tap-ctl");
            boolean denied = String.valueOf(e.getMessage()).equals("Permission denied");
            System.err.println((tapCtl ? "tap-ctl: " : "blktap: ")
                    + (denied
                            ? socket + ": no permission; it is for root and the user of the daemon"
                            : "no daemon answers on " + socket + " (" + e.getMessage()
                                    + "); start blktapd, or set BLKTAP_RUN_DIR to the daemon's"));
            return tapCtl && denied ? EACCES : 1;
        }
        try (channel) {
            return converse(new SocketStreams(channel), arguments);
        } catch (IOException e) {
            System.err.println("blktap: the connection to the daemon broke: " + e.getMessage());
            return 1;
        }
    }

    /**
     * Asks the daemon something.
     *
     * @return what it prints, in UTF-8; null if no daemon answers, or it refuses
     */
    public static String answer(Path socket, List<String> arguments) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            SocketStreams streams = new SocketStreams(channel);
            Frame.writeRequest(
                    new DataOutputStream(new BufferedOutputStream(streams.output())),
                    new Frame.VerbRequest("/", "", 0, 0, arguments));
            DataInputStream in = new DataInputStream(new BufferedInputStream(streams.input()));
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            while (true) {
                Frame.Answer answer = Frame.read(in);
                if (answer.type() == Frame.OUT) {
                    out.write(answer.bytes());
                } else if (answer.type() != Frame.ERR) {
                    return answer.bytes()[0] == 0 ? out.toString(StandardCharsets.UTF_8) : null;
                }
            }
        } catch (IOException e) {
            // no daemon, or not for this user
            return null;
        }
    }

    private static int converse(SocketStreams streams, List<String> arguments) throws IOException {
        int[] size = LaunchOptions.terminalSize();
        Frame.writeRequest(
                new DataOutputStream(new BufferedOutputStream(streams.output())),
                new Frame.VerbRequest(
                        FileNames.text(RawArguments.directory()),
                        LaunchOptions.terminal(),
                        size[1],
                        size[0],
                        arguments));
        if (!arguments.isEmpty() && arguments.get(0).equals("shell")) {
            Thread typing = new Thread(() -> type(streams), "blktap-typing");
            typing.setDaemon(true);
            typing.start();
        }
        DataInputStream in = new DataInputStream(new BufferedInputStream(streams.input()));
        while (true) {
            Frame.Answer answer = Frame.read(in);
            switch (answer.type()) {
                case Frame.OUT -> {
                    System.out.write(answer.bytes());
                    System.out.flush();
                }
                case Frame.ERR -> System.err.write(answer.bytes());
                default -> {
                    return answer.bytes()[0] & 0xff;
                }
            }
            if (System.out.checkError()) {
                // the reader has exited: | head
                return 1;
            }
        }
    }

    private static void type(SocketStreams streams) {
        try {
            System.in.transferTo(streams.output());
            streams.endOutput();
        } catch (IOException e) {
            // the other direction sees the end
        }
    }
}
