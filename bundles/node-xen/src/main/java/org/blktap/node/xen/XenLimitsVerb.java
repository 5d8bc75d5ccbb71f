package org.blktap.node.xen;

import java.util.ArrayList;
import java.util.List;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.command.VerbDeclaration;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ServiceScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The verb {@code xen-limits}. */
@Component(service = Verb.class, scope = ServiceScope.PROTOTYPE)
@VerbDeclaration(name = "xen-limits", summary = "Shows what Xen domains take of the daemon, and how much they may.")
@Command(
        description =
                "Of all together, then of each domain: ring entries, pages that stay mapped, mappings of the process, bytes of buffers.")
public final class XenLimitsVerb implements Verb {
    @Reference
    XenNodes nodes;

    @Option(names = "--json", description = "For scripts: an array of objects.")
    boolean json;

    /**
     * A limit and what is taken of it.
     *
     * @param domain the domain's number; null for all domains together
     */
    record Usage(String what, Integer domain, long taken, long limit) {}

    @Override
    public int run(Call call) {
        List<Usage> all = usages(nodes.limits());
        if (json) {
            call.json(all);
        } else {
            call.table(
                    List.of("WHAT", "DOMAIN", "TAKEN", "LIMIT"),
                    all.stream()
                            .map(each -> List.of(
                                    each.what(),
                                    each.domain() == null ? "all" : each.domain(),
                                    each.taken(),
                                    each.limit()))
                            .toList());
        }
        return 0;
    }

    static List<Usage> usages(GuestLimits limits) {
        List<Usage> all = new ArrayList<>();
        add(all, "entries", limits.entries());
        add(all, "pages", limits.pages());
        add(all, "mappings", limits.mappings());
        add(all, "buffers", limits.buffers());
        return all;
    }

    private static void add(List<Usage> all, String what, DomainBudget budget) {
        all.add(new Usage(what, null, budget.taken(), budget.most()));
        budget.ofDomains().forEach((domain, taken) -> all.add(new Usage(what, domain, taken, budget.domainMost())));
    }
}
