# shellcheck shell=bash
# Start, use and stop a guest (L2) inside L1. Sourced by the scripts that do.

# A guest that is gone is an error of a write, not the end of the script.
trap '' PIPE

GUEST_IP=10.9.0.3
GUEST_DIR=/tmp/guest

# The way the guest's frames go: a tap in a bridge with the NIC, or the mp
# device bound to it. Either way eth0 is all of the guest's wire.
backend_setup() {
	emit '{"guest": "new"}'
	case $1 in
	tap)
		ip link add br0 type bridge
		ip link set eth0 master br0 up
		ip tuntap add tap0 mode tap vnet_hdr
		ip link set tap0 master br0 up
		ip link set br0 up
		;;
	macvtap)
		ip link set eth0 up
		ip link add link eth0 name mv0 type macvtap mode passthru
		# As many frames may wait as with tap.
		ip link set mv0 txqueuelen 1000 up
		exec 9<>"/dev/tap$(cat /sys/class/net/mv0/ifindex)"
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
	macvtap)
		exec 9>&-
		ip link del mv0
		ip link set eth0 down
		;;
	esac
}

# Why guest_expect gave up.
GUEST_BROKEN="the emulated SVM failed"
GUEST_SILENT="the guest is silent"
GUEST_STUCK="QEMU is stuck in the host's kernel"
GUEST_GONE="QEMU is gone"
GUEST_RESET="the guest was reset without a word"

# guest_start tap|macvtap|mp 7.3|debian [QEMU ARGUMENT ...]: until it answers. With
# GUEST_STATE, a file of guest_save, it goes on from there.
guest_start() {
	local try

	for try in 1 2 3 4 5 6; do
		guest_launch "$@" && return
		guest_excused || return 1
		[ "$try" -lt 6 ] || break
		guest_kill
		started_over "$GUEST_LOST"
	done
	guest_lost "$GUEST_LOST"
	return 1
}

# guest_excused: is that the guest was lost no finding about the host?
#
# TCG's SVM now and then leaves a delivered interrupt marked as pending, and KVM
# gives up on the next MMIO ("KVM internal error. Suberror: 3"), tap or mp alike. Or
# a timer interrupt gets lost, and the guest sleeps on. Or the guest, as the host
# itself (lab/host.py), is reset while it runs, and neither its kernel nor QEMU has
# said anything; why is not known (README.md, Not proven). Other errors of KVM, a
# QEMU that is gone or stays in mp, vhost or igb, and a guest that panics are
# findings, and so is all of this under a real KVM.
guest_excused() {
	[ "$LAB_ACCEL" = tcg ] || return 1
	case $GUEST_LOST in
	"$GUEST_BROKEN" | "$GUEST_SILENT" | "$GUEST_RESET") true ;;
	*) false ;;
	esac
}

# guest_gone: why has QEMU ended? Sets GUEST_LOST.
guest_gone() {
	GUEST_LOST=$GUEST_GONE
	if [ "$GUEST_READY" ] &&
	   ! grep -qE 'Oops|BUG:|panic - |protection fault' $GUEST_DIR/console &&
	   ! grep -qv TUNSETSTEERINGEBPF $GUEST_DIR/qemu &&
	   ! dmesg | grep -qE '(segfault|traps:).*qemu|qemu.*(segfault|trap )'; then
		GUEST_LOST=$GUEST_RESET
	fi
}

# guest_broken: has KVM given up? Sets GUEST_LOST.
guest_broken() {
	if grep -q 'KVM internal error. Suberror: 3' $GUEST_DIR/qemu; then
		GUEST_LOST=$GUEST_BROKEN
	elif grep -qE 'KVM internal error|KVM: |hardware error' $GUEST_DIR/qemu; then
		GUEST_LOST="KVM gave up"
	else
		return 1
	fi
}

# guest_stuck: does a thread of QEMU stay in mp, vhost or igb, or a vhost worker
# run on and on (of which there is no stack)? An idle one is in vhost_task_fn().
guest_stuck() {
	local look

	for look in 1 2 3; do
		[ "$look" = 1 ] || sleep 1
		guest_stacks | grep -v vhost_task_fn |
			grep -qE '\<(mp|mpassthru|vhost|igb)_|^guest: vhost-[0-9]* \(R' ||
			return 1
	done
}

