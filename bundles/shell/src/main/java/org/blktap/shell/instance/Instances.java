package org.blktap.shell.instance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.blktap.api.settings.Instance;
import org.blktap.shell.client.Client;
import org.blktap.shell.launch.LaunchOptions;

/**
 * The other instances of the daemon on this host. Their directories are below those of the default instance, so that no
 * list of them is needed. Any thread.
 */
public final class Instances {
    /** The most directories that are looked at. */
    private static final int MOST = 4096;

    private static final int AT_ONCE = 32;
    private static final int ANSWER_SECONDS = 5;

    private final Instance self;

    Instances(Instance self) {
        this.self = self;
    }

    /** Returns the instances that this process can find. */
    public static Instances known() {
        return new Instances(LaunchOptions.instance());
    }

    /**
     * The answer of an instance.
     *
     * @param disks its attachments as {@code list --json} shows them; null if it has not answered
     * @param problem why it has not answered; null if it has
     */
    public record Answer(String instance, JsonArray disks, String problem) {}

    /** The instance that asks. */
    public Instance self() {
        return self;
    }

    /** Whether an id is that of a disk with a process of its own, seen from the default instance. */
    public boolean hasOwnProcess(String id) {
        return self.isDefault() && Instance.isName(id) && isOwnProcess(id);
    }

    private boolean isOwnProcess(String name) {
        return Files.exists(self.dataOf(name).resolve(Instance.OWN_PROCESS));
    }

    /** The disks with processes of their own, for completion in the default instance. */
    public List<String> ownProcesses() {
        return self.isDefault()
                ? names(self.commonData()).stream().filter(this::isOwnProcess).toList()
                : List.of();
    }

    /**
     * Asks all other instances for their disks, at the same time. An instance that does not answer delays the others by
     * at most a few seconds. Instances that an administrator has stopped are left out.
     *
     * @param withDefault whether the default instance is asked too, because it is not the one that asks
     */
    public List<Answer> ask(boolean withDefault) {
        TreeSet<String> names = new TreeSet<>(names(self.commonRun()));
        names.addAll(ownProcesses());
        names.remove(self.name());
        ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE, task -> {
            Thread thread = new Thread(task, "blktap-instances");
            thread.setDaemon(true);
            return thread;
        });
        try {
            List<String> asked = new ArrayList<>();
            List<Future<Answer>> answers = new ArrayList<>();
            if (withDefault) {
                asked.add(Instance.DEFAULT);
                answers.add(threads.submit(() -> ask(Instance.DEFAULT, self.commonRun())));
            }
            for (String each : names) {
                boolean listens = Files.exists(self.runOf(each).resolve(Client.SOCKET), LinkOption.NOFOLLOW_LINKS);
                if (listens || isOwnProcess(each)) {
                    asked.add(each);
                    answers.add(threads.submit(() -> ask(each, self.runOf(each))));
                }
            }
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(ANSWER_SECONDS);
            List<Answer> all = new ArrayList<>();
            for (int i = 0; i < asked.size(); i++) {
                all.add(await(asked.get(i), answers.get(i), end));
            }
            return all;
        } finally {
            threads.shutdownNow();
        }
    }

    private static Answer await(String name, Future<Answer> answer, long end) {
        try {
            return answer.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new Answer(name, null, "interrupted");
        } catch (TimeoutException e) {
            return new Answer(name, null, "does not answer within " + ANSWER_SECONDS + " s");
        } catch (ExecutionException e) {
            return new Answer(name, null, e.getCause().toString());
        }
    }

    private static Answer ask(String name, Path run) {
        String said = Client.answer(run.resolve(Client.SOCKET), List.of("list", "--json"));
        if (said == null) {
            return new Answer(name, null, "does not answer on " + run.resolve(Client.SOCKET));
        }
        try {
            JsonElement disks = JsonParser.parseString(said);
            return disks.isJsonArray()
                    ? new Answer(name, disks.getAsJsonArray(), null)
                    : new Answer(name, null, "answers with something else than a list");
        } catch (JsonParseException e) {
            return new Answer(name, null, "answers with something else than a list");
        }
    }

    /** Returns the names of all instances, also of those that do not run. */
    public Set<String> names() {
        TreeSet<String> names = new TreeSet<>(names(self.commonRun()));
        names.addAll(names(self.commonData()));
        names.add(Instance.DEFAULT);
        return names;
    }

    /** Returns the names below a directory of the default instance; none if there is no such directory. */
    private static List<String> names(Path common) {
        List<String> names = new ArrayList<>();
        Path directory = common.resolve(Instance.DIRECTORY);
        if (!Files.isDirectory(directory)) {
            return names;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
            for (Path each : files) {
                String name = each.getFileName().toString();
                if (names.size() < MOST && Instance.isName(name)) {
                    names.add(name);
                }
            }
        } catch (IOException e) {
            // it belongs to another user: the default instance's own attachments are shown all the same
            return names;
        }
        names.sort(null);
        return names;
    }
}
