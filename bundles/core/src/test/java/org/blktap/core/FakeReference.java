package org.blktap.core;

import java.util.Dictionary;
import java.util.Hashtable;
import java.util.Map;
import org.osgi.framework.Bundle;
import org.osgi.framework.ServiceReference;

/** A service reference without a framework. */
final class FakeReference<S> implements ServiceReference<S> {
    private static int numbers;
    private final Map<String, Object> properties;
    private final int number = ++numbers;

    FakeReference(Map<String, Object> properties) {
        this.properties = properties;
    }

    @Override
    public Object getProperty(String key) {
        return properties.get(key);
    }

    @Override
    public String[] getPropertyKeys() {
        return properties.keySet().toArray(String[]::new);
    }

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
        return true;
    }

    @Override
    public int compareTo(Object other) {
        FakeReference<?> that = (FakeReference<?>) other;
        int ranking = Integer.compare(ranking(), that.ranking());
        return ranking != 0 ? ranking : Integer.compare(that.number, number);
    }

    private int ranking() {
        return (Integer) properties.getOrDefault("service.ranking", 0);
    }

    @Override
    public Dictionary<String, Object> getProperties() {
        return new Hashtable<>(properties);
    }

    @Override
    public <A> A adapt(Class<A> type) {
        return null;
    }
}
