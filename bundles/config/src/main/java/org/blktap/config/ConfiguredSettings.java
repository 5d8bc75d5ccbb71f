package org.blktap.config;

import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.URL;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.blktap.api.disk.DiskException;
import org.blktap.api.disk.DiskException.Reason;
import org.blktap.api.disk.Printable;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleEvent;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.FrameworkListener;
import org.osgi.framework.SynchronousBundleListener;
import org.osgi.service.cm.Configuration;
import org.osgi.service.cm.ConfigurationAdmin;

/**
 * The settings of all bundles. Gives each section of the file to Config Admin when its bundle is resolved, before the
 * bundle's components are made, with the values that the bundle's description allows. Other values are logged, and the
 * default is used. Any thread.
 */
public final class ConfiguredSettings implements SynchronousBundleListener, FrameworkListener {
    private static final Logger LOG = System.getLogger("org.blktap.config");
    /** The section of the directories, which come from the environment only. */
    static final String DIRECTORIES = "directories";
    /** Bundles whose settings are the installation's, in {@code conf/config.properties}. */
    private static final Set<String> OF_INSTALLATION = Set.of("org.apache.felix.fileinstall");

    private final BundleContext context;
    private final ConfigurationAdmin admin;
    private final Callable<Map<String, Map<String, Object>>> file;
    private final String fileName;
    private final String imageRoots;
    private Map<String, Map<String, Object>> given = Map.of();
    /** The values in force, by section, from the file or the environment. */
    private final Map<String, Map<String, Object>> valid = new TreeMap<>();

    private final SortedMap<String, List<String>> problems = new TreeMap<>();
    /** Whether all bundles of the daemon's start have been installed. */
    private boolean started;

    /**
     * A setting with its current value.
     *
     * @param source {@code default}, {@code file}, or the name of an environment variable
     */
    public record Value(Setting setting, Object value, String source) {}

    /**
     * @param file reads the file: its sections by PID, their values by key
     * @param fileName for messages
     * @param imageRoots {@link Environment#IMAGE_ROOTS}
     */
    ConfiguredSettings(
            BundleContext context,
            ConfigurationAdmin admin,
            Callable<Map<String, Map<String, Object>>> file,
            String fileName,
            String imageRoots) {
        this.context = context;
        this.admin = admin;
        this.file = file;
        this.fileName = fileName;
        this.imageRoots = imageRoots;
    }

    synchronized void start() throws DiskException {
        given = read();
        context.addBundleListener(this);
        context.addFrameworkListener(this);
        started = context.getBundle(0).getState() == Bundle.ACTIVE;
        applyAll();
        problems().forEach(each -> LOG.log(Level.WARNING, each));
    }

    void stop() {
        context.removeBundleListener(this);
        context.removeFrameworkListener(this);
    }

    /**
     * Reads the file again. Settings that are no longer in it get their defaults.
     *
     * @throws DiskException CORRUPT if the file cannot be read or is not JSON; nothing changes then
     */
    public synchronized void reload() throws DiskException {
        given = read();
        problems.clear();
        applyAll();
        LOG.log(Level.INFO, fileName + ": read again");
        problems().forEach(each -> LOG.log(Level.WARNING, each));
    }

    private Map<String, Map<String, Object>> read() throws DiskException {
        try {
            return file.call();
        } catch (Exception e) {
            throw new DiskException(Reason.CORRUPT, String.valueOf(e.getMessage()), e);
        }
    }

    /** Returns a line for each part of the file that is not in force. */
    public synchronized List<String> problems() {
        List<String> all = new ArrayList<>();
        problems.values().forEach(each -> each.forEach(line -> all.add(Printable.of(fileName + ": " + line))));
        return all;
    }

    private void applyAll() {
        TreeSet<String> gone = new TreeSet<>(valid.keySet());
        for (Bundle bundle : context.getBundles()) {
            gone.remove(bundle.getSymbolicName());
            apply(bundle);
        }
        gone.removeAll(given.keySet());
        gone.forEach(section -> put(section, Map.of()));
        if (started) {
            findUnknown();
        }
    }

    private void findUnknown() {
        TreeSet<String> unknown = new TreeSet<>(given.keySet());
        for (Bundle bundle : context.getBundles()) {
            unknown.remove(bundle.getSymbolicName());
        }
        for (String section : unknown) {
            problems.put(
                    section,
                    List.of(section + ": "
                            + (section.equals(DIRECTORIES)
                                    ? "they are set by the environment, as BLKTAP_RUN_DIR"
                                    : "no bundle has this name; blktap config lists the sections")));
        }
    }

