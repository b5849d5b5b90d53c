#!/bin/busybox sh
# shellcheck shell=dash
# First program of the machine: loads what the disk needs, then goes on from it.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do
  /bin/busybox insmod "/modules/$module" || echo "$module cannot be loaded"
done </modules/order
tries=0
until [ -b /dev/vda ] || [ "$tries" -ge 100 ]; do
  /bin/busybox sleep 0.1
  tries=$((tries + 1))
done
/bin/busybox mount -t ext4 -o noatime,noinit_itable /dev/vda /disk || exec /bin/busybox poweroff -f
for folder in dev proc sys; do /bin/busybox mount --move "/$folder" "/disk/$folder"; done
exec /bin/busybox switch_root /disk /usr/local/sbin/machine-init
