package org.blktap.shell.launch;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.parsers.SAXParser;
import javax.xml.parsers.SAXParserFactory;
import org.xml.sax.SAXException;
import org.xml.sax.SAXNotRecognizedException;
import org.xml.sax.SAXNotSupportedException;

/**
 * Gives one parser of the JDK again and again while the platform starts. Declarative Services asks for another one for
 * each of its more than a hundred descriptors, and making one costs a start more than a descriptor does. Any thread:
 * each has a parser of its own.
 */
public final class ReusedParsers extends SAXParserFactory {
    private static final String PROPERTY = "javax.xml.parsers.SAXParserFactory";
    private static final Map<Thread, SAXParser> MADE = new ConcurrentHashMap<>();
    private static volatile boolean over = true;

    private final SAXParserFactory jdk = newDefaultInstance();
    private boolean special;

    /**
     * From now on {@code SAXParserFactory.newInstance()} makes factories of this class, unless a user has chosen one.
     */
    static void begin() {
        if (LaunchOptions.property(PROPERTY) == null) {
            over = false;
            System.setProperty(PROPERTY, ReusedParsers.class.getName());
        }
    }

    /** The start is over: parsers are those of the JDK, and none is kept. */
    static void end() {
        if (!over) {
            over = true;
            System.clearProperty(PROPERTY);
            MADE.clear();
        }
    }

    @Override
    public SAXParser newSAXParser() throws ParserConfigurationException, SAXException {
        boolean usual = isNamespaceAware() && !isValidating() && !special;
        SAXParser kept = usual ? MADE.get(Thread.currentThread()) : null;
        if (kept != null) {
            return kept;
        }
        jdk.setNamespaceAware(isNamespaceAware());
        jdk.setValidating(isValidating());
        SAXParser made = jdk.newSAXParser();
        if (usual && !over) {
            MADE.put(Thread.currentThread(), made);
        }
        return made;
    }

    @Override
    public void setFeature(String name, boolean value)
            throws ParserConfigurationException, SAXNotRecognizedException, SAXNotSupportedException {
        special = true;
        jdk.setFeature(name, value);
    }

    @Override
    public boolean getFeature(String name)
            throws ParserConfigurationException, SAXNotRecognizedException, SAXNotSupportedException {
        return jdk.getFeature(name);
    }
}
