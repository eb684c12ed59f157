# shellcheck shell=bash
# Paths and helpers that every script of the lab shares. Source it first.
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$REPO/build
CACHE=${MPASSTHRU_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mpassthru}
mkdir -p "$BUILD/log" "$BUILD/results" "$CACHE/download" "$CACHE/ccache"
CACHE=$(cd "$CACHE" && pwd)

# The one pinned input; lab/source verifies it.
LINUX_PACKAGE=linux-source-7.3
LINUX_VERSION=7.3.4-1~bpo13+1
LINUX_SHA256=703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3
export LINUX_PACKAGE LINUX_VERSION LINUX_SHA256

# A root file system is named after the script that made it, so an edit of the
# package list makes a new one and never leaves a half-old one in use.
ROOTFS=$CACHE/rootfs-$(sha256sum <"$REPO/lab/rootfs" | cut -c1-12)

# LINUX=path: a kernel source tree other than the packaged one.
# RAW=1: build that tree as it is, without patches and overlay.
LINUX=${LINUX:-}
RAW=${RAW:-}
if [ -n "$RAW" ] && [ -z "$LINUX" ]; then
	echo "lab: RAW=1 needs LINUX=path, the tree to build" >&2
	exit 2
fi
if [ -n "$LINUX" ]; then
	LINUX=$(cd "$LINUX" && pwd)
fi
BASE=${LINUX:-$CACHE/linux-$LINUX_VERSION}
if [ -n "$RAW" ]; then
	TREE=$LINUX
else
	TREE=$BUILD/linux
fi

say() {
	printf '%s\n' "$*"
}

die() {
	printf 'lab: %s\n' "$*" >&2
	exit 1
}

# lock NAME: serialise against other runs that share the cache. The file
# descriptor stays open, and the lock held, until the calling script ends.
lock() {
	local fd

	exec {fd}>"$CACHE/$1.lock"
	if ! flock --nonblock "$fd"; then
		say "waiting for another run ($1) ..."
		flock "$fd"
	fi
}

# key PATH...: one word for what these files of the repository, the base and the
# compiler are. What came out of the same is not made, or checked, again.
key() {
	(cd "$REPO" && find "$@" lab/rootfs lab/common.sh -type f -exec sha256sum {} + |
		sort -k 2; echo "$BASE" "$LINUX_SHA256") | sha256sum | cut -c1-16
}

# passed NAME KEY, then to be marked by has_passed NAME KEY. A tree of the user's
# may change under its name.
passed() {
	[ -z "$LINUX" ] && [ -e "$CACHE/passed/$1-$2" ] || return 1
	say "passed before, and nothing has changed (rm $CACHE/passed/$1-$2 to repeat)"
}

has_passed() {
	[ -n "$LINUX" ] || { mkdir -p "$CACHE/passed" && touch "$CACHE/passed/$1-$2"; }
}

need_root() {
	[ "$(id -u)" = 0 ] || die "run this as root: it makes mounts and chroots"
}

inroot() {
	"$REPO/lab/inroot" "$@"
}
