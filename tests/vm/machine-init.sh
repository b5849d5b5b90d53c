#!/bin/bash
# PID 1 of the machine: what an ordinary distribution has done when a user logs in, then the job on
# the second disk, then off. The console is the first serial port, the job's results the second.
#
# Kernel options: vk8s.job=PROGRAM (in /srv/vk8s, default tests/vm/main-job.sh), or "shell".
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8

mount_file_systems() {
  mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
  mount -t tmpfs -o nosuid,nodev tmpfs /tmp
  mkdir -p /dev/pts /dev/shm /dev/mqueue
  mount -t devpts -o nosuid,noexec,gid=5,mode=620 devpts /dev/pts
  mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
  mount -t mqueue -o nosuid,noexec,nodev mqueue /dev/mqueue
  ln -s /proc/self/fd /dev/fd
  mount -t cgroup2 -o nosuid,nodev,noexec,relatime cgroup2 /sys/fs/cgroup
}

# As systemd does it: no process in the root group, whose controllers its services have.
prepare_cgroups() {
  local controller pid
  mkdir /sys/fs/cgroup/init.scope
  while read -r pid; do
    echo "$pid" >/sys/fs/cgroup/init.scope/cgroup.procs
  done </sys/fs/cgroup/cgroup.procs 2>/dev/null
  for controller in cpu io memory pids; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
}

main() {
  local job
  mount_file_systems
  mount --make-rshared /
  prepare_cgroups
  hostname machine
  busybox ifconfig lo up
  ulimit -n 524288
  mkdir -p /srv/vk8s
  tar -x -f /dev/vdb -C /srv/vk8s
  job=$(sed -n 's/.*vk8s\.job=\([^ ]*\).*/\1/p' /proc/cmdline)
  cd /root || return
  if [[ $job == shell ]]; then
    setsid bash -i </dev/ttyS0 >/dev/ttyS0 2>&1
  else
    setsid "/srv/vk8s/${job:-tests/vm/main-job.sh}" </dev/null >/dev/ttyS0 2>&1
  fi
  sync
}

main
# Power off, without a service manager to ask.
echo o >/proc/sysrq-trigger
sleep 60
