package org.blktap.shell.command;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.command.VerbDeclaration.Where;
import org.blktap.api.engine.ExtentList;
import org.blktap.shell.Json;
import org.blktap.shell.TextTable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(
        name = "map",
        summary = "Shows which parts of an image's disk are stored, and which are holes.",
        operands = "SPEC",
        runs = Where.CLIENT)
@Command(footer = {"", "Example:", "  map tap:qcow2:/vm/a.qcow2 --json"})
public final class MapExtents extends TapCommand {
    @Parameters(description = "tap:<type>:<path>, or an NBD URI")
    String image;

    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    @Option(names = "-o", paramLabel = "KEY=VALUE", description = "An option of the format.")
    Map<String, String> options = new LinkedHashMap<>();

    /** An extent as printed in JSON. */
    private record Extent(long start, long length, boolean data, boolean zero) {}

    @Override
    void run(PrintWriter out) throws Exception {
        List<Extent> extents = new ArrayList<>();
        here.images()
                .map(
                        here.source(image),
                        options,
                        (offset, length, state) -> extents.add(new Extent(
                                offset, length, (state & ExtentList.HOLE) == 0, (state & ExtentList.ZERO) != 0)));
        if (json) {
            out.println(Json.of(extents));
            return;
        }
        TextTable table = new TextTable("OFFSET", "LENGTH", "SIZE", "STORED");
        for (Extent each : extents) {
            table.row(
                    each.start(),
                    each.length(),
                    TextTable.size(each.length()),
                    each.data()
                            ? each.zero() ? "zeros that take space" : "data"
                            : each.zero() ? "hole" : "hole of undefined contents");
        }
        table.print(out);
    }
}
