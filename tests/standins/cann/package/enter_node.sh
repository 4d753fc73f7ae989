#!/bin/sh
# Runs a command on a software node: enter_node.sh NODE COMMAND..., where NODE holds `Ascend` (with the driver's
# tree) and `devices`, a file with the number of devices and the chip's PCI device id. No root is needed: in a user
# and mount namespace of its own the command sees NODE/Ascend as /usr/local/Ascend, npu-smi in /usr/local/sbin, the
# devices in /dev (as plain files: no driver is behind them) and on the PCI bus. Nothing outside changes.
set -eu
if [ "${1:-}" != --inside ]; then
  exec unshare --user --map-root-user --mount sh "$0" --inside "$@"
fi
shift
node=$1
shift
read -r devices identity < "$node/devices"
mount --make-rprivate /
mkdir -p "$node/local/Ascend" "$node/local/sbin" "$node/dev"
cp "$node/Ascend/driver/tools/npu-smi" "$node/local/sbin/npu-smi"
mount -t overlay -o "lowerdir=$node/local:/usr/local" overlay /usr/local
mount --bind "$node/Ascend" /usr/local/Ascend

mount -t tmpfs -o mode=755 tmpfs "$node/dev"
for name in null zero full random urandom tty; do
  touch "$node/dev/$name"
  mount --bind "/dev/$name" "$node/dev/$name"
done
mkdir "$node/dev/shm"
mount --rbind /dev/shm "$node/dev/shm"
ln -s /proc/self/fd "$node/dev/fd"
for number in 0 1 2; do ln -s "/proc/self/fd/$number" "$node/dev/$number"; done
ln -s 0 "$node/dev/stdin" && ln -s 1 "$node/dev/stdout" && ln -s 2 "$node/dev/stderr"
number=0
while [ "$number" -lt "$devices" ]; do
  echo "software NPU" > "$node/dev/davinci$number"
  number=$((number + 1))
done
echo "software NPU" > "$node/dev/davinci_manager"
echo "software NPU" > "$node/dev/hisi_hdc"
mount --rbind "$node/dev" /dev

if [ -d /sys/bus/pci/devices ]; then
  mount -t tmpfs tmpfs /sys/bus/pci/devices
  number=0
  while [ "$number" -lt "$devices" ]; do
    place=$(printf '/sys/bus/pci/devices/0000:%02x:00.0' $((128 + number)))
    mkdir "$place"
    echo 0x19e5 > "$place/vendor"
    echo "$identity" > "$place/device"
    echo 0x120000 > "$place/class"  # a processing accelerator; Gloo reads it of every device
    number=$((number + 1))
  done
fi
exec "$@"
