# shellcheck shell=bash
# Start, use and stop a guest (L2) inside L1. Sourced by the scripts that do.

# A guest that is gone is an error of a write, not the end of the script.
trap '' PIPE

GUEST_IP=10.9.0.3
GUEST_DIR=/tmp/guest
# The host has run the KUnit suites; in a guest of the same kernel they cost seconds.
GUEST_PARAMETERS="console=ttyS0 loglevel=5 panic=-1 oops=panic kunit.enable=0"
GUEST_WRAP=()

# backend_setup tap|macvtap|mp [NIC]: the way the guest's frames go: a tap in a
# bridge with the NIC, or the mp device bound to it. Either way eth0, or the NIC, is
# all of the guest's wire.
backend_setup() {
	local nic=${2:-eth0}
	local n=${nic#eth}

	# For guest_evidence. The bench counts what is executed, and goes without.
	[ "$LAB_CONFIG" = bench ] ||
		echo 1 >/sys/kernel/tracing/events/kvm/kvm_exit/enable
	case $1 in
	tap)
		ip link add "br$n" type bridge
		ip link set "$nic" master "br$n" up
		ip tuntap add "tap$n" mode tap vnet_hdr
		ip link set "tap$n" master "br$n" up
		ip link set "br$n" up
		;;
	macvtap)
		ip link set "$nic" up
		ip link add link "$nic" name "mv$n" type macvtap mode passthru
		# As many frames may wait as with tap.
		ip link set "mv$n" txqueuelen 1000 up
		exec 9<>"/dev/tap$(cat "/sys/class/net/mv$n/ifindex")"
		;;
	mp)
		command -v mpctl >/dev/null || return 1
		[ -e /dev/net/mp ] || return 1
		;;
	esac
}

# backend_teardown tap|macvtap|mp [NIC]: what that has set up. The NIC is down then,
# or up as mpctl leaves it.
backend_teardown() {
	local nic=${2:-eth0}
	local n=${nic#eth}

	case $1 in
	tap)
		ip link del "tap$n"
		ip link del "br$n"
		ip link set "$nic" nomaster down
		;;
	macvtap)
		exec 9>&-
		ip link del "mv$n"
		ip link set "$nic" down
		;;
	esac
}

# guest_start tap|macvtap|mp|helper 7.3|debian[-pmd]|debian-6.1|rom [QEMU ARGUMENT]...:
# until it answers; "helper" is mp, whose descriptor QEMU has mpctl make; "rom" is
# what its NIC finds, by the option ROM that QEMU has for it. With GUEST_STATE, a file
# of guest_save, it goes on from there; with GUEST_QUEUES it has so many CPUs and
# queues, of mp. GUEST_NET is more of the device, GUEST_NETDEV of what is behind,
# GUEST_APPEND of the kernel's parameters; GUEST_VHOST=off, and GUEST_WRAP is a command
# that executes QEMU. A guest that is lost is a failure, whatever lost it: there is no
# second try.
guest_start() {
	guest_launch "$@" || return
	guest_monitor cont >/dev/null
	if [ "${GUEST_STATE:-}" ]; then
		guest_woken
	else
		guest_expect "${GUEST_PATIENCE:-180}" @ready
	fi
}

# guest_woken: does it answer? The first character after a migration gets lost.
guest_woken() {
	printf ' true\n' >&7 && guest_expect 120 @exit
}

