/** The HTTP server: its settings, who may ask what, and what is answered without a servlet. */
package org.blktap.http;
