package org.blktap.itests.container;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.ops4j.pax.exam.CoreOptions.bundle;
import static org.ops4j.pax.exam.CoreOptions.cleanCaches;
import static org.ops4j.pax.exam.CoreOptions.frameworkProperty;
import static org.ops4j.pax.exam.CoreOptions.junitBundles;
import static org.ops4j.pax.exam.CoreOptions.systemProperty;

import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.inject.Inject;
import org.blktap.api.control.AttachRequest;
import org.blktap.api.control.AttachmentStatus;
import org.blktap.api.control.AttachmentStatus.State;
import org.blktap.api.control.Attachments;
import org.blktap.api.control.Images;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.TapSpec;
import org.blktap.api.metrics.MetricSink;
import org.blktap.api.metrics.MetricSource;
import org.junit.After;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;

/**
 * The bundles of the built distribution in a real Felix, offline: services that come and go, binding by type, parking.
 */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class ContainerIT {
    @Inject
    private BundleContext context;

    @Inject
    private Attachments attachments;

    @Inject
    private Images images;

    @Configuration
    public Option[] distribution() throws Exception {
        Path directory = Files.createTempDirectory("blktap-container");
        // the framework uses it until the process ends
        Runtime.getRuntime().addShutdownHook(new Thread(() -> remove(directory)));
        Path tar;
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("distribution.directory")))) {
            tar = files.filter(f -> f.getFileName().toString().endsWith(".tar.gz"))
                    .findFirst()
                    .orElseThrow();
        }
        new ProcessBuilder("tar", "xf", tar.toString(), "--strip-components=1", "-C", directory.toString())
                .inheritIO()
                .start()
                .waitFor();
        List<Option> options = new ArrayList<>(List.of(
                junitBundles(),
                cleanCaches(),
                frameworkProperty("blktap.run.dir")
                        .value(directory.resolve("run").toString()),
                systemProperty("felix.fileinstall.dir")
                        .value(Files.createDirectory(directory.resolve("watched"))
                                .toString()),
                systemProperty("felix.fileinstall.tmpdir")
                        .value(directory.resolve("data/tmp").toString()),
                frameworkProperty("blktap.data.dir")
                        .value(directory.resolve("data").toString()),
                systemProperty("images.directory")
                        .value(Files.createDirectory(directory.resolve("images"))
                                .toString()),
                systemProperty("example.jar").value(System.getProperty("example.jar"))));
        for (String folder : new String[] {"bundle", "deploy"}) {
            try (Stream<Path> jars = Files.list(directory.resolve(folder))) {
                jars.filter(jar -> jar.toString().endsWith(".jar"))
                        // bundles that read the terminal must not run in a test's framework
                        .filter(jar -> !jar.getFileName().toString().contains("gogo.shell"))
                        .forEach(jar -> options.add(bundle(jar.toUri().toString())
                                .startLevel(startLevel(jar.getFileName().toString()))));
            }
        }
        return options.toArray(Option[]::new);
    }

    private static void remove(Path directory) {
        try {
            new ProcessBuilder("rm", "-rf", directory.toString())
                    .inheritIO()
                    .start()
                    .waitFor();
        } catch (IOException | InterruptedException e) {
            System.err.println(directory + " is left: " + e);
        }
    }

    /** A file that is not there yet. */
    private static Path image(String name) {
        return Path.of(System.getProperty("images.directory"), name);
    }

    /** Config Admin and the settings come first, as in the distribution. */
    private static int startLevel(String jar) {
        return jar.equals("org.apache.felix.configadmin.jar") ? 1 : jar.equals("config.jar") ? 2 : 3;
    }

    @After
    public void detachAll() throws Exception {
        for (AttachmentStatus each : attachments.list()) {
            attachments.detach(each.id());
        }
    }

    private static AttachRequest request(String spec, String id, String... nodes) throws DiskException {
        return new AttachRequest(TapSpec.parse(spec), id, List.of(nodes), false, Map.of());
    }

    private Bundle bundleOf(String name) {
        return Arrays.stream(context.getBundles())
                .filter(b -> b.getSymbolicName().equals("org.blktap." + name))
                .findFirst()
                .orElseThrow();
    }

    private void await(String id, State state) throws Exception {
        long end = System.nanoTime() + 60_000_000_000L;
        while (attachments.status(id).state() != state) {
            assertTrue(attachments.list().toString(), System.nanoTime() < end);
            Thread.sleep(10);
        }
    }

    private boolean hasType(String type) {
        return attachments.drivers().stream().anyMatch(driver -> driver.name().equals(type));
    }

    /** What the bundle metrics asks for at a scrape, asked for without it. */
    @Test
    public void bundlesGiveFiguresOfThemselves() throws Exception {
        attachments.attach(request("tap:ram:f,size=1M", "figures"));
        Map<String, Integer> given = new TreeMap<>();
        for (ServiceReference<MetricSource> each : context.getServiceReferences(MetricSource.class, null)) {
            String bundle = each.getBundle().getSymbolicName().substring("org.blktap.".length());
            given.putIfAbsent(bundle, 0);
            MetricSink counts = (MetricSink) Proxy.newProxyInstance(
                    MetricSink.class.getClassLoader(),
                    new Class<?>[] {MetricSink.class},
                    (proxy, method, arguments) -> {
                        given.merge(bundle, 1, Integer::sum);
                        return null;
                    });
            context.getService(each).collect(counts);
            context.ungetService(each);
        }
        assertEquals(
                List.of("core", "jobs", "linux", "node-nbd", "node-vhost-user", "node-xen"),
                List.copyOf(given.keySet()));
        given.forEach((bundle, count) -> assertTrue(bundle, bundle.equals("jobs") || count > 0));
    }

    @Test
    public void everyBundleIsActive() {
        for (Bundle bundle : context.getBundles()) {
            if (bundle.getSymbolicName().startsWith("org.blktap.")) {
                assertEquals(bundle.getSymbolicName(), Bundle.ACTIVE, bundle.getState());
            }
        }
        for (String type : new String[] {"aio", "qcow", "qcow2", "ram"}) {
            assertTrue(type, hasType(type));
        }
        assertEquals(
                List.of("nbd", "vhost-user"),
                attachments.nodes().stream()
                        .map(Attachments.ServiceStatus::name)
                        .toList());
        assertEquals("libaio", attachments.engines().get(0).name());
    }

    @Test
    public void specsAreBoundToDriversByTheirType() throws Exception {
        Path image = image("a.qcow");
        images.create(TapSpec.parse("tap:qcow:" + image), 64 << 20, null, false, Map.of());
        assertEquals(
                "qcow",
                attachments
                        .attach(request("tap:qcow:" + image, "q"))
                        .details()
                        .get("format")
                        .replaceAll("[ ,].*", ""));
        attachments.detach("q");
        // the same file by another type is what that type makes of it: raw bytes
        assertEquals(
                "raw",
                attachments.attach(request("tap:aio:" + image, "r")).details().get("format"));
        attachments.detach("r");
        Files.delete(image);
        assertEquals(
                1 << 20,
                attachments.attach(request("tap:ram:x,size=1M", "x", "nbd")).sizeBytes());
    }

    @Test
    public void aTypeComesAndGoesWithItsBundle() throws Exception {
        assertFalse(hasType("zero"));
        try {
            attachments.attach(request("tap:zero:1M", "z"));
            throw new AssertionError("attached without a driver");
        } catch (DiskException e) {
            assertEquals(DiskException.Reason.WRONG_TYPE, e.reason());
        }
        Bundle zero = context.installBundle(
                Path.of(System.getProperty("example.jar")).toUri().toString());
        zero.start();
        assertTrue(hasType("zero"));
        assertEquals(
                1 << 20, attachments.attach(request("tap:zero:1M", "z", "nbd")).sizeBytes());
        zero.uninstall();
        assertFalse(hasType("zero"));
        assertEquals(State.PARKED, attachments.status("z").state());
        zero = context.installBundle(
                Path.of(System.getProperty("example.jar")).toUri().toString());
        zero.start();
        await("z", State.RUNNING);
        attachments.detach("z");
        zero.uninstall();
    }

    @Test
    public void aStoppedDriverParksAndAStartedOneResumes() throws Exception {
        attachments.attach(request("tap:ram:p,size=1M", "p", "nbd"));
        for (int i = 0; i < 5; i++) {
            bundleOf("format-ram").stop();
            assertEquals(State.PARKED, attachments.status("p").state());
            bundleOf("format-ram").start();
            await("p", State.RUNNING);
        }
        assertEquals(5, attachments.stats("p").parks());
        // an update is a stop and a start with other code; here with the same
        bundleOf("format-ram").update();
        await("p", State.RUNNING);
    }

    @Test
    public void anEngineAndANodeKindMayBeReplacedToo() throws Exception {
        Path image = Files.write(image("a.img"), new byte[1 << 20]);
        attachments.attach(request("tap:aio:" + image, "e", "nbd"));
        bundleOf("aio").stop();
        assertEquals(State.PARKED, attachments.status("e").state());
        bundleOf("aio").start();
        await("e", State.RUNNING);
        bundleOf("node-nbd").stop();
        assertEquals(State.PARKED, attachments.status("e").state());
        bundleOf("node-nbd").start();
        await("e", State.RUNNING);
        attachments.detach("e");
    }
}
