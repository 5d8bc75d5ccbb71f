package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Encrypted disks of the built distribution, with cryptsetup, QEMU and the kernel's dm-crypt at the other end. */
class LuksIT {
    private static final String PASSWORD = "correct horse battery staple";
    /** What a guest needs to open the volume by itself. */
    private static final String OPEN = """
            load crypto/cbc crypto/ecb crypto/hmac crypto/xts security/keys/encrypted-keys/encrypted-keys drivers/md/dm-mod drivers/md/dm-crypt
            mkdir -p /run/cryptsetup
            DM_DISABLE_UDEV=1 cryptsetup luksOpen --disable-keyring --key-file /mnt/share/key /dev/vda inside || return 1
            """;

    @TempDir
    static Path directory;

    private static Daemon daemon;
    private static Path key;

    @BeforeAll
    static void start() throws Exception {
        daemon = Daemon.started(directory);
        key = Files.writeString(directory.resolve("key"), PASSWORD);
    }

    @AfterAll
    static void stop() throws Exception {
        daemon.close();
    }

    private static String luks(String... options) {
        return "luks,key-file=" + key + (options.length == 0 ? "" : "," + String.join(",", options));
    }

    /** What the filter writes, the kernel reads, and the other way round; with sectors of either size. */
    @Test
    void dmCryptAndTheFilterReadEachOther() throws Exception {
        for (String sectorSize : List.of("512", "4096")) {
            // a guest computes Argon2 slowly: once is enough
            String pbkdf = sectorSize.equals("512") ? "argon2id" : "pbkdf2";
            String id = "dm" + sectorSize;
            String image = "tap:qcow2:" + directory.resolve(id + ".qcow2");
            daemon.blktap(
                            "create",
                            image,
                            "64M",
                            "--filter",
                            luks("sector-size=" + sectorSize, "pbkdf=" + pbkdf, "iter-time=100"))
                    .ok();
            daemon.attach(image, id, "--node", "vhost-user", "--filter", luks());
            Uml.run(directory, id + "-first", """
                    test "$(cat /sys/block/vda/queue/logical_block_size)" = SIZE || return 9
                    mkfs.ext4 -q /dev/vda && mkdir /mnt/d && mount /dev/vda /mnt/d || return 2
                    fio --name=v --ioengine=psync --filename=/mnt/d/fio --rw=randwrite --bsrange=4k-64k --size=16M --verify=crc32c \
                      --verify_fatal=1 --fsync=100 --direct=1 --output=/run/fio || { cat /run/fio; return 3; }
                    sha256sum /mnt/d/fio > /mnt/share/sum
                    umount /mnt/d && fsck.ext4 -fn /dev/vda
                    """.replace("SIZE", sectorSize), daemon.vhostSocket(id));
            daemon.detach(id);
            // without the filter: the guest has the volume as it is stored
            daemon.attach(image, id, "--node", "vhost-user");
            Uml.run(directory, id + "-second", OPEN + """
                    fsck.ext4 -fn /dev/mapper/inside || return 2
                    mkdir /mnt/d && mount /dev/mapper/inside /mnt/d && sha256sum -c /mnt/share/sum || return 3
                    cp /mnt/share/sum /mnt/d/sum && dd if=/dev/urandom of=/mnt/d/more bs=64k count=100 2>/dev/null || return 4
                    sha256sum /mnt/d/more > /mnt/share/more
                    umount /mnt/d && DM_DISABLE_UDEV=1 cryptsetup luksClose inside
                    """, daemon.vhostSocket(id));
            daemon.detach(id);
            daemon.attach(image, id, "--node", "vhost-user", "--filter", luks());
            Uml.run(directory, id + "-third", """
                    fsck.ext4 -fn /dev/vda && mkdir /mnt/d && mount /dev/vda /mnt/d || return 1
                    cmp /mnt/d/sum /mnt/share/sum && sha256sum -c /mnt/share/sum && sha256sum -c /mnt/share/more || return 2
                    umount /mnt/d
                    """, daemon.vhostSocket(id));
            daemon.detach(id);
        }
    }

