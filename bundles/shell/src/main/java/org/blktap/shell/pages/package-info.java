/** What the build makes of the verbs' declarations: the manual page, and the index for {@code bin/blktap}. */
package org.blktap.shell.pages;
