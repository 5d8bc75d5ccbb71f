package org.blktap.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.blktap.deploy.Contribution.Kind;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.osgi.framework.Bundle;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;

class ComponentDiagnosisTest {
    private final FakeFramework framework = new FakeFramework();
    private final Bundle engines = framework.install(
            "org.example.engines",
            Bundle.ACTIVE,
            FakeFramework.brings(Kind.ENGINE, "fast"),
            FakeFramework.brings(Kind.ENGINE, "slow"));
    private ComponentDiagnosis diagnosis;

    @BeforeEach
    void make() {
        framework.register(engines, "engine.name", "slow");
        diagnosis = new ComponentDiagnosis(framework.context, framework.components);
    }

    private Contribution brought(int which) {
        return Contribution.of(engines).get(which);
    }

    @Test
    void whatIsRegisteredIsPresent() {
        assertNull(diagnosis.absence(brought(1)));
    }

    @Test
    void theReasonIsThatOfTheConditionWhichIsAbsent() {
        framework.component(
                engines, brought(0).implementation(), FakeFramework.waiting("(osgi.condition.id=org.example.library)"));
        assertEquals(
                "waits for a service a.Service with (osgi.condition.id=org.example.library)",
                diagnosis.absence(brought(0)).why());
        framework.register(engines, "osgi.condition.id", "org.example.library.absent", "reason", "lib.so.1: not found");
        ComponentDiagnosis.Finding absence = diagnosis.absence(brought(0));
        assertEquals("lib.so.1: not found", absence.why());
        assertTrue(absence.machine());
        assertEquals(List.of(absence), diagnosis.of(engines));
    }

    @Test
    void aServiceThatIsMissingIsNoMatterOfTheMachine() {
        framework.component(engines, brought(0).implementation(), FakeFramework.waiting(null));
        assertEquals(
                "component " + brought(0).implementation() + " waits for a service a.Service",
                diagnosis.of(engines).get(0).toString());
        assertEquals(
                "waits for a service a.Service", diagnosis.absence(brought(0)).why());
    }

    @Test
    void aFailedComponentTellsItsCause() {
        ComponentConfigurationDTO failed = FakeFramework.waiting(null);
        failed.state = ComponentConfigurationDTO.FAILED_ACTIVATION;
        failed.failure =
                "java.lang.reflect.InvocationTargetException\nCaused by: java.lang.IllegalStateException: no luck";
        framework.component(engines, brought(0).implementation(), failed);
        assertEquals(
                "failed: java.lang.IllegalStateException: no luck",
                diagnosis.absence(brought(0)).why());
    }

    @Test
    void ofABundleThatIsNotActiveItIsSaidWhy() {
        Bundle stopped =
                framework.install("org.example.stopped", Bundle.RESOLVED, FakeFramework.brings(Kind.TYPE, "x"));
        assertTrue(diagnosis
                .absence(Contribution.of(stopped).get(0))
                .why()
                .startsWith("org.example.stopped 1.0.0 is not active: stopped"));
    }

    @Test
    void whatNoComponentRegistersIsNamedAsThat() {
        assertEquals(
                "is not registered by org.example.engines 1.0.0",
                diagnosis.absence(brought(0)).why());
    }

    @Test
    void theLastCauseCounts() {
        assertEquals(
                "java.lang.ArithmeticException: long overflow",
                ComponentDiagnosis.cause(
                        "java.lang.reflect.InvocationTargetException\n\tat a.b(C.java:1)\n"
                                + "Caused by: java.lang.ExceptionInInitializerError\n\tat a.b(C.java:2)\nCaused by: java.lang.ArithmeticException: long overflow\n\t... 3 more\n"));
        assertEquals(
                "java.lang.IllegalStateException: closed",
                ComponentDiagnosis.cause("java.lang.IllegalStateException: closed\n\tat a.b(C.java:1)"));
    }
}
