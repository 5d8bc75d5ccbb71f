/** Several instances of the daemon on one host: what others have. */
package org.blktap.shell.instance;