# guest_launch BACKEND KERNEL [QEMU ARGUMENT]...: as guest_start, but it does not run.
# With GUEST_INCOMING, an address, it waits for another's state there, and runs on its
# own when it has that. GUEST_NIC is the NIC in the place of eth0, GUEST_MAC the guest's
# address, and with GUEST_SHARE its descriptor is that of the process of this number, in
# the place of one bound for it.
guest_launch() {
	local backend=$1 kernel=$2 image netdev device mac=52:54:00:12:00:03
	local wrap=() boot=() queues=${GUEST_QUEUES:-1} incoming=${GUEST_INCOMING:-}
	local nic=${GUEST_NIC:-eth0} held=(-S)
	local n=${nic#eth} cpu=host

	shift 2
	image=/src/build/guest/vmlinuz-${kernel%-pmd}
	if [ "$kernel" = 7.3 ]; then
		# A debug kernel tests the host; the guest need not be slow.
		image=/src/build/kernel-${LAB_CONFIG/debug/plain}/arch/x86/boot/bzImage
	fi
	[ "$kernel" = rom ] ||
		boot=(-kernel "$image" -initrd "/src/build/guest/initramfs-$kernel"
			-append "$GUEST_PARAMETERS ${GUEST_APPEND:-}")
	case $backend in
	tap)
		netdev=tap,id=n0,ifname=tap$n,script=no,downscript=no ;;
	macvtap)
		netdev=tap,id=n0,fd=9
		mac=$(cat "/sys/class/net/mv$n/address") ;;
	mp)
		wrap=(mpctl bind "$nic" --)
		[ -z "${GUEST_SHARE:-}" ] ||
			wrap=(mpctl share "$nic" --pid "$GUEST_SHARE" --)
		netdev=tap,id=n0,fd=%fd
		mac=%mac ;;
	helper)
		netdev=tap,id=n0,helper=/src/build/bin/mpctl,br=$nic ;;
	esac
	netdev+=,vhost=${GUEST_VHOST:-on}${GUEST_NETDEV:+,$GUEST_NETDEV}
	mac=${GUEST_MAC:-$mac}
	device=virtio-net-pci,netdev=n0,mac=$mac${GUEST_NET:+,$GUEST_NET}
	[ "$kernel" = rom ] || device+=,romfile=
	if [ "$queues" -gt 1 ]; then
		[ "${GUEST_SHARE:-}" ] ||
			wrap=(mpctl bind "$nic" --queues "$queues" --)
		netdev=${netdev/fd=%fd/fds=%fds}
		device+=,mq=on,vectors=$((2 * queues + 2))
	fi
	# TCG leaves a delivered exception's type in event_inj, upon which KVM gives
	# up on the first MMIO after it ("KVM internal error. Suberror: 3"), which
	# is that of the notification.
	[ "$LAB_ACCEL" != tcg ] || device+=,modern-pio-notify=on
	# TCG may inject an interrupt once more, until the guest next exits
	# (lab/host.py, INJECTED_TWICE). When the end of each interrupt is an exit,
	# that is soon. The bench, which counts exits, has guests as they are.
	[ "$LAB_ACCEL" != tcg ] || [ "$LAB_CONFIG" = bench ] || cpu+=,kvm-pv-eoi=off

	mkdir -p "$GUEST_DIR"
	rm -f "$GUEST_DIR"/*
	[ -z "${GUEST_STATE:-}" ] || incoming="exec:cat $GUEST_STATE"
	# Held until its CPU has its place, or for another's state. What ends it stops
	# it: then it can be looked at (guest_evidence).
	[ -z "${GUEST_INCOMING:-}" ] || held=()
	"${wrap[@]}" "${GUEST_WRAP[@]}" qemu-system-x86_64 -nodefaults -no-user-config \
		"${held[@]}" ${incoming:+-incoming "$incoming"} \
		-action reboot=shutdown,shutdown=pause \
		-display none -M q35 -accel kvm -cpu "$cpu" -smp "$queues" -m 256M \
		"${boot[@]}" \
		-chardev file,id=serial,path=$GUEST_DIR/console \
		-serial chardev:serial \
		-chardev socket,id=command,path=$GUEST_DIR/command,server=on,wait=off \
		-serial chardev:command \
		-qmp unix:$GUEST_DIR/monitor,server=on,wait=off \
		"$@" -netdev "$netdev" -device "$device" 3>&- \
		>$GUEST_DIR/qemu 2>&1 &
	QEMU_PID=$!
	if ! wait_for 20 guest_listens || ! guest_connect || ! guest_place; then
		guest_evidence "QEMU does not start"
		return 1
	fi
}

# guest_place: not on the first CPU. There TCG runs a guest into the ground: FXRSTOR
# on any CPU writes, without a lock, the flags of the first one that say whether it is
# in a guest and translates by its page tables. Guests were reset by that, and the
# host. Not a matter of a real KVM.
guest_place() {
	local thread

	[ "$LAB_ACCEL" = tcg ] || return 0
	for thread in $(guest_monitor "info cpus" |
			sed -n 's/.*thread_id=\([0-9]*\).*/\1/p'); do
		taskset -pc "1-$(($(nproc --all) - 1))" "$thread" >/dev/null || return 1
	done
	[ "${thread:-}" ]
}

