package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What real kernels make of each writable type of disk. */
class GuestFormatsIT {
    @TempDir
    static Path directory;

    private static Daemon daemon;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    /**
     * A disk of the guest.
     *
     * @param format as qemu-img calls it
     * @param create what follows the spec when it is created
     */
    private record Disk(String name, String type, String format, String... create) {
        String spec() {
            return "tap:" + type + ":" + directory.resolve(name);
        }
    }

    private static Disk created(String name, String type, String format, String... create) throws Exception {
        Disk disk = new Disk(name, type, format, create);
        List<String> command = new ArrayList<>(List.of("create", disk.spec()));
        command.addAll(List.of(create));
        daemon.blktap(command.toArray(new String[0])).ok();
        return disk;
    }

    /** In one guest: on each a file system is made, filled and found clean; another program finds it in the image. */
    @Test
    void aFileSystemOnEachWritableType() throws Exception {
        String size = "48M";
        Path base = directory.resolve("base.img");
        daemon.blktap("create", "tap:raw:" + base, size).ok();
        created("middle.qcow", "qcow", "qcow", size, "--backing", "tap:raw:" + base);
        List<Disk> disks = List.of(
                created("a.img", "sync", "raw", size),
                created("a.qcow", "qcow", "qcow", size),
                created("a.qcow2", "qcow2", "qcow2", size),
                created("sub.qcow2", "qcow2", "qcow2", size, "-o", "extended-l2=yes"),
                created(
                        "top.qcow2",
                        "qcow2",
                        "qcow2",
                        size,
                        "--backing",
                        "tap:qcow:" + directory.resolve("middle.qcow")),
                created("a.vmdk", "vmdk", "vmdk", size),
                created("split.vmdk", "vmdk", "vmdk", size, "-o", "subformat=twoGbMaxExtentSparse"),
                created("flat.vmdk", "vmdk", "vmdk", size, "-o", "subformat=monolithicFlat"),
                created("a.vhd", "vhd", "vpc", size),
                created("fixed.vhd", "vhd", "vpc", size, "-o", "subformat=fixed"),
                created("a.vhdx", "vhdx", "vhdx", size));
        List<Path> sockets = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            daemon.attach(disks.get(i).spec(), "disk" + i, "--node", "vhost-user");
            sockets.add(daemon.vhostSocket("disk" + i));
        }
        Uml.run(directory, "formats", """
                mkdir /mnt/d
                for disk in /dev/vd?; do
                  mkfs.ext4 -q $disk && mount $disk /mnt/d || return 1
                  cp -r /usr/share/perl5 /mnt/d/ && rm -r /mnt/d/perl5/Debconf && fstrim /mnt/d || return 2
                  dd if=/dev/urandom of=/mnt/d/random bs=64k count=100 conv=fsync 2>/dev/null && sha256sum < /mnt/d/random > /mnt/d/sum || return 3
                  umount /mnt/d && fsck.ext4 -fn $disk > /run/fsck || { cat /run/fsck; return 4; }
                  mount $disk /mnt/d && sha256sum < /mnt/d/random | cmp - /mnt/d/sum && umount /mnt/d || return 5
                done
                """, sockets.toArray(new Path[0]));
        for (int i = 0; i < disks.size(); i++) {
            Disk disk = disks.get(i);
            daemon.detach("disk" + i);
            if (!disk.type().equals("sync")) {
                daemon.blktap("check", disk.spec()).ok();
            }
            Path raw = directory.resolve(disk.name() + ".raw");
            Run.of(
                            "qemu-img",
                            "convert",
                            "-f",
                            disk.format(),
                            "-O",
                            "raw",
                            directory.resolve(disk.name()).toString(),
                            raw.toString())
                    .ok();
            Run.of("fsck.ext4", "-fn", raw.toString()).ok();
            java.nio.file.Files.delete(raw);
        }
    }

    /** OCFS2's cluster stack, over a network between two guests; the RAM disk acts as a shared SAN volume. */
    private static final String CLUSTER = """
            load fs/configfs/configfs 2>/dev/null
            load fs/quota/quota_tree fs/ocfs2/cluster/ocfs2_nodemanager fs/ocfs2/ocfs2_stackglue fs/ocfs2/dlm/ocfs2_dlm \\
              fs/ocfs2/ocfs2_stack_o2cb fs/ocfs2/ocfs2
            busybox ip link set lo up; busybox ip addr add 10.9.0.$((ME+1))/24 dev vec0; busybox ip link set vec0 up
            cluster=/sys/kernel/config/cluster/ocfs2
            mount -t configfs none /sys/kernel/config && mkdir $cluster || return 1
            for n in 0 1; do
              mkdir $cluster/node/guest$n; echo 7777 > $cluster/node/guest$n/ipv4_port
              echo 10.9.0.$((n+1)) > $cluster/node/guest$n/ipv4_address; echo $n > $cluster/node/guest$n/num
            done
            echo 1 > $cluster/node/guest$ME/local
            await() { i=0; until [ -e $1 ]; do i=$((i+1)); [ $i -lt 1200 ] || return 1; sleep 0.1; done; }
            if [ $ME = 0 ]; then
              mkfs.ocfs2 -q -b 4096 -C 4096 -N 2 -J size=8M --cluster-stack=o2cb --cluster-name=ocfs2 -F -x /dev/vda && touch /mnt/share/made || return 2
            fi
            await /mnt/share/made || return 3
            ocfs2_hb_ctl -S -d /dev/vda o2cb && mkdir /mnt/d && mount -t ocfs2 /dev/vda /mnt/d || return 4
            echo "written by $ME" > /mnt/d/from$ME && sync
            await /mnt/d/from$((1-ME)) || return 5
            grep -q "written by $((1-ME))" /mnt/d/from$((1-ME)) && echo saw the other
            # both at work at once in one directory; each reads what the other wrote
            mkdir /mnt/d/all 2>/dev/null
            for n in $(seq 20); do
              dd if=/dev/urandom of=/mnt/d/all/$ME.$n bs=16k count=$n 2>/dev/null && sha256sum /mnt/d/all/$ME.$n >> /mnt/d/sums$ME || return 6
            done
            sync && touch /mnt/d/done$ME
            await /mnt/d/done$((1-ME)) || return 7
            sha256sum --quiet -c /mnt/d/sums$((1-ME)) && [ $(ls /mnt/d/all | wc -l) = 40 ] && echo saw every file || return 8
            touch /mnt/share/seen$ME
            await /mnt/share/seen$((1-ME)) || return 9
            umount /mnt/d
            """;

    @Test
    void twoGuestsMountOneClusterFileSystemOnARamDisk() throws Exception {
        assumeTrue(
                Files.exists(Path.of("/etc/mtab")),
                "this machine has no /etc/mtab, without which ocfs2-tools do nothing");
        daemon.attach("tap:ram:cluster,size=256M", "left", "--node", "vhost-user");
        daemon.attach(
                "tap:ram:cluster", "right", "--node", "vhost-user", "-o", "save=" + directory.resolve("cluster.img"));
        int left = FreePort.udp();
        int right = FreePort.udp();
        String network =
                "vec0:transport=l2tpv3,udp=1,src=127.0.0.1,dst=127.0.0.1,srcport=%d,dstport=%d,rx_session=%d,tx_session=%d";
        try (Uml one = Uml.start(
                        directory,
                        "one",
                        "ME=0\n" + CLUSTER,
                        List.of(network.formatted(left, right, 1, 2)),
                        daemon.vhostSocket("left"));
                Uml two = Uml.start(
                        directory,
                        "two",
                        "ME=1\n" + CLUSTER,
                        List.of(network.formatted(right, left, 2, 1)),
                        daemon.vhostSocket("right"))) {
            String first = one.succeed();
            String second = two.succeed();
            assertTrue(first.contains("saw the other") && first.contains("saw every file"), first);
            assertTrue(second.contains("saw the other") && second.contains("saw every file"), second);
        }
        daemon.detach("left");
        daemon.detach("right");
        // the last detach has saved it
        Run.of("fsck.ocfs2", "-fn", directory.resolve("cluster.img").toString()).ok();
    }
}
