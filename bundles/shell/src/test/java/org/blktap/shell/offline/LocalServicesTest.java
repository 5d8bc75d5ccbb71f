package org.blktap.shell.offline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.blktap.shell.TestVerbs;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.BundleActivator;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.ServiceReference;

class LocalServicesTest {
    @TempDir
    Path directory;

    private Path deploy;

    /** A service of the tests. */
    public interface Greeter {
        String greet();
    }

    /** A component without references. */
    public static final class Plain implements Greeter {
        @Override
        public String greet() {
            return "plain";
        }
    }

    /** A component of a constructor. */
    public static final class Constructed {
        final Greeter best;
        final List<Greeter> all;
        final String shade;

        public Constructed(Greeter best, List<Greeter> all, Map<String, Object> properties) {
            this.best = best;
            this.all = all;
            shade = (String) properties.get("shade");
        }
    }

    /** A component of fields, methods and activate. */
    public static final class Bound {
        private Greeter field;
        private final List<String> names = new ArrayList<>();
        private boolean active;

        void add(Greeter greeter, ServiceReference<Greeter> reference) {
            names.add(greeter.greet() + reference.getProperty("shade"));
        }

        void activate(BundleContext context) {
            active = field != null && names.size() == 2;
        }
    }

    /** A bundle without components. */
    public static final class Activator implements BundleActivator {
        @Override
        public void start(BundleContext context) {
            Hashtable<String, Object> properties = new Hashtable<>(Map.of("shade", "dark", "service.ranking", 7));
            context.registerService(Greeter.class, () -> "activated", properties);
        }

        @Override
        public void stop(BundleContext context) {
            // the process ends
        }
    }

    /** Asks for what only a framework has. */
    public static final class Demanding implements BundleActivator {
        @Override
        public void start(BundleContext context) throws BundleException {
            context.installBundle("another");
        }

        @Override
        public void stop(BundleContext context) {
            // never started
        }
    }

    @BeforeEach
    void make() throws IOException {
        deploy = Files.createDirectory(directory.resolve("deploy"));
        for (String each : new String[] {"linux.jar", "core.jar"}) {
            new JarOutputStream(Files.newOutputStream(directory.resolve(each)), new Manifest()).close();
        }
    }

