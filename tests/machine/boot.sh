#!/usr/bin/env bash
# A machine of its own for a page: the file system as it is under a layer that ends with it, a network of loopback alone,
# and Debian's systemd. The checkout is /opt/cxr, its environment /opt/cxr/.venv-cpu.
# boot.sh CHECKOUT FOLDER PYTHON LIBRARY, as the first process of namespaces of its own.
set -eu
checkout=$1 folder=$2 python=$3 library=$4
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder"/{upper,work,root,code-upper,code-work,python,library,checkout}
# Kept apart from the layer over /: a layer shows one file system, and these may be others.
mount --bind "$python" "$folder/python"
mount --bind "$library" "$folder/library"
mount --bind "$checkout" "$folder/checkout"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
root=$folder/root
mkdir -p "$root"/{opt/cxr,opt/python,mnt/outside}
mount -t overlay overlay -o "lowerdir=$folder/checkout,upperdir=$folder/code-upper,workdir=$folder/code-work" "$root/opt/cxr"
mount --bind "$folder/python" "$root/opt/python"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# The environment that `make` would install, with the interpreter where every user may run it.
environment=$root/opt/cxr/.venv-cpu
rm -rf "$environment"
mkdir -p "$environment"/{bin,lib}
mount --bind "$folder/library" "$environment/lib"
ln -s "/opt/python/bin/$(basename "$(readlink -f "$python/bin/python3")")" "$environment/bin/python"
printf 'home = /opt/python/bin\ninclude-system-site-packages = false\n' >"$environment/pyvenv.cfg"
# An interpreter with a library of its own would take Debian's for it, under another path than that of its installation.
if compgen -G "$python/lib/libpython3.*" >/dev/null && [[ $python != /usr ]]; then
  echo /opt/python/lib >"$root/etc/ld.so.conf.d/000-python.conf"
  chroot "$root" ldconfig
fi
touch "$environment/ready"
chmod 755 "$root" "$root/opt/cxr" "$environment"

# A Debian on which nobody is logged in as root has sudo.
if ! [[ -e $root/usr/bin/sudo ]]; then
  cat >"$root/usr/bin/sudo" <<'SUDO'
#!/bin/sh
if [ "$1" = -u ]; then user=$2; shift 2; exec setpriv --reuid "$user" --regid "$user" --init-groups -- env "$@"; fi
exec env "$@"
SUDO
  chmod 755 "$root/usr/bin/sudo"
fi
# Nothing starts but what the page starts.
rm -f "$root"/etc/systemd/system/*.wants/*
ln -sf /lib/systemd/system/basic.target "$root/etc/systemd/system/default.target"
ip link set lo up
for address in 10.20.0.4 10.20.0.7; do ip address add "$address/32" dev lo; done
printf '10.20.0.4 pacs.hospital\n10.20.0.7 cxr.hospital\n' >>"$root/etc/hosts"

cd "$root"
pivot_root . mnt/outside
umount -l /mnt/outside
# As systemd itself does where it believes to be no container: credentials reach a service by propagation.
mount --make-rshared /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=page \
  /lib/systemd/systemd --system --log-target=null --show-status=false