guest_launch() {
	local backend=$1 kernel=$2 image netdev device mac=52:54:00:12:00:03
	local wrap=()
	# Nested under TCG a timer interrupt gets lost now and then, tap or mp
	# alike, and an idle guest sleeps on. A periodic tick wakes it, or else
	# guest_nudge.
	local tick="nohz=off highres=off"
	local console=socket,id=serial,path=$GUEST_DIR/nudge,server=on,wait=off

	shift 2
	GUEST_LOST=$GUEST_GONE
	GUEST_READY=
	console+=,logfile=$GUEST_DIR/console
	image=/src/build/guest/vmlinuz-debian
	if [ "$kernel" != debian ]; then
		# A debug kernel tests the host; the guest need not be slow.
		image=/src/build/kernel-${LAB_CONFIG/debug/plain}/arch/x86/boot/bzImage
	fi
	case $backend in
	tap)
		netdev=tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=on ;;
	macvtap)
		netdev=tap,id=n0,fd=9,vhost=on
		mac=$(cat /sys/class/net/mv0/address) ;;
	mp)
		wrap=(mpctl bind eth0 --)
		netdev=tap,id=n0,fd=%fd,vhost=on
		mac=%mac ;;
	esac
	device=virtio-net-pci,netdev=n0,mac=$mac,romfile=${GUEST_NET:+,$GUEST_NET}

	mkdir -p $GUEST_DIR
	rm -f $GUEST_DIR/*
	emit '{"guest": "new"}'
	"${wrap[@]}" qemu-system-x86_64 -nodefaults -no-user-config -no-reboot \
		-display none -M q35 -accel kvm -cpu host -m 256M \
		-kernel "$image" -initrd "/src/build/guest/initramfs-$kernel" \
		-append "console=ttyS0 quiet panic=-1 oops=panic $tick" \
		-chardev "$console" \
		-serial chardev:serial \
		-chardev socket,id=command,path=$GUEST_DIR/command,server=on,wait=off \
		-serial chardev:command \
		-monitor unix:$GUEST_DIR/monitor,server=on,wait=off \
		${GUEST_STATE:+-incoming "exec:cat $GUEST_STATE"} \
		-netdev "$netdev" -device "$device" "$@" 3>&- \
		>$GUEST_DIR/qemu 2>&1 &
	QEMU_PID=$!
	wait_for 20 guest_listens || return 1
	guest_connect
	if [ "${GUEST_STATE:-}" ]; then
		# The first character after a migration gets lost.
		printf ' true\n' >&7 && guest_expect 60 @exit
	else
		guest_expect 90 @ready
	fi && GUEST_READY=1
}

# guest_save FILE: migrates it to a file, after which it does not run. A failure
# says what QEMU is at, and GUEST_LOST why.
guest_save() {
	# In one pass: that it stands still for long does not matter.
	guest_monitor "migrate_set_parameter downtime-limit 60000" >/dev/null
	guest_monitor "migrate -d \"exec:cat >$1\"" >/dev/null
	wait_for 90 guest_saved && return
	if ! kill -0 "$QEMU_PID"; then
		GUEST_LOST=$GUEST_GONE
	elif guest_stuck; then
		GUEST_LOST=$GUEST_STUCK
	elif guest_monitor "info migrate" | grep -q 'Status:'; then
		GUEST_LOST="migration failed"
	elif ! guest_broken; then
		GUEST_LOST=$GUEST_SILENT
	fi
	guest_stacks
	guest_monitor "info status" | tail -n 2
	guest_monitor "info migrate" | tail -n 12
	guest_log
	return 1
} >&2

# guest_stacks: what QEMU's threads are at in the host's kernel.
guest_stacks() {
	local thread

	for thread in /proc/"$QEMU_PID"/task/*; do
		[ -e "$thread/stack" ] || continue
		echo "guest: $(cat "$thread/comm")" \
			"($(sed -n 's/^State:[[:space:]]*//p' "$thread/status")"
		cat "$thread/stack"
	done
}

guest_saved() {
	guest_monitor "info migrate" | grep -q 'Status:.*completed'
}

guest_monitor() {
	printf '%s\n' "$1" | socat -t 2 - UNIX-CONNECT:$GUEST_DIR/monitor
}

# QEMU has the command port up, or is gone already.
guest_listens() {
	[ -S $GUEST_DIR/command ] || ! kill -0 "$QEMU_PID"
}

