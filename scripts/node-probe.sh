#!/usr/bin/env bash
# Runs on a host node, in a privileged pod of the node image (check-nodes.sh starts it), and tries
# what a vnode will do there.
#
#   node-probe.sh [SCRATCH [FINDINGS]]   a folder of a volume (overlay on overlay fails), a file
#
# A finding a line:
#
#   overlay ok              or why not
#   limit KEY VALUE         of the machine, shared by all nodes in nodes
set -uo pipefail

SCRATCH=${1:-/probe}
FINDINGS=${2:-/dev/stdout}

try_overlay() {
  local options="lowerdir=$SCRATCH/lower,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work"
  mkdir -p "$SCRATCH"/{lower,upper,work,merged} || return 1
  echo lower >"$SCRATCH/lower/file"
  mount -t overlay overlay -o "$options" "$SCRATCH/merged" || return 1
  echo upper >"$SCRATCH/merged/file" && [[ $(<"$SCRATCH/upper/file") == upper ]]
  local rc=$?
  umount "$SCRATCH/merged"
  return $rc
}

main() {
  local words key file
  if words=$(try_overlay 2>&1); then
    printf 'overlay ok\n'
  elif ! grep -qw overlay /proc/filesystems; then
    printf 'overlay the kernel has no overlay file system (/proc/filesystems)\n'
  else
    printf 'overlay %s\n' "$(tr -s '\n' ' ' <<<"$words")"
  fi
  for key in fs.inotify.max_user_instances fs.inotify.max_user_watches kernel.keys.maxkeys \
    kernel.keys.maxbytes kernel.pid_max; do
    file=/proc/sys/${key//.//}
    if [[ -r $file ]]; then printf 'limit %s %s\n' "$key" "$(<"$file")"; fi
  done
}

main >"$FINDINGS"
