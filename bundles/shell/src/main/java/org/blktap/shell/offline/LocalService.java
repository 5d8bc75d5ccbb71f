package org.blktap.shell.offline;

import java.util.Dictionary;
import java.util.Hashtable;
import java.util.Map;
import java.util.Set;
import org.osgi.framework.Bundle;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceReference;

/**
 * A service of this process, and its reference: the higher ranking is the greater one, of equal rankings the older.
 *
 * @param interfaces the names under which it is known
 * @param number its place in the order of registration
 */
record LocalService(Object object, Set<String> interfaces, Map<String, Object> properties, int number)
        implements ServiceReference<Object> {
    @Override
    public Object getProperty(String key) {
        return properties.get(key);
    }

    @Override
    public String[] getPropertyKeys() {
        return properties.keySet().toArray(String[]::new);
    }

    /** None: there is no framework. */
    @Override
    public Bundle getBundle() {
        return null;
    }

    @Override
    public Bundle[] getUsingBundles() {
        return null;
    }

    @Override
    public boolean isAssignableTo(Bundle bundle, String className) {
        return interfaces.contains(className);
    }

    @Override
    public Dictionary<String, Object> getProperties() {
        return new Hashtable<>(properties);
    }

    private int ranking() {
        return properties.get(Constants.SERVICE_RANKING) instanceof Integer ranking ? ranking : 0;
    }

    @Override
    public int compareTo(Object other) {
        LocalService that = (LocalService) other;
        int byRanking = Integer.compare(ranking(), that.ranking());
        return byRanking != 0 ? byRanking : Integer.compare(that.number, number);
    }

    @Override
    public <A> A adapt(Class<A> type) {
        return null;
    }
}
