#!/bin/sh
# Takes out of the unpacked system $1 the packages listed in the file $2 and what only installing
# needs. The package database stays, so that scanners know what is in the image.
set -eu
root=$1
sed 's/#.*//' "$2" | xargs -n 1 | while IFS= read -r package; do
  if [ -e "$root/var/lib/dpkg/info/$package.list" ] ||
    ls "$root/var/lib/dpkg/info/$package":*.list >/dev/null 2>&1; then
    dpkg --root="$root" --purge --force-depends --force-remove-essential \
      --force-remove-protected "$package"
  fi
done
rm -rf "$root/var/cache/apt" "$root/var/cache/debconf" "$root/var/lib/apt" "$root"/var/log/* \
  "$root/usr/share/perl5" "$root/usr/share/debconf" "$root/usr/share/common-licenses/GFDL"* \
  "$root"/var/lib/dpkg/*-old
find "$root/var/lib/dpkg/info" -name '*.md5sums' -delete
# mmdebstrap takes these from the machine it runs on; a container gets its own.
: >"$root/etc/hostname"
: >"$root/etc/resolv.conf"
# Nobody in an image changes user by a set-user-id program.
find "$root/usr" -type f -perm /6000 -exec chmod ug-s {} +
