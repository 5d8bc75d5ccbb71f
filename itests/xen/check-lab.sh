#!/bin/bash
# Checks the lab itself, in dom0: itests/xen/lab itests/xen/check-lab.sh
# A guest on the kernel's own backend makes a file system and verifies its writes; two guests at once communicate with dom0;
# the daemon starts. Prints how long each step took.
set -euo pipefail
began=0
stage() { local now; read -r now _ < /proc/uptime; [ $began = 0 ] || echo "lab: $(awk "BEGIN { printf \"%.1f\", $now - $began }") s"; began=$now; [ $# = 0 ] || echo "== $*"; }
failed() { echo "check-lab: $*" >&2; exit 1; }

read -r now _ < "$LAB_LOGS/up"
stage "dom0 was up $now s after its kernel began"
xl list

stage "what dom0 has"
for module in loop xen-blkback nbd; do modprobe $module; done
echo written > "$LAB_SHARE/check-lab" && [ "$(cat "$LAB_SHARE/check-lab")" = written ] && rm "$LAB_SHARE/check-lab" || failed "the share"
dd if=/dev/zero of=/vm/direct bs=1M count=4 oflag=direct status=none || failed "no direct I/O on /vm"
fio --name=aio --filename=/vm/direct --ioengine=libaio --direct=1 --rw=write --size=4M --bs=64k --iodepth=8 > /tmp/fio || { cat /tmp/fio; failed "no libaio on /vm"; }
diff <(printf 'a b\n') /dev/fd/3 3< <(echo a b)

stage "a guest on the kernel's backend"
truncate -s 256M /vm/disk
loop=$(losetup --direct-io=on -f --show /vm/disk)
cat > /tmp/guest.sh <<'GUEST'
echo "guest: Linux $(uname -r), $(($(cat /sys/block/xvda/size) / 2048)) MiB"
mkfs.ext4 -q /dev/xvda && mount /dev/xvda /mnt || exit 1
fio --name=verify --directory=/mnt --ioengine=libaio --iodepth=8 --direct=1 --rw=randwrite --bsrange=4k-128k --size=16M --fsync=64 \
  --verify=crc32c --verify_fatal=1 --eta=never --output=/tmp/fio || { cat /tmp/fio; exit 2; }
umount /mnt && e2fsck -fn /dev/xvda > /tmp/fsck 2>&1 || { cat /tmp/fsck; exit 3; }
echo "guest: verified and clean"
exit 42
GUEST
status=0
lab-domu first /tmp/guest.sh "phy:$loop,xvda,w" > /tmp/first || status=$?
cat /tmp/first
[ $status = 42 ] && grep -q 'guest: verified and clean' /tmp/first || failed "the guest ended with $status"
e2fsck -fn /vm/disk > /dev/null 2>&1 || failed "dom0 does not find the file system clean"

stage "two guests at once, one with two disks, that wait for dom0"
truncate -s 64M /vm/other
other=$(losetup --direct-io=on -f --show /vm/other)
cat > /tmp/guest.sh <<'GUEST'
tell disks "$(cat /proc/partitions | grep -c xvd)"
echo "guest: heard $(await go)"
GUEST
lab-domu --background one /tmp/guest.sh "phy:$loop,xvda,w" "phy:$other,xvdb,r"
lab-domu --background --memory 128 two /tmp/guest.sh
[ "$(lab-domu await one disks)" = 2 ] || failed "the first guest does not have two disks"
[ "$(lab-domu await two disks)" = 0 ] || failed "the second guest has disks"
xl list
for guest in one two; do lab-domu tell $guest go "to $guest"; done
for guest in one two; do lab-domu wait $guest | grep "guest: heard to $guest"; done

stage "the daemon in dom0"
blktapd 2> "$LAB_LOGS/blktapd" & daemon=$!
for ((i = 0; i < 600; i++)); do
  grep -q ' ready in ' "$LAB_LOGS/blktapd" && break
  kill -0 $daemon || { cat "$LAB_LOGS/blktapd"; failed "the daemon ended"; }
  sleep 0.2
done
blktap status || failed "the daemon does not answer"
kill $daemon
wait $daemon || [ $? = 143 ] || failed "the daemon ended badly"
stage
echo "check-lab: all is well, $(cut -d ' ' -f 1 /proc/uptime) s after dom0's kernel began"