    /** Gives a bundle its section, if the file has one. */
    private void apply(Bundle bundle) {
        String section = bundle.getSymbolicName();
        Map<String, Object> found = section == null ? null : given.get(section);
        if (section == null
                || found == null
                        && Environment.override(section, Map.of(), imageRoots).isEmpty()
                        && !valid.containsKey(section)) {
            return;
        }
        SettingsCheck check = SettingsCheck.of(section, found == null ? Map.of() : found, settings(bundle));
        problems.remove(section);
        if (!check.problems().isEmpty()) {
            problems.put(section, check.problems());
        }
        put(section, check.values());
    }

    /**
     * Sets a configuration. One without values any more is emptied, never deleted: Declarative Services would then
     * deactivate its component, and all that use it, instead of modifying it.
     */
    private void put(String section, Map<String, Object> values) {
        Map<String, Object> inForce = Environment.override(section, values, imageRoots);
        if (inForce.isEmpty() && !valid.containsKey(section)) {
            return;
        }
        valid.put(section, inForce);
        try {
            Configuration configuration = admin.getConfiguration(section, "?");
            configuration.updateIfDifferent(new Hashtable<>(inForce));
        } catch (IOException e) {
            LOG.log(Level.ERROR, section + ": cannot be configured: " + e.getMessage());
        }
    }

    /**
     * The settings that a bundle declares. Not by {@link Bundle#findEntries}, which resolves bundles: the framework
     * would wait for its own lock while this has ours, and a thread that resolves another bundle has the framework's
     * and waits for ours in {@link #bundleChanged}.
     */
    private static List<Setting> settings(Bundle bundle) {
        List<Setting> all = new ArrayList<>();
        try {
            Enumeration<String> entries = OF_INSTALLATION.contains(String.valueOf(bundle.getSymbolicName()))
                    ? null
                    : bundle.getEntryPaths(Metatype.FOLDER);
            for (String each : entries == null ? List.<String>of() : Collections.list(entries)) {
                URL description = each.endsWith(".xml") ? bundle.getEntry(each) : null;
                if (description != null) {
                    read(bundle, description, all);
                }
            }
        } catch (IllegalStateException e) {
            LOG.log(Level.DEBUG, bundle.getSymbolicName() + " has been uninstalled");
        }
        return all;
    }

    private static void read(Bundle bundle, URL description, List<Setting> all) {
        try (InputStream in = description.openStream()) {
            all.addAll(Metatype.read(in));
        } catch (IOException e) {
            LOG.log(Level.WARNING, bundle.getSymbolicName() + ": " + e.getMessage());
        }
    }

    /** All settings of all bundles that are installed, by section, in the order in which each declares them. */
    public synchronized List<Value> values() {
        SortedMap<String, List<Value>> sections = new TreeMap<>();
        for (Bundle bundle : context.getBundles()) {
            for (Setting each : settings(bundle)) {
                sections.computeIfAbsent(each.section(), any -> new ArrayList<>())
                        .add(value(each));
            }
        }
        return sections.values().stream().flatMap(List::stream).toList();
    }

    private Value value(Setting setting) {
        Object configured = valid.getOrDefault(setting.section(), Map.of()).get(setting.key());
        if (configured == null) {
            return new Value(setting, setting.initial(), "default");
        }
        String variable = Environment.variable(setting, imageRoots);
        return new Value(setting, configured, variable == null ? "file" : variable);
    }

    /** Called when a bundle has been installed or updated, before it is started. */
    @Override
    public void bundleChanged(BundleEvent event) {
        if (event.getType() == BundleEvent.RESOLVED) {
            List<String> found;
            synchronized (this) {
                String section = String.valueOf(event.getBundle().getSymbolicName());
                List<String> before = problems.getOrDefault(section, List.of());
                apply(event.getBundle());
                found = new ArrayList<>(problems.getOrDefault(section, List.of()));
                found.removeAll(before);
            }
            found.forEach(each -> LOG.log(Level.WARNING, fileName + ": " + each));
        }
    }

    @Override
    public void frameworkEvent(FrameworkEvent event) {
        if (event.getType() == FrameworkEvent.STARTED) {
            List<String> unknown = new ArrayList<>();
            synchronized (this) {
                started = true;
                List<String> before = problems();
                findUnknown();
                unknown.addAll(problems());
                unknown.removeAll(before);
            }
            unknown.forEach(each -> LOG.log(Level.WARNING, each));
        }
    }
}
