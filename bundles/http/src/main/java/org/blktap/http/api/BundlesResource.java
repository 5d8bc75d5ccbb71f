package org.blktap.http.api;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.FileNames;
import org.blktap.api.settings.Directories;
import org.blktap.deploy.BundleDiagnosis;
import org.blktap.deploy.Deployer;
import org.blktap.deploy.FrameworkCheck;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/** What is deployed, under {@code /bundles}. A jar is checked as by the verb {@code deploy}. */
final class BundlesResource {
    private final BundleContext context;
    private final FrameworkCheck check;
    private final Deployer deployer;
    private final Uploads uploads;

    BundlesResource(BundleContext context, ServiceComponentRuntime components, Directories directories)
            throws java.io.IOException {
        this.context = context;
        check = new FrameworkCheck(context, components);
        deployer = new Deployer(directories.deploy(), context, check);
        uploads = new Uploads(directories.data().resolve("http/uploads"));
    }

    void addTo(Router router) {
        router.add("GET", "/bundles", ask -> list());
        router.add("POST", "/bundles", this::deploy);
        router.add("DELETE", "/bundles/{name}", this::undeploy);
    }

    private Reply list() {
        JsonArray all = new JsonArray();
        deployer.deployed().forEach((bundle, jar) -> all.add(json(bundle, jar)));
        return Reply.of(all);
    }

    private JsonObject json(Bundle bundle, Path jar) {
        JsonObject object = new JsonObject();
        object.addProperty("name", bundle.getSymbolicName());
        object.addProperty("version", bundle.getVersion().toString());
        object.addProperty("jar", FileNames.text(jar.getFileName()));
        boolean active = bundle.getState() == Bundle.ACTIVE;
        String problem = active ? check.failure(bundle) : BundleDiagnosis.why(bundle, context);
        object.addProperty("active", active);
        object.add("problem", problem == null ? JsonNull.INSTANCE : new JsonPrimitive(problem));
        return object;
    }

    private Reply deploy(Ask ask) throws ProblemException, DiskException, InterruptedException {
        try (Uploads.Upload jar = uploads.take(ask, ask.query("name"))) {
            List<String> remarks = new ArrayList<>();
            if (Deployer.symbolicName(jar.file()).equals(context.getBundle().getSymbolicName())) {
                // this thread would wait for the end of its own bundle
                deployer.leave(jar.file(), remarks::add);
                return answer(202, context.getBundle().getSymbolicName(), null, remarks);
            }
            Bundle bundle = deployer.deploy(jar.file(), remarks::add);
            return answer(201, bundle.getSymbolicName(), bundle.getVersion().toString(), remarks);
        }
    }

    private static Reply answer(int status, String name, String version, List<String> remarks) {
        JsonObject object = new JsonObject();
        object.addProperty("name", name);
        object.add("version", version == null ? JsonNull.INSTANCE : (JsonElement) new JsonPrimitive(version));
        object.add("remarks", AttachmentJson.texts(remarks));
        return Reply.of(object).with(status);
    }

    private Reply undeploy(Ask ask) throws ProblemException, DiskException, InterruptedException {
        String name = ask.segment(0);
        Bundle own = context.getBundle();
        Path jar = deployer.deployed().get(own);
        if (name.equals(own.getSymbolicName())
                || ("org.blktap." + name).equals(own.getSymbolicName())
                || jar != null && jar.getFileName().toString().equals(name)) {
            throw new ProblemException(
                    409, name + ": it serves this request, and cannot take itself away; use blktap undeploy " + name);
        }
        deployer.undeploy(name);
        return Reply.done();
    }
}
