/**
 * Work on images in the process of {@code bin/blktap}, without a daemon and without a framework: the components of the
 * installed bundles that this work needs, made and bound as their descriptions say.
 */
package org.blktap.shell.offline;
