/**
 * A test kit for nodes and drivers: what the core gives them, made for tests. It is in the test jar of {@code api} and
 * needs nothing else; the loop and the native memory come from {@code linux}, or from a test.
 */
package org.blktap.api.testkit;
