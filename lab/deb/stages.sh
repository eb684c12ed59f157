# shellcheck shell=bash
# The stages of make test-deb, sourced by lab/test. Other than those of make test
# they take a root of Debian that is made for them, and packages that take long.
export TEST_TARGET=test-deb
. "$REPO/lab/deb/common.sh"

"$REPO/lab/deb/build"
"$REPO/lab/tools"
"$REPO/lab/guest-images"
built=plain			# nothing of it is booted here
# Does KVM work? The answer is had by the lab's own kernel.
[ ! -e /dev/kvm ] || "$REPO/lab/kernel" plain

# deb_boot NAME OPTION...: of what is installed, which what ONLY selects may need first.
deb_boot() {
	local name=$1

	shift
	selected "$name" || return 0
	if ! is_installed; then
		say "     $name: installing the packages first ..."
		if ! "$REPO/lab/deb/host" install >"$BUILD/log/deb-host.log" 2>&1; then
			inroot python3 /src/lab/collect.py --record "$name" deb \
				fail 0 build/log/deb-host.log
			return
		fi
	fi
	# Where the modules are to be seen by the root of L1, which is the lab's.
	mkdir -p "$ROOTFS/usr/lib/modules"
	boot "$name" --installed --timeout 900 "$@" -- deb
}

check deb/install host "$REPO/lab/deb/host" install
check deb/manual host "$REPO/lab/deb/host" manual
check deb/headers host "$REPO/lab/deb/host" headers
deb_boot deb-igb
deb_boot deb-ixgbe --nic ixgbe
check deb/again host "$REPO/lab/deb/host" again
check deb/remove host "$REPO/lab/deb/host" remove

inroot python3 /src/lab/collect.py --summary
