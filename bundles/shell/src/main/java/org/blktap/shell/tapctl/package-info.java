/**
 * The program {@code tap-ctl}: blktap's control of tapdisks, on our attachments. Its verbs, arguments, output and exit
 * statuses.
 */
package org.blktap.shell.tapctl;