    /** A volume of QEMU, and an overlay over it: the chain is encrypted as a whole. */
    @Test
    void qemuReadsWhatIsWrittenThroughAChain() throws Exception {
        Path raw = directory.resolve("data.raw");
        Run.of("dd", "if=/dev/urandom", "of=" + raw, "bs=1M", "count=8").ok();
        Path base = directory.resolve("base.luks");
        Run.of(
                        "qemu-img",
                        "convert",
                        "--object",
                        "secret,id=s,file=" + key,
                        "-O",
                        "luks",
                        "-o",
                        "key-secret=s,iter-time=50",
                        raw.toString(),
                        base.toString())
                .ok();
        Path overlay = directory.resolve("overlay.qcow2");
        daemon.blktap("create", "tap:qcow2:" + overlay, "--backing", "tap:aio:" + base)
                .ok();
        daemon.attach("tap:qcow2:" + overlay, "chain", "--node", "nbd", "--filter", luks());
        Qemu.equal("raw", daemon.nbd("chain"), "raw", raw);
        Run.of(
                        "qemu-io",
                        "-f",
                        "raw",
                        "-c",
                        "write -P 7 1M 3M",
                        "-c",
                        "write -z 5M 1M",
                        "-c",
                        "flush",
                        daemon.nbd("chain"))
                .ok();
        Run.of("qemu-io", "-f", "raw", "-c", "write -P 7 1M 3M", "-c", "write -z 5M 1M", raw.toString())
                .ok();
        daemon.detach("chain");
        Run.of(
                        "qemu-img",
                        "compare",
                        "--object",
                        "secret,id=s,file=" + key,
                        "--image-opts",
                        "driver=luks,key-secret=s,file.driver=qcow2,file.file.driver=file,file.file.filename="
                                + overlay,
                        "driver=raw,file.driver=file,file.filename=" + raw)
                .ok();
    }

    @Test
    void cryptsetupOpensWhatWasCreated() throws Exception {
        Path image = directory.resolve("created.img");
        daemon.blktap("create", "tap:aio:" + image, "8M", "--filter", luks("version=1", "iter-time=50"))
                .ok();
        Run.of("cryptsetup", "luksOpen", "--test-passphrase", "--key-file", key.toString(), image.toString())
                .ok();
        daemon.attach("tap:aio:" + image, "created", "--node", "nbd", "--filter", luks());
        assertEquals(8 << 20, daemon.attachment("created").get("sizeBytes").getAsLong());
        daemon.detach("created");
    }

    /** Also after a restart of the daemon, which reads the key anew; and nowhere is the key. */
    @Test
    void theKeyIsNeitherRecordedNorLogged() throws Exception {
        Path image = directory.resolve("kept.img");
        Path own = Files.copy(key, directory.resolve("kept.key"));
        String filter = "luks,key-file=" + own;
        daemon.blktap("create", "tap:aio:" + image, "8M", "--filter", filter + ",iter-time=50")
                .ok();
        daemon.attach("tap:aio:" + image, "kept", "--node", "nbd", "--filter", filter);
        Run.of("qemu-io", "-f", "raw", "-c", "write -P 9 0 1M", daemon.nbd("kept"))
                .ok();
        Path wrong = Files.writeString(directory.resolve("wrong"), PASSWORD + "!");
        Run refused = daemon.blktap(
                "attach", "tap:aio:" + image, "--id", "kept2", "--read-only", "--filter", "luks,key-file=" + wrong);
        assertTrue(refused.status() != 0);
        daemon.stop();
        daemon.start();
        Wait.until("kept runs", () -> daemon.state("kept").equals("running"));
        Run.of("qemu-io", "-f", "raw", "-c", "read -P 9 0 1M", daemon.nbd("kept"))
                .ok();
        assertFalse(daemon.log().contains(PASSWORD), daemon.log());
        try (Stream<Path> files = Files.walk(daemon.dataDir)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                assertFalse(contents(file).contains(PASSWORD), file.toString());
            }
        }
        // a disk never runs without its encryption: with its key gone it stays parked
        Files.move(own, directory.resolve("away"));
        daemon.stop();
        daemon.start();
        Wait.until("kept is parked", () -> daemon.state("kept").equals("parked"));
        assertTrue(
                daemon.attachment("kept").toString().contains("key file"),
                daemon.attachment("kept").toString());
        Files.move(directory.resolve("away"), own);
        daemon.blktap("resume", "kept").ok();
        Wait.until("kept runs", () -> daemon.state("kept").equals("running"));
        daemon.detach("kept");
    }

    private static String contents(Path file) throws IOException {
        return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
    }

    @Test
    void wrongKeysAndOtherDisksAreReported() throws Exception {
        Path image = directory.resolve("wrong.img");
        daemon.blktap("create", "tap:aio:" + image, "8M", "--filter", luks("iter-time=50"))
                .ok();
        Path other = Files.writeString(directory.resolve("other"), "x");
        Run refused = daemon.blktap("attach", "tap:aio:" + image, "--id", "w", "--filter", "luks,key-file=" + other);
        assertTrue(refused.err().contains("wrong key: it opens none of the key slots [0]"), refused.err());
        refused = daemon.blktap("attach", "tap:aio:" + image, "--id", "w", "--filter", "luks,key-file=/none");
        assertTrue(refused.err().contains("key file /none: cannot open: ENOENT"), refused.err());
        Path plain = directory.resolve("plain.img");
        daemon.blktap("create", "tap:aio:" + plain, "8M").ok();
        refused = daemon.blktap("attach", "tap:aio:" + plain, "--id", "w", "--filter", luks());
        assertTrue(refused.err().contains("not a LUKS disk"), refused.err());
        assertFalse(daemon.list().toString().contains("\"w\""), "nothing stays attached");
    }
}
