package org.blktap.deploy;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.blktap.api.command.VerbDeclaration;
import org.blktap.api.disk.TapType;
import org.blktap.api.engine.EngineName;
import org.blktap.api.filter.FilterType;
import org.blktap.api.node.NodeKind;
import org.blktap.deploy.Contribution.Kind;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.Version;
import org.osgi.framework.startlevel.BundleStartLevel;
import org.osgi.framework.startlevel.FrameworkStartLevel;
import org.osgi.framework.wiring.BundleCapability;
import org.osgi.framework.wiring.BundleRevision;
import org.osgi.service.component.runtime.ServiceComponentRuntime;
import org.osgi.service.component.runtime.dto.ComponentConfigurationDTO;
import org.osgi.service.component.runtime.dto.ComponentDescriptionDTO;
import org.osgi.service.component.runtime.dto.ReferenceDTO;
import org.osgi.service.component.runtime.dto.UnsatisfiedReferenceDTO;

/** A framework with the bundles, services and components that a test gives it. */
final class FakeFramework {
    private final List<Bundle> bundles = new ArrayList<>();
    private final Map<Bundle, List<ServiceReference<?>>> services = new HashMap<>();
    private final Map<ComponentDescriptionDTO, ComponentConfigurationDTO> configurations = new HashMap<>();
    private final Map<Bundle, List<ComponentDescriptionDTO>> descriptions = new HashMap<>();

    private final Bundle system =
            proxy(Bundle.class, (proxy, method, arguments) -> startLevel(FrameworkStartLevel.class));

    final BundleContext context = proxy(BundleContext.class, (proxy, method, arguments) -> switch (method.getName()) {
        case "getBundles" -> bundles.toArray(Bundle[]::new);
        case "getBundle" -> system;
        case "getServiceReferences" -> {
            ServiceReference<?>[] found = services.values().stream()
                    .flatMap(List::stream)
                    .filter(each -> matches(each, (String) arguments[1]))
                    .toArray(ServiceReference[]::new);
            yield found.length == 0 ? null : found;
        }
        default -> throw new AssertionError(method.getName());
    });

    final ServiceComponentRuntime components =
            proxy(ServiceComponentRuntime.class, (proxy, method, arguments) -> switch (method.getName()) {
                case "getComponentDescriptionDTOs" ->
                    descriptions.getOrDefault(((Bundle[]) arguments[0])[0], List.of());
                case "getComponentConfigurationDTOs" -> List.of(configurations.get(arguments[0]));
                default -> throw new AssertionError(method.getName());
            });

    private static boolean matches(ServiceReference<?> reference, String filter) {
        try {
            return FrameworkUtil.createFilter(filter).match(reference.getProperties());
        } catch (org.osgi.framework.InvalidSyntaxException e) {
            throw new AssertionError(e);
        }
    }

    /** A capability as the annotation of the api makes it. */
    static BundleCapability brings(Kind kind, String name) {
        String namespace = switch (kind) {
            case TYPE -> TapType.NAMESPACE;
            case NODE -> NodeKind.NAMESPACE;
            case FILTER -> FilterType.NAMESPACE;
            case ENGINE -> EngineName.NAMESPACE;
            case VERB -> VerbDeclaration.NAMESPACE;
        };
        Map<String, Object> attributes = Map.of(
                kind == Kind.VERB ? "name" : namespace,
                name,
                "summary",
                "what " + name + " is",
                "class",
                "a.Class" + name);
        return proxy(
                BundleCapability.class,
                (proxy, method, arguments) -> method.getName().equals("getNamespace") ? namespace : attributes);
    }

    /** A component that waits for a service. */
    static ComponentConfigurationDTO waiting(String target) {
        ComponentConfigurationDTO configuration = new ComponentConfigurationDTO();
        configuration.state = ComponentConfigurationDTO.UNSATISFIED_REFERENCE;
        UnsatisfiedReferenceDTO missing = new UnsatisfiedReferenceDTO();
        missing.name = "service";
        missing.target = target;
        configuration.unsatisfiedReferences = new UnsatisfiedReferenceDTO[] {missing};
        return configuration;
    }

    Bundle install(String name, int state, BundleCapability... capabilities) {
        BundleRevision revision = proxy(BundleRevision.class, (proxy, method, arguments) -> switch (method.getName()) {
            case "getDeclaredCapabilities" ->
                Stream.of(capabilities)
                        .filter(each -> each.getNamespace().equals(arguments[0]))
                        .toList();
            case "getTypes" -> 0;
            default -> throw new AssertionError(method.getName());
        });
        Bundle bundle = proxy(Bundle.class, (proxy, method, arguments) -> switch (method.getName()) {
            case "adapt" -> arguments[0] == BundleStartLevel.class ? startLevel(BundleStartLevel.class) : revision;
            case "getState" -> state;
            case "getSymbolicName" -> name;
            case "getVersion" -> new Version(1, 0, 0);
            case "getRegisteredServices" ->
                services.containsKey(proxy) ? services.get(proxy).toArray(ServiceReference[]::new) : null;
            case "equals" -> proxy == arguments[0];
            case "hashCode" -> System.identityHashCode(proxy);
            case "toString" -> name;
            default -> throw new AssertionError(method.getName());
        });
        bundles.add(bundle);
        return bundle;
    }

    /** @param properties keys and values in turn */
    void register(Bundle bundle, String... properties) {
        Hashtable<String, Object> all = new Hashtable<>();
        for (int i = 0; i < properties.length; i += 2) {
            all.put(properties[i], properties[i + 1]);
        }
        services.computeIfAbsent(bundle, any -> new ArrayList<>())
                .add(proxy(
                        ServiceReference.class,
                        (proxy, method, arguments) ->
                                method.getName().equals("getProperties") ? all : all.get(arguments[0])));
    }

    void component(Bundle bundle, String implementation, ComponentConfigurationDTO configuration) {
        ComponentDescriptionDTO description = new ComponentDescriptionDTO();
        description.name = implementation;
        description.implementationClass = implementation;
        ReferenceDTO reference = new ReferenceDTO();
        reference.name = "service";
        reference.interfaceName = "a.Service";
        description.references = new ReferenceDTO[] {reference};
        descriptions.computeIfAbsent(bundle, any -> new ArrayList<>()).add(description);
        configurations.put(description, configuration);
    }

    /** All that is installed starts at the level that has been reached. */
    private static <T> T startLevel(Class<T> type) {
        return proxy(type, (proxy, method, arguments) -> 1);
    }

    private static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }
}
