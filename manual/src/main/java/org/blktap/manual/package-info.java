/** Part of the build: makes manual pages of the pages in Markdown. */
package org.blktap.manual;
