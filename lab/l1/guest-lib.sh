# shellcheck shell=bash
# Start, use and stop a guest (L2) inside L1. Sourced by the scripts that do.

GUEST_IP=10.9.0.3
GUEST_DIR=/tmp/guest

# The way the guest's frames go: a tap in a bridge with the NIC, or the mp
# device bound to it. Either way eth0 is all of the guest's wire.
backend_setup() {
	case $1 in
	tap)
		ip link add br0 type bridge
		ip link set eth0 master br0 up
		ip tuntap add tap0 mode tap vnet_hdr
		ip link set tap0 master br0 up
		ip link set br0 up
		;;
	mp)
		command -v mpctl >/dev/null || return 1
		[ -e /dev/net/mp ] || return 1
		;;
	esac
}

backend_teardown() {
	case $1 in
	tap)
		ip link del tap0
		ip link del br0
		ip link set eth0 nomaster down
		;;
	esac
}

# guest_start tap|mp 7.3|debian [QEMU ARGUMENT ...]: until it answers.
guest_start() {
	local backend=$1 kernel=$2 image netdev device mac=52:54:00:12:00:03
	local wrap=()

	shift 2
	case $kernel in
	debian) image=/src/build/guest/vmlinuz-debian ;;
	*) image=/src/build/kernel-$LAB_CONFIG/arch/x86/boot/bzImage
	   # A debug kernel tests the host; the guest need not be slow as well.
	   [ -e /src/build/kernel-plain/arch/x86/boot/bzImage ] &&
		image=/src/build/kernel-plain/arch/x86/boot/bzImage ;;
	esac
	case $backend in
	tap)
		netdev=tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=on ;;
	mp)
		wrap=(mpctl bind eth0 --)
		netdev=tap,id=n0,fd=%fd,vhost=on
		mac=%mac ;;
	esac
	device=virtio-net-pci,netdev=n0,mac=$mac,romfile=${GUEST_NET:+,$GUEST_NET}

	mkdir -p $GUEST_DIR
	rm -f $GUEST_DIR/*
	"${wrap[@]}" qemu-system-x86_64 -nodefaults -no-user-config -no-reboot \
		-display none -M q35 -accel kvm -cpu host -m 256M \
		-kernel "$image" -initrd "/src/build/guest/initramfs-$kernel" \
		-append "console=ttyS0 quiet panic=-1" \
		-chardev file,id=serial,path=$GUEST_DIR/console \
		-serial chardev:serial \
		-chardev socket,id=command,path=$GUEST_DIR/command,server=on,wait=off \
		-device virtio-serial-pci \
		-device virtserialport,chardev=command,name=command \
		-netdev "$netdev" -device "$device" "$@" 3>&- \
		>$GUEST_DIR/qemu 2>&1 &
	GUEST_PID=$!
	wait_for 20 test -S $GUEST_DIR/command || { guest_log; return 1; }
	guest_connect
	guest_expect 120 @ready || { guest_log; return 1; }
}

# The command port, as two ends of one socat.
guest_connect() {
	coproc GUEST { exec socat - UNIX-CONNECT:$GUEST_DIR/command 3>&- 2>&1; }
	exec 6<&"${GUEST[0]}" 7>&"${GUEST[1]}"
}

# guest_expect SECONDS MARK: print what comes before a line that starts with
# MARK; that line is GUEST_REPLY.
guest_expect() {
	while IFS= read -r -t "$1" GUEST_REPLY <&6; do
		[ "${GUEST_REPLY#"$2"}" = "$GUEST_REPLY" ] || return 0
		printf '%s\n' "$GUEST_REPLY"
	done
	echo "guest: no $2 after $1 s" >&2
	return 1
}

# guest_run COMMAND: in the guest; its output and its status.
guest_run() {
	printf '%s\n' "$*" >&7
	guest_expect "${GUEST_TIMEOUT:-60}" @exit || return 99
	return "${GUEST_REPLY#@exit }"
}

guest_stop() {
	printf 'poweroff -f\n' >&7
	wait_for 10 eval "! kill -0 $GUEST_PID" || kill -KILL "$GUEST_PID"
	wait "$GUEST_PID" 2>/dev/null
	exec 6<&- 7>&-
}

guest_kill() {
	kill -KILL "$GUEST_PID"
	wait "$GUEST_PID" 2>/dev/null
	exec 6<&- 7>&-
}

guest_log() {
	echo "guest did not come up; QEMU and its console say:"
	cat $GUEST_DIR/qemu $GUEST_DIR/console 2>/dev/null | tail -40
}

# mp_counter NAME: of the process that has /dev/net/mp open; empty if none.
mp_counter() {
	local fd

	for fd in /proc/"$GUEST_PID"/fd/*; do
		if [ "$(readlink "$fd")" = /dev/net/mp ]; then
			sed -n "s/^mp-$1:[[:space:]]*//p" \
				"/proc/$GUEST_PID/fdinfo/${fd##*/}"
			return
		fi
	done
}
