package org.blktap.core;

import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.Options;
import org.blktap.api.node.NodeProvider;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;

/**
 * The kinds of node that are installed at present. Apart from {@link InstalledServices}, because a process that only
 * works on images starts no nodes. Any thread.
 */
@Component(service = InstalledNodeKinds.class, immediate = true)
public final class InstalledNodeKinds {
    private final Registry<NodeProvider> kinds = new Registry<>("node.kind", "node.summary");

    @Reference(
            cardinality = ReferenceCardinality.MULTIPLE,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    void addNodeProvider(NodeProvider provider, ServiceReference<NodeProvider> reference) {
        kinds.add(reference, provider);
    }

    void removeNodeProvider(ServiceReference<NodeProvider> reference) {
        kinds.remove(reference);
    }

    Registry<NodeProvider> kinds() {
        return kinds;
    }

    /** Whether there are nodes and the VMs of all of them only read. A kind that is missing says nothing. */
    boolean onlyRead(List<String> specs) throws DiskException {
        for (String text : specs) {
            NodeSpec spec = NodeSpec.parse(text);
            Registry.Entry<NodeProvider> provider = kinds.get(spec.kind());
            if (provider == null || !provider.service().onlyReads(new Options(spec.options()))) {
                return false;
            }
        }
        return !specs.isEmpty();
    }
}
