/** The daemon's figures in the formats of Prometheus and OpenMetrics, over HTTP. */
package org.blktap.metrics;
