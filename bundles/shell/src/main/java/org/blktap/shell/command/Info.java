package org.blktap.shell.command;

import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Options;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "info",
        summary = "Shows all of one attachment, or of an image that is not attached.",
        operands = "ID|SPEC",
        runs = Where.CLIENT_FOR_IMAGES)
@Command(footer = {"", "Examples:", "  info root", "  info tap:qcow2:/vm/a.qcow2 --json"})
public final class Info extends TapCommand {
    private static final String INDENT = "  ";

    @Parameters(description = "An attachment, tap:<type>:<path>, or an NBD URI.")
    String id;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format, for an image.")
    Map<String, String> options = new LinkedHashMap<>();

    @Option(names = "--json", description = "For scripts: an object.")
    boolean json;

    @Override
    void run(PrintWriter out) throws Exception {
        if (id.startsWith("tap:") || Surroundings.isNbdUri(id)) {
            image(out);
            return;
        }
        try {
            attachment(out);
        } catch (DiskException e) {
            if (e.reason() == DiskException.Reason.NOT_FOUND
                    && (id.indexOf('/') >= 0
                            || id.indexOf(':') >= 0
                            || Files.exists(here.directory().resolve(id)))) {
                throw new DiskException(e.reason(), e.getMessage() + "; for an image give tap:<type>:<path>", e);
            }
            throw e;
        }
    }

    private void image(PrintWriter out) throws Exception {
        DiskInfo info = here.images().info(here.source(id), options);
        if (json) {
            out.println(Json.of(info));
            return;
        }
        Map<String, String> all = new LinkedHashMap<>();
        all.put("spec", id);
        all.put("size", size(info.sizeBytes()) + ", sectors of " + info.blockSize());
        info.details().forEach(all::put);
        if (info.backing() != null) {
            all.put(AttachmentStatus.BACKING, info.backing().toString());
        }
        print(out, "", all, all.keySet().stream().mapToInt(String::length).max().orElse(0));
    }

    /** A size for people and to the byte. */
    static String size(long bytes) {
        return TextTable.size(bytes) + " (" + bytes + " bytes)";
    }

    private void attachment(PrintWriter out) throws Exception {
        AttachmentStatus status = here.attachments().status(id);
        if (json) {
            out.println(Json.of(status));
            return;
        }
        Map<String, String> all = new LinkedHashMap<>();
        all.put("id", status.id());
        all.put("spec", status.spec());
        all.put(
                "state",
                status.state().name().toLowerCase(Locale.ROOT)
                        + (status.reason().isEmpty() ? "" : ": " + status.reason()));
        all.put("size", size(status.sizeBytes()) + ", sectors of " + status.blockSize());
        all.put("access", status.readOnly() ? "read-only" : "read-write");
        all.put("engine", status.engine());
        status.options().forEach((key, value) -> {
            if (!status.details().containsKey(key)) {
                all.put("option " + key, value);
            }
        });
        status.filters().forEach(spec -> all.put("filter " + Options.nameIn(spec), spec));
        status.details().forEach(all::put);
        int width = width(all, 0);
        for (AttachmentStatus.Node node : status.nodes()) {
            width = width(node.status(), width);
        }
        print(out, "", all, width);
        for (AttachmentStatus.Node node : status.nodes()) {
            print(out, "", Map.of("node", node.address()), width);
            print(out, INDENT, node.status(), width);
        }
    }

    private static int width(Map<String, ?> lines, int least) {
        return lines.keySet().stream()
                .mapToInt(key -> key.length() + INDENT.length())
                .reduce(least, Math::max);
    }

    private static void print(PrintWriter out, String indent, Map<String, ?> lines, int width) {
        lines.forEach(
                (key, value) -> out.println((indent + key + " ".repeat(width)).substring(0, width) + "  " + value));
    }
}
