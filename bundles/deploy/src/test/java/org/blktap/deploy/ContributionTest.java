package org.blktap.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.blktap.deploy.Contribution.Kind;
import org.junit.jupiter.api.Test;
import org.osgi.framework.Bundle;

class ContributionTest {
    private final FakeFramework framework = new FakeFramework();

    @Test
    void allKindsAreRead() {
        Bundle bundle = framework.install(
                "org.example.all",
                Bundle.RESOLVED,
                FakeFramework.brings(Kind.VERB, "greet"),
                FakeFramework.brings(Kind.TYPE, "x"),
                FakeFramework.brings(Kind.NODE, "n"),
                FakeFramework.brings(Kind.ENGINE, "e"));
        assertEquals(
                List.of("type x", "node n", "engine e", "verb greet"),
                Contribution.of(bundle).stream().map(Contribution::toString).toList());
        assertEquals("what x is", Contribution.of(bundle).get(0).summary());
    }

    @Test
    void whatAnotherBringsIsTold() {
        framework.install(
                "org.example.first",
                Bundle.ACTIVE,
                FakeFramework.brings(Kind.TYPE, "x"),
                FakeFramework.brings(Kind.NODE, "x"));
        Bundle second = framework.install(
                "org.example.second.trial",
                Bundle.INSTALLED,
                FakeFramework.brings(Kind.TYPE, "x"),
                FakeFramework.brings(Kind.TYPE, "y"));
        framework.install("org.example.second", Bundle.ACTIVE, FakeFramework.brings(Kind.TYPE, "y"));
        assertEquals(
                List.of(
                        "org.example.second brings type x, as org.example.first 1.0.0 does: the one of higher service.ranking is used,"
                                + " of equal ones the one that was there first"),
                Contribution.broughtTwice(second, "org.example.second", framework.context));
    }
}
