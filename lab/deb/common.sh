# shellcheck shell=bash
# What the scripts of make deb and make test-deb share. Source it first.
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

OUT=$BUILD/deb			# the packages
WORK=$OUT/work			# what they are made from
HOST=$OUT/host			# a root that they are installed in

# The lab's root with Debian's packaging tools, made by lab/deb/root.
DEB_ROOT=$CACHE/rootfs-deb-$(cat "$REPO/lab/rootfs" "$REPO/lab/deb/root" |
	sha256sum | cut -c1-12)

in_deb_root() {
	LAB_ROOT=$DEB_ROOT "$REPO/lab/inroot" "$@"
}

on_host() {
	LAB_ROOT=$HOST "$REPO/lab/inroot" "$@"
}

# What the root with the packages came out of: changes with any of it.
installed_stamp() {
	cat "$OUT"/*.deb "$REPO/lab/deb/host" "$REPO/lab/deb/initramfs-l1" | sha256sum
	echo "$DEB_ROOT"
}

# Are they installed as they are now?
is_installed() {
	[ "$(cat "$HOST.installed" 2>/dev/null)" = "$(installed_stamp)" ]
}

# The release of the kernel that was packaged, as uname -r says it.
release() {
	cat "$OUT/release" 2>/dev/null || die "no packages yet: run make deb"
}
