/** The API under /api/v1: its resources and their form as JSON. */
package org.blktap.http.api;
