/** The start and the end of the daemon's process, outside of the framework: on the class path, not in the bundle. */
package org.blktap.shell.launch;
