/** Long work on disks while their VMs run. */
package org.blktap.jobs;