GUEST_DOWN="the guest was reset or shut down"

# guest_state: what is wrong with QEMU or its guest; nothing if it runs.
guest_state() {
	local status

	if ! kill -0 "$QEMU_PID" 2>/dev/null; then
		echo "QEMU is gone"
		return
	fi
	if guest_stuck; then
		echo "QEMU is stuck in the host's kernel"
		return
	fi
	status=$(guest_monitor "info status" | sed -n 's/^VM status: //p')
	case $status in
	running|"paused (inmigrate)") ;;
	*shutdown*) echo "$GUEST_DOWN" ;;
	*internal-error*) echo "KVM gave up" ;;
	*) echo "QEMU says: ${status:-nothing}" ;;
	esac
}

# guest_stuck: does a thread of QEMU stay in mp, vhost or the driver, or a vhost worker
# run on and on (of which there is no stack), and comes to nothing? An idle one is in
# vhost_task_fn(), a busy one passes frames.
guest_stuck() {
	local look was

	was=$(guest_progress)
	for look in 1 2 3; do
		[ "$look" = 1 ] || sleep 1
		guest_stacks | grep -v vhost_task_fn |
			grep -qE '\<(mp|mpassthru|vhost|igb|ixgbe)_|^guest: vhost-[0-9]* \(R' ||
			return 1
	done
	[ "$(guest_progress)" = "$was" ]
}

# guest_progress: what it has received and sent, by any way. What is dropped is none.
guest_progress() {
	local queue

	for ((queue = 0; queue < ${GUEST_QUEUES:-1}; queue++)); do
		mp_counters "$queue" |
			grep -E '^mp-(tx-)?(posted|zerocopy|bounced|copied|copied-whole):'
	done
	awk '$1 ~ /^(tap|mv)/ { print $1, $3, $11 }' /proc/net/dev
}

# guest_evidence TEXT: all there is to know of a guest that is lost.
guest_evidence() {
	echo "guest: lost: $1"
	guest_stacks
	if kill -0 "$QEMU_PID" 2>/dev/null; then
		guest_monitor "info status"
		guest_monitor "info registers -a"
		# Does it stand?
		sleep 1
		guest_monitor "info registers -a"
	fi
	echo "guest: KVM's last exits:"
	tail -n 40 /sys/kernel/tracing/trace
	echo "guest: QEMU and the guest's console say:"
	head -n 12 $GUEST_DIR/qemu
	tail -n 40 $GUEST_DIR/console
} >&2

# guest_save FILE: migrates it to a file, after which it does not run.
guest_save() {
	# In one pass: that it stands still for long does not matter.
	guest_monitor "migrate_set_parameter downtime-limit 60000" >/dev/null
	guest_monitor "migrate -d \"exec:cat >$1\"" >/dev/null
	wait_for 90 guest_saved && return
	guest_monitor "info migrate" >&2
	guest_evidence "it was not saved: $(guest_state)"
	return 1
}

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
	python3 -SE /src/lab/l1/qmp.py $GUEST_DIR/monitor "$1"
}

# guest_qmp COMMAND [ARGUMENTS]: of QMP; arguments and reply are JSON.
guest_qmp() {
	python3 -SE /src/lab/l1/qmp.py $GUEST_DIR/monitor "$1" "${2:-{\}}"
}

# QEMU has the command port up, or is gone already.
guest_listens() {
	[ -S $GUEST_DIR/command ] || ! kill -0 "$QEMU_PID"
}

# The command port, as two ends of one socat.
guest_connect() {
	coproc GUEST {
		# It is bound before it is listened on.
		exec socat - UNIX-CONNECT:$GUEST_DIR/command,retry=50,interval=0.1 \
			3>&- 2>/dev/null
	} 2>/dev/null
	exec 6<&"${GUEST[0]}" 7>&"${GUEST[1]}"
}

