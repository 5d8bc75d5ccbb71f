/** What verbs declare, and where they are found: services in the daemon, classes elsewhere. */
package org.blktap.shell.verbs;