# The command port, as two ends of one socat.
guest_connect() {
	coproc GUEST {
		exec socat - UNIX-CONNECT:$GUEST_DIR/command 3>&- 2>/dev/null
	} 2>/dev/null
	exec 6<&"${GUEST[0]}" 7>&"${GUEST[1]}"
}

# guest_expect SECONDS MARK: print what comes before a line that starts with
# MARK; that line is GUEST_REPLY. A guest that says nothing for GUEST_PATIENCE
# seconds is nudged. If it fails, GUEST_LOST is why.
guest_expect() {
	local end=$((SECONDS + $1)) part=

	GUEST_LOST=$GUEST_SILENT
	while [ "$SECONDS" -lt "$end" ]; do
		if IFS= read -r -t "${GUEST_PATIENCE:-2}" GUEST_REPLY <&6; then
			GUEST_REPLY=$part${GUEST_REPLY%$'\r'}
			part=
			[ "${GUEST_REPLY#"$2"}" = "$GUEST_REPLY" ] || return 0
			printf '%s\n' "$GUEST_REPLY"
		else
			# Above 128: nothing yet. Else the port is closed.
			[ $? -gt 128 ] || { guest_gone; break; }
			part+=$GUEST_REPLY
			! guest_broken || break
			guest_nudge
		fi
	done
	if [ "$GUEST_LOST" = "$GUEST_SILENT" ] && guest_stuck; then
		GUEST_LOST=$GUEST_STUCK
		guest_stacks >&2
	fi
	echo "guest: no $2 in $1 s: $GUEST_LOST" >&2
	guest_log >&2
	return 1
}

# An interrupt of the console, for a guest that lost that of its timer. It does
# nothing for one that waits for the network.
guest_nudge() {
	echo | timeout 2 socat -u - UNIX-CONNECT:$GUEST_DIR/nudge 2>/dev/null
}

# guest_run COMMAND: in the guest; its output and its status. What is run has a
# time limit of its own, so that silence says that the guest's timers are dead.
guest_run() {
	guest_gone
	if ! printf '%s\n' "$*" >&7 ||
	   ! guest_expect 60 @exit; then
		! guest_excused || guest_lost "$GUEST_LOST"
		return 99
	fi
	return "${GUEST_REPLY#@exit }"
}

# guest_alive: does it answer, and do its timers work? If not, GUEST_LOST is why.
guest_alive() {
	guest_gone
	printf 'sleep 1\n' >&7 && guest_expect 20 @exit
} >/dev/null 2>&1

# guest_fails NAME [REMARK]: a result; but what fails as the emulation lost the
# guest may be repeated, and there is no use in going on: fails then.
guest_fails() {
	local status=0

	if ! guest_alive; then
		echo "guest: $GUEST_LOST"
		guest_log
		! guest_excused || guest_lost "$GUEST_LOST"
		status=1
	fi
	result "$1" fail "${2:-}"
	return $status
}

guest_stop() {
	printf 'poweroff -f\n' >&7
	wait_for 10 eval "! kill -0 $QEMU_PID" || kill -KILL "$QEMU_PID"
	wait "$QEMU_PID" 2>/dev/null
	exec 6<&- 7>&-
	wait "${GUEST_PID:-}" 2>/dev/null
}

guest_kill() {
	kill -KILL "$QEMU_PID" 2>/dev/null
	wait "$QEMU_PID" 2>/dev/null
	exec 6<&- 7>&-
	wait "${GUEST_PID:-}" 2>/dev/null
}

guest_log() {
	echo "guest: QEMU and the guest's console say:"
	head -n 12 $GUEST_DIR/qemu
	tail -n 40 $GUEST_DIR/console
}

# mp_counters: the lines of fdinfo of QEMU's mp descriptor, "mp-NAME: VALUE".
mp_counters() {
	local fd

	for fd in /proc/"$QEMU_PID"/fd/*; do
		if [ "$fd" -ef /dev/net/mp ]; then
			grep '^mp-' "/proc/$QEMU_PID/fdinfo/${fd##*/}"
			return
		fi
	done
}

# mp_counter NAME: one of them; empty if there is none.
mp_counter() {
	mp_counters | sed -n "s/^mp-$1:[[:space:]]*//p"
}
