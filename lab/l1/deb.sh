#!/bin/bash
# deb.sh: of make test-deb, on the kernel that was installed (lab/run --installed).
# udev has loaded what the bus has, modprobe loads the rest; then a guest on mp, by
# the mpctl that was installed.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh

installed=/src/build/deb/host
release=$(uname -r)

check() {
	tried "deb/$1" "${@:2}"
}

# Of a module, which what is built in is not.
is_loaded() {
	[ "$(cat "/sys/module/$1/initstate")" = live ]
}

# udev_loaded: the drivers of both NICs, before anything was loaded by hand.
udev_loaded() {
	is_loaded igb && is_loaded "$LAB_NIC" &&
		[ "$(basename "$(readlink -f /sys/class/net/eth0/device/driver)")" = "$LAB_NIC" ]
}

# by_modprobe MODULE NODE: loads it, with what it needs, and its node is there.
by_modprobe() {
	modprobe "$1" && is_loaded "$1" && [ -c "$2" ] && modinfo -F filename "$1"
}

packaged() {
	[ "$release" = "$(cat /src/build/deb/release)" ] && cat /proc/version
}

unloaded() {
	# vhost_net has functions of the other. QEMU may still be on its way out.
	wait_for 10 modprobe -r vhost_net vhost_mpassthru && [ ! -e /dev/net/mp ]
}

by_mpctl() {
	[ "$(command -v mpctl)" = /tmp/installed/mpctl ] && mpctl --help
}

check release packaged
check udev udev_loaded
mount --bind "$installed/usr/lib/modules" /usr/lib/modules || exit 1
kvm=kvm_intel
! grep -qw svm /proc/cpuinfo || kvm=kvm_amd
check modprobe/kvm by_modprobe $kvm /dev/kvm
check modprobe/vhost_net by_modprobe vhost_net /dev/vhost-net
check modprobe/vhost_mpassthru by_modprobe vhost_mpassthru /dev/net/mp

# That one program, and not all of the other root's.
mkdir /tmp/installed
ln -s "$installed/usr/sbin/mpctl" /tmp/installed/mpctl
PATH=/tmp/installed:$PATH
check mpctl by_mpctl
bash /src/lab/l1/guest.sh mp debian || FAILED=1
check unload unloaded
exit "$FAILED"
