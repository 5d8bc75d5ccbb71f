package org.blktap.shell.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.shell.Fakes;
import org.blktap.shell.command.Completion;
import org.blktap.shell.command.Verbs;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.ComponentServiceObjects;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A verb of an unknown bundle is listed, explained, completed and run, and goes with its bundle. */
class VerbRegistryTest {
    @TempDir
    Path directory;

    private final Fakes core = new Fakes();
    private final VerbRegistry registry = new VerbRegistry(null);
    private final Verbs verbs = new Verbs(registry);
    private final List<Verb> lent = new ArrayList<>();
    private String out;
    private String err;

    /** A verb as another bundle would bring it. */
    @Command(footer = {"", "Example:", "  greet alpha"})
    public static final class Greet implements Verb {
        @Parameters(description = "Whom to greet.")
        String id;

        @Option(names = "--loud", description = "Shouts.")
        boolean loud;

        @Override
        public int run(Call call) throws Exception {
            if (id.equals("nobody")) {
                throw new DiskException(Reason.NOT_FOUND, "there is\nnobody");
            }
            if (id.equals("missing")) {
                throw new NoClassDefFoundError("org/example/Gone");
            }
            call.out()
                    .println((loud ? "HELLO " : "hello ") + id + " of "
                            + call.attachments().list().size());
            call.table(List.of("A", "B"), List.of(List.of(1, "x"), List.of(20, "y")));
            call.json(Map.of("id", id));
            return id.equals("seven") ? 7 : 0;
        }
    }

    /** A reference with a ranking. */
    private static ServiceReference<Verb> reference(int ranking) {
        @SuppressWarnings("unchecked")
        ServiceReference<Verb> reference =
                Fakes.proxy(ServiceReference.class, (proxy, method, arguments) -> switch (method.getName()) {
                    case "compareTo" ->
                        Integer.compare(ranking, (int) ((ServiceReference<?>) arguments[0]).getProperty("ranking"));
                    case "getProperty" -> ranking;
                    case "hashCode" -> ranking;
                    case "equals" -> proxy == arguments[0];
                    default -> null;
                });
        return reference;
    }

    private final ComponentServiceObjects<Verb> objects = new ComponentServiceObjects<>() {
        @Override
        public Verb getService() {
            lent.add(new Greet());
            return lent.get(lent.size() - 1);
        }

        @Override
        public void ungetService(Verb service) {
            assertTrue(lent.remove(service));
        }

        @Override
        public ServiceReference<Verb> getServiceReference() {
            return reference(0);
        }
    };

    private static Map<String, Object> declared(String summary, String... operands) {
        return new HashMap<>(Map.of(
                "verb.name", "greet", "verb.summary", summary, "verb.operands", operands, "verb.runs", "DAEMON"));
    }

    private final ServiceReference<Verb> greet = reference(1);

    @BeforeEach
    void come() {
        registry.addVerb(greet, objects, declared("Greets an attachment.", "ID"));
    }

    private int run(String... arguments) {
        StringWriter output = new StringWriter();
        StringWriter error = new StringWriter();
        int status =
                verbs.execute(core.in(directory), List.of(arguments), new PrintWriter(output), new PrintWriter(error));
        out = output.toString();
        err = error.toString();
        assertEquals(List.of(), lent, "each object is given back");
        return status;
    }

    @Test
    void itIsListedExplainedAndRun() throws Exception {
        core.attach(new org.blktap.api.control.AttachRequest(
                org.blktap.api.disk.TapSpec.parse("tap:ram:x"), "alpha", List.of(), false, Map.of()));
        assertEquals(0, run("--help"));
        assertTrue(out.contains("\n  greet  Greets an attachment.\n"), out);
        assertEquals(0, run("greet", "--help"));
        assertTrue(out.startsWith("Usage: blktap greet [-h] [--loud] ID\nGreets an attachment.\n"), out);
        assertTrue(out.contains("Whom to greet.") && out.contains("greet alpha"), out);
        assertEquals(0, run("greet", "alpha", "--loud"));
        assertEquals("HELLO alpha of 1\n A  B\n 1  x\n20  y\n{\n  \"id\": \"alpha\"\n}\n", out);
        assertEquals(7, run("greet", "seven"));
        assertEquals(2, run("greet"));
        assertEquals("blktap: Missing required parameter: 'ID'; see blktap greet --help", err.strip());
        assertEquals(1, run("greet", "nobody"));
        assertEquals("blktap: there is\\nnobody", err.strip());
        assertEquals(1, run("greet", "missing"));
        assertTrue(err.startsWith("blktap: internal error") && err.lines().count() == 1, err);
        Completion completion = new Completion(registry, verbs::options, core.in(directory), List::of);
        assertEquals(
                List.of("greet"),
                completion.complete(List.of(), "").stream()
                        .map(Completion.Proposal::value)
                        .toList());
        assertTrue(completion.complete(List.of("greet"), "").stream()
                .map(Completion.Proposal::value)
                .toList()
                .containsAll(List.of("alpha", "--loud")));
        assertEquals(List.of(), lent);
    }

    @Test
    void itGoesWithItsBundle() {
        registry.removeVerb(greet);
        assertEquals(2, run("greet", "alpha"));
        assertEquals("blktap: no verb 'greet'; see blktap --help", err.strip());
        assertNull(registry.find("greet"));
    }

    @Test
    void theHighestRankingCounts() {
        ServiceReference<Verb> other = reference(2);
        registry.addVerb(other, objects, declared("Greets better.", "ID"));
        assertEquals("Greets better.", registry.find("greet").summary());
        assertEquals(1, registry.all().size());
        registry.removeVerb(other);
        assertEquals("Greets an attachment.", registry.find("greet").summary());
    }

    @Test
    void oneThatMakesNoSenseHarmsNoOther() {
        registry.addVerb(
                reference(3),
                objects,
                new HashMap<>(Map.of("verb.name", "Bad Name", "verb.summary", "x", "verb.runs", "DAEMON")));
        registry.addVerb(reference(4), objects, new HashMap<>());
        assertEquals(1, registry.all().size());
        registry.addVerb(reference(5), objects, declared("Has other operands than fields.", "ID", "SIZE"));
        assertEquals(1, run("greet", "alpha"));
        assertTrue(err.contains("declares 2 operands"), err);
        assertEquals(0, run("--help"));
    }
}
