/** Writes the project of a driver outside of blktap's tree, from the texts in this package's folder of the jar. */
package org.blktap.shell.project;