# guest_expect SECONDS MARK: print what comes before a line that starts with
# MARK; that line is GUEST_REPLY.
guest_expect() {
	local seconds=$1 part='' lost='' end

	# As wait_for.
	[ "$LAB_CONFIG" != debug ] || seconds=$((3 * seconds))
	end=$((SECONDS + seconds))
	while [ "$SECONDS" -lt "$end" ]; do
		if IFS= read -r -t 5 GUEST_REPLY <&6; then
			GUEST_REPLY=$part${GUEST_REPLY%$'\r'}
			part=
			[ "${GUEST_REPLY#"$2"}" = "$GUEST_REPLY" ] || return 0
			printf '%s\n' "$GUEST_REPLY"
		else
			# Above 128: nothing yet. Else the port is closed.
			[ $? -gt 128 ] || { sleep 0.5; end=0; }
			part+=$GUEST_REPLY
			lost=$(guest_state)
			[ -z "$lost" ] || break
		fi
	done
	guest_evidence "no $2 in $seconds s: ${lost:-the guest is silent}"
	return 1
}

# guest_run COMMAND: in the guest; its output and its status. What is run has a
# time limit of its own. It is one line: each line of several would be answered, and
# the next that is run would get the answer of another.
guest_run() {
	if [[ $* = *$'\n'* ]]; then
		echo "guest_run: more than one line: $*" >&2
		return 99
	fi
	if ! printf '%s\n' "$*" >&7 ||
	   ! guest_expect 180 @exit; then
		return 99
	fi
	return "${GUEST_REPLY#@exit }"
}

# guest_fails NAME [REMARK]: a result; fails if there is no use in going on, as the
# guest does not answer any more.
guest_fails() {
	result "$1" fail "${2:-}"
	guest_run true >/dev/null
}

# guest_check NAME COMMAND...: as tried. Ends the script when the guest does not answer
# any more.
guest_check() {
	tried "$@" || guest_run true >/dev/null || exit 1
}

guest_stop() {
	local state

	printf 'poweroff -f\n' >&7
	wait_for 30 guest_is_down
	state=$(guest_state)
	[ "$state" = "$GUEST_DOWN" ] ||
		result guest/stop fail "${state:-the guest does not power off}"
	guest_kill
}

# A guest that is down has QEMU stop, not end.
guest_is_down() {
	[ "$(guest_state)" ]
}

# What a guest that runs on may have to complain of.
guest_complains() {
	local said

	said=$(grep -E "$GUEST_BAD" $GUEST_DIR/console) || return 0
	result guest/console fail "${said%%$'\n'*}"
}
GUEST_BAD='WARNING:|BUG:|Oops|protection fault|hw csum failure|NETDEV WATCHDOG'
GUEST_BAD+='|stall|blocked for more than|virtio_net.*(bad|invalid|fail)'

guest_kill() {
	guest_complains
	kill -KILL "$QEMU_PID" 2>/dev/null
	wait "$QEMU_PID" 2>/dev/null
	guest_disconnect
}

# From the command port. It has an end for us only, what others inherited of it does
# not matter.
guest_disconnect() {
	exec 6<&- 7>&-
	[ -z "${GUEST_PID:-}" ] || kill "$GUEST_PID"
	wait "${GUEST_PID:-}"
} 2>/dev/null

# mp_counters [QUEUE]: the lines of fdinfo of QEMU's mp descriptor, "mp-NAME: VALUE".
mp_counters() {
	local fd info

	for fd in /proc/"$QEMU_PID"/fd/*; do
		[ "$fd" -ef /dev/net/mp ] || continue
		info=/proc/$QEMU_PID/fdinfo/${fd##*/}
		grep -qP "^mp-queue:\t${1:-0}$" "$info" || continue
		grep '^mp-' "$info"
		return
	done
}

# mp_counter NAME [QUEUE]: one of them; empty if there is none.
mp_counter() {
	mp_counters "${2:-0}" | sed -n "s/^mp-$1:[[:space:]]*//p"
}
