package org.blktap.http.api;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.blktap.api.settings.Directories;
import org.blktap.http.testkit.ApiDescription;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenApiTest {
    /** What is answered without a servlet. */
    private static final List<String> ELSEWHERE = List.of("GET /api/v1/events", "GET /health");

    private final ApiDescription description = new ApiDescription(OpenApi.read());

    @Test
    void itHasWhatIsServedAndNothingElse(@TempDir Path directory) throws Exception {
        Router router = new Router();
        new AttachmentsResource(() -> null, () -> null, () -> null).addTo(router);
        new FiltersResource(() -> null).addTo(router);
        new JobsResource(() -> null).addTo(router);
        new BundlesResource(null, null, Directories.of(directory)).addTo(router);
        new DaemonResource(null, null, null, () -> null).addTo(router);
        new OpenApi("1.2.3").addTo(router);
        TreeSet<String> served = new TreeSet<>(ELSEWHERE);
        router.all().forEach(each -> served.add(each.replace(" /", " /api/v1/")));
        assertEquals(served, description.operations());
    }

    @Test
    void itsExamplesAreAsItSays() {
        assertEquals(List.of(), description.faultsOfExamples());
    }
}
