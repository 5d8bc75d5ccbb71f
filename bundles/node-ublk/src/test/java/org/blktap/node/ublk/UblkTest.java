package org.blktap.node.ublk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.blktap.api.disk.DiskInfo;
import org.blktap.api.disk.Operation;
import org.blktap.api.memory.Memory;
import org.blktap.linux.Mapping;
import org.junit.jupiter.api.Test;

/** Numbers and structures as a C compiler makes them of ublk_cmd.h. */
class UblkTest {
    @Test
    void commandsAreEncodedAsIoctls() {
        assertEquals(0x80207502, Ublk.CMD_GET_DEV_INFO);
        assertEquals(0xc0207504, Ublk.CMD_ADD_DEV);
        assertEquals(0xc0207506, Ublk.CMD_START_DEV);
        assertEquals(0xc0207507, Ublk.CMD_STOP_DEV);
        assertEquals(0xc0207508, Ublk.CMD_SET_PARAMS);
        assertEquals(0xc0207510, Ublk.CMD_START_USER_RECOVERY);
        assertEquals(0xc0207511, Ublk.CMD_END_USER_RECOVERY);
        assertEquals(0x80207513, Ublk.CMD_GET_FEATURES);
        assertEquals(0x80207514, Ublk.CMD_DEL_DEV_ASYNC);
        assertEquals(0xc0207515, Ublk.CMD_UPDATE_SIZE);
        assertEquals(0xc0107520, Ublk.IO_FETCH_REQ);
        assertEquals(0xc0107521, Ublk.IO_COMMIT_AND_FETCH_REQ);
    }

    @Test
    void descriptorsOfAQueueBeginAtTheGreatestDepth() {
        assertEquals(4096, Ublk.descriptorBytes(128, 4096));
        assertEquals(98304, Ublk.descriptorBytes(4096, 4096));
        assertEquals(3 * 98304, Ublk.descriptorOffset(3, 4096));
        assertEquals(65536 * 2, Ublk.descriptorOffset(1, 65536));
    }

    @Test
    void anInfoIsReadAsItWasWritten() {
        try (Mapping memory = Mapping.anonymous(DeviceInfo.BYTES)) {
            DeviceInfo wanted = DeviceInfo.wanted(7, 2, 64, 1 << 20, Ublk.FEATURES_NEEDED, 0x1234_5678_9abc_def0L);
            wanted.write(memory.address());
            DeviceInfo read = DeviceInfo.read(memory.address());
            assertEquals(wanted, read);
            assertTrue(read.fits(wanted));
            assertTrue(read.isOurs(0x1234_5678_9abc_def0L, 0));
            assertFalse(read.isOurs(1, 0));
            assertFalse(read.isOurs(0x1234_5678_9abc_def0L, 1));
        }
    }

    @Test
    void aDeviceOfAUserWithoutPrivilegesIsNotOurs() {
        DeviceInfo device = DeviceInfo.wanted(7, 2, 64, 4096, Ublk.FEATURES_NEEDED | Ublk.F_UNPRIVILEGED_DEV, 5);
        assertFalse(device.isOurs(5, 0));
    }

    @Test
    void parametersAreThoseOfTheDisk() {
        try (Mapping memory = Mapping.anonymous(Parameters.BYTES)) {
            long at = memory.address();
            DiskInfo disk = DiskInfo.ofSize(1 << 20).withBlocks(512, 4096).with(Operation.DISCARD);
            Parameters.write(at, disk, 65536);
            assertEquals(9, Memory.getByte(at + Parameters.LOGICAL_SHIFT));
            assertEquals(12, Memory.getByte(at + Parameters.PHYSICAL_SHIFT));
            assertEquals(128, Memory.getInt(at + Parameters.MAX_SECTORS));
            assertEquals(2048, Memory.getLong(at + Parameters.DEV_SECTORS));
            assertEquals(Parameters.DISCARD_SECTORS_MAX, Memory.getInt(at + Parameters.MAX_DISCARD_SECTORS));
            assertEquals(0, Memory.getInt(at + Parameters.MAX_WRITE_ZEROES_SECTORS));
            assertEquals(0, Memory.getInt(at + Parameters.BASIC_ATTRS) & Parameters.ATTR_READ_ONLY);
            Parameters.write(at, disk.withReadOnly(true), 65536);
            assertEquals(1, Memory.getInt(at + Parameters.BASIC_ATTRS) & Parameters.ATTR_READ_ONLY);
            assertEquals(0, Memory.getInt(at + Parameters.MAX_DISCARD_SECTORS));
        }
    }

    @Test
    void aDeviceOfWholeLogicalBlocks() {
        try (Mapping memory = Mapping.anonymous(Parameters.BYTES)) {
            Parameters.write(memory.address(), DiskInfo.ofSize(4096 * 5 + 512).withBlocks(4096, 4096), 4096);
            assertEquals(40, Memory.getLong(memory.address() + Parameters.DEV_SECTORS));
        }
    }
}
