package org.blktap.shell.launch;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes records of the log from what is printed on a standard stream, a line each. Service Component Runtime has no
 * other way to report failures; of its stack traces only the messages and the first frame after each are kept. One
 * stream; {@link PrintStream} keeps threads apart.
 */
final class RawOutput extends OutputStream {
    /** Longer lines are cut. */
    private static final int LONGEST = 8 << 10;

    private static final Pattern LEVEL = Pattern.compile("(ERROR|WARN|INFO|DEBUG|TRACE) *: ");
    private static final Pattern FRAME = Pattern.compile("\\s+(at |\\.\\.\\. \\d+ (more|common))");
    private static final Map<String, Level> LEVELS =
            Map.of("ERROR", Level.ERROR, "WARN", Level.WARNING, "INFO", Level.INFO);

    private final BiConsumer<Level, String> log;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private Level level = Level.INFO;
    /** Whether the lines are those of a stack trace of Service Component Runtime. */
    private boolean component;

    private boolean lastWasFrame;

    RawOutput(BiConsumer<Level, String> log) {
        this.log = log;
    }

    /**
     * Takes the place of System.out and System.err. The log's handlers have been made with the streams that were there
     * before.
     */
    static void install() {
        System.Logger out = System.getLogger("stdout");
        System.Logger err = System.getLogger("stderr");
        System.setOut(new PrintStream(new RawOutput(out::log), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new RawOutput(err::log), true, StandardCharsets.UTF_8));
    }

    @Override
    public void write(int b) {
        if (b == '\n') {
            String text = line.toString(StandardCharsets.UTF_8).stripTrailing();
            line.reset();
            if (!text.isEmpty()) {
                publish(text);
            }
        } else if (line.size() < LONGEST) {
            line.write(b);
        }
    }

    private void publish(String text) {
        Matcher begin = LEVEL.matcher(text);
        boolean frame = FRAME.matcher(text).lookingAt();
        if (begin.lookingAt()) {
            component = true;
            level = LEVELS.getOrDefault(begin.group(1), Level.DEBUG);
            log.accept(level, text.substring(begin.end()));
        } else if (!component || !frame || !lastWasFrame) {
            if (lastWasFrame && !frame && !text.startsWith("Caused by: ")) {
                component = false;
                level = Level.INFO;
            }
            log.accept(level, text);
        }
        lastWasFrame = frame;
    }
}