    private void jar(String name, String headers, Map<String, String> files) throws IOException {
        Manifest manifest = new Manifest(
                new ByteArrayInputStream(("Manifest-Version: 1.0\n" + headers).getBytes(StandardCharsets.UTF_8)));
        try (OutputStream out = Files.newOutputStream(deploy.resolve(name));
                JarOutputStream jar = new JarOutputStream(out, manifest)) {
            for (Map.Entry<String, String> each : files.entrySet()) {
                jar.putNextEntry(new JarEntry(each.getKey()));
                jar.write(each.getValue().getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    private static String component(String name, String attributes, String contents) {
        return "<?xml version='1.0'?><scr:component xmlns:scr='http://www.osgi.org/xmlns/scr/v1.4.0' name='" + name
                + "' " + attributes + ">" + contents + "<implementation class='" + LocalServicesTest.class.getName()
                + "$" + name + "'/></scr:component>";
    }

    private static final String GREETER = Greeter.class.getName();

    private LocalServices services() throws IOException {
        return new LocalServices(directory, deploy);
    }

    @Test
    void componentsAreMadeAndBound() throws Exception {
        String service =
                "<property name='shade' value='light'/><service><provide interface='" + GREETER + "'/></service>";
        jar(
                "a.jar",
                "Service-Component: OSGI-INF/a.xml,OSGI-INF/b.xml, OSGI-INF/c.xml\n",
                Map.of(
                        "OSGI-INF/a.xml",
                        component("Plain", "", service),
                        "OSGI-INF/b.xml",
                        component(
                                "Constructed",
                                "init='3'",
                                "<property name='shade' value='none'/><reference name='x' interface='" + GREETER
                                        + "' parameter='0'/><reference name='y' interface='" + GREETER
                                        + "' parameter='1' cardinality='0..n'/>"),
                        "OSGI-INF/c.xml",
                        component(
                                "Bound",
                                "",
                                "<reference name='x' interface='" + GREETER
                                        + "' field='field'/><reference name='y' interface='" + GREETER
                                        + "' bind='add' cardinality='0..n'/>")));
        jar("b.jar", "Bundle-Activator: " + Activator.class.getName() + "\n", Map.of());
        LocalServices services = services();
        assertEquals(Map.of(), services.failures());
        Constructed constructed = (Constructed) services.component("Constructed");
        assertSame(constructed, services.component("Constructed"), "made once");
        assertEquals("none", constructed.shade);
        List<String> all = services.of(GREETER).stream()
                .map(each -> ((Greeter) each.object()).greet())
                .toList();
        assertEquals(List.of("activated", "plain"), all, "the higher ranking first");
        assertTrue(constructed.all.size() >= 1);
        assertEquals("plain", constructed.best.greet(), "the activator of the other jar came later");
    }

    @Test
    void aReferenceMayWantAServiceOfCertainProperties() throws Exception {
        String service = "<service><provide interface='" + GREETER + "'/></service>";
        jar(
                "a.jar",
                "Service-Component: OSGI-INF/a.xml,OSGI-INF/b.xml\n",
                Map.of(
                        "OSGI-INF/a.xml",
                        component("Plain", "", "<property name='shade' value='light'/>" + service),
                        "OSGI-INF/b.xml",
                        component(
                                "Constructed",
                                "init='3'",
                                "<reference name='x' interface='" + GREETER
                                        + "' parameter='0' target='(shade=dark)'/><reference name='y' interface='"
                                        + GREETER + "' parameter='1' cardinality='0..n'/>")));
        LocalServices services = services();
        assertNull(services.component("Constructed"), "there is none that is dark");
        services.register((Greeter) () -> "late", Set.of(GREETER), Map.of("shade", "dark"));
        Constructed constructed = (Constructed) services.component("Constructed");
        assertEquals("late", constructed.best.greet());
        assertEquals(2, constructed.all.size());
    }

    @Test
    void whatCannotBeMadeIsReportedAndTheRestServes() throws Exception {
        jar("a.jar", "Bundle-Activator: " + Demanding.class.getName() + "\n", Map.of());
        jar("b.jar", "Bundle-Activator: no.Such\n", Map.of());
        Files.writeString(deploy.resolve("c.jar"), "no jar");
        jar("d.jar", "Service-Component: OSGI-INF/a.xml\n", Map.of("OSGI-INF/a.xml", "<component"));
        jar("e.jar", "Bundle-Activator: " + Activator.class.getName() + "\n", Map.of());
        jar(
                "f.jar",
                "Service-Component: OSGI-INF/b.xml\n",
                Map.of(
                        "OSGI-INF/b.xml",
                        component(
                                "Constructed", "init='3'", "<reference name='x' interface='no.Such' parameter='0'/>")));
        LocalServices services = services();
        assertEquals(
                Set.of("a.jar", "b.jar", "c.jar", "d.jar"),
                services.failures().keySet(),
                services.failures()::toString);
        assertTrue(services.failures().get("a.jar").contains("needs the daemon"), services.failures()::toString);
        assertEquals(1, services.of(GREETER).size());
        assertNull(services.component("Constructed"), "a service that it must have is missing");
        assertNull(services.component("none"));
    }

    @Test
    void namesInHeaders() {
        assertEquals(Set.of("a.b", "c", "d"), BundleLoader.names("a.b;version=\"[1,2)\";x:=\"y,z\",c;d;version=1"));
        assertEquals(Set.of(), BundleLoader.names(null));
    }

    private static boolean held(String verb, String... more) {
        List<String> arguments = new ArrayList<>(List.of(verb));
        arguments.addAll(List.of(more));
        return ImageProgram.heldByDaemon(TestVerbs.VERBS.catalog().find(verb), arguments);
    }

    @Test
    void aDiskThatIsNoFileMayBeTheDaemons() throws Exception {
        Path file = Files.createFile(directory.resolve("f"));
        assertTrue(held("convert", "tap:ram:x,size=1M", "tap:raw:/a"));
        assertFalse(held("info", "tap:qcow2:" + file));
        assertFalse(held("create", "tap:qcow2:new.qcow2", "1M"));
        assertFalse(held("info", "tap:nbd:nbd://host/x"));
        assertFalse(held("check"));
    }
}
