#!/bin/bash
# bench.sh count|copies|memory [BACKEND ...]: the same frames through each
# backend, while lab/bench/count.c counts instructions (count), or probes count
# copied bytes (copies); or what a guest holds of the host's memory (memory).
# What was sent when goes to the metric "windows", for lab/bench/report.py.
#
# Each CPU has one task, so that counts of a CPU are counts of the task: 1 the
# host's (interrupts and NAPI of the NIC, vhost), 2 the guest, 0 the peer's and
# all else, QEMU's other threads included: the others are isolated.
#
# shellcheck disable=SC2317  # what "rounds" calls
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh
. /src/lab/l1/copies.sh

SIZES=${SIZES:-64 256 512 1024 1514}
ROUNDS=${ROUNDS:-5}
FRAMES=${FRAMES:-16384}
GUEST_NET=rx_queue_size=1024
[ $((FRAMES % 4)) = 0 ] || { echo "FRAMES is for 1, 2 and 4 queues" >&2; exit 1; }
what=$1
shift
# What is copied does not vary.
[ "$what" = count ] || ROUNDS=1

[ "$what" = memory ] || taskset -pc 0 $$ >/dev/null

# mark: the plugin writes what it counted. No process is made for it.
mark() {
	echo mark >/proc/sys/kernel/domainname
}

# An interrupt for the first frame of a burst, few for the rest: left to itself, their
# number is the emulation's whim. (Above 8191 µs igb's register EITR holds other times
# than ethtool was told; with more than this, TCP does not reach its rate. ixgbe's
# holds 1022 µs, of which ethtool says nothing for transmit: they have one vector.)
moderated() {
	case $LAB_NIC in
	igb) ethtool -C eth0 rx-usecs 2000 tx-usecs 2000 ;;
	*) ethtool -C eth0 rx-usecs 1022 ;;
	esac
}

# The default of either, which adapts to the load: it is not 3, or 1, µs.
adaptive() {
	case $LAB_NIC in
	igb) ethtool -C eth0 rx-usecs 3 tx-usecs 3 ;;
	*) ethtool -C eth0 rx-usecs 1 ;;
	esac
}

pin_irqs() {
	local irq

	while IFS=: read -r irq _; do
		echo "$2" >"/proc/irq/${irq// /}/smp_affinity" 2>/dev/null
	done < <(grep -E "$1" /proc/interrupts)
}

pin() {
	local task

	for task in /proc/"$QEMU_PID"/task/*; do
		case $(cat "$task/comm") in
		vhost-*) taskset -pc 1 "${task##*/}" ;;
		CPU*) taskset -pc 2 "${task##*/}" ;;
		*) taskset -pc 0 "${task##*/}" ;;
		esac >/dev/null
	done
	pin_irqs eth0 2
	pin_irqs 'peer0|eth1' 1
}

# window BACKEND KIND SIZE FRAMES SECONDS [COPIED]: what the last window held.
WINDOWS=
window() {
	WINDOWS+="${WINDOWS:+,}{\"backend\": \"$1\", \"kind\": \"$2\", "
	WINDOWS+="\"size\": $3, \"frames\": $4, \"seconds\": $5, "
	WINDOWS+="\"copied\": ${6:-null}}"
}

seconds_since() {
	awk -v now="$EPOCHREALTIME" -v then="$1" 'BEGIN { print now - then }'
}

# begin KIND, end KIND: what lies between is a window. What lies before it is
# none, and said to be so.
begin() {
	[ "$what" != copies ] || copies_restart "$1"
	mark
	window - - 0 0 0
	began=$EPOCHREALTIME
}

end() {
	# What is under way arrives.
	sleep 0.1
	mark
	took=$(seconds_since "$began")
	copied=
	[ "$what" = copies ] || return
	copies_stop /lab/hist "$1"
	copied=$(python3 /src/lab/l1/copies.py /lab/hist)
}

# disturbed TEXT: the last window is none.
DISTURBED=
disturbed() {
	echo "bench: $1" >&2
	DISTURBED+="${DISTURBED:+,}$(json_string "$1")"
	window - - 0 0 0
	return 1
}

# arrived BEFORE AFTER: two readings of a counter make the window's frames.
arrived() {
	[[ $1 =~ ^[0-9]+$ && $2 =~ ^[0-9]+$ ]] ||
		disturbed "no count of frames" || return 1
	frames=$(($2 - $1))
	[ $((frames * 1000)) -ge $((FRAMES * 995)) ] ||
		disturbed "only $frames of $FRAMES frames arrived"
}

# Who receives: what the peer sends to, and how many it has got.
receiver_mac() {
	if [ "$1" = af_xdp ]; then
		cat /sys/class/net/eth0/address
	else
		guest_run cat /sys/class/net/eth0/address
	fi
}

received() {
	if [ "$1" = af_xdp ]; then
		ethtool -S eth0 | awk '$1 == "rx_queue_0_packets:" { print $2 }'
	else
		guest_run cat /sys/class/net/eth0/statistics/rx_packets
	fi
}

# Not the statistics of the device: igb brings them up to date every 2 s.
peer_rx() {
	peer ethtool -S peer0 | awk '/rx_queue_[0-9]+_packets/ { n += $2 } END { print n }'
}

# pktgen THREAD DEV MAC SIZE BURST DELAY: commands for a shell. Nobody has the
# address: frames end in the IP layer of whoever gets them.
pktgen() {
	local set=/proc/net/pktgen/$2

	# The size is that of the frame, as the wire's without FCS.
	cat <<-END
	echo rem_device_all >/proc/net/pktgen/$1; \
	echo add_device $2 >/proc/net/pktgen/$1; \
	echo count $FRAMES >$set; echo pkt_size $4 >$set; echo burst $5 >$set; \
	echo delay $6 >$set; echo dst 10.9.0.99 >$set; \
	echo src_min 10.9.0.98 >$set; echo src_max 10.9.0.98 >$set; \
	echo dst_mac $3 >$set; echo clone_skb 0 >$set
	END
}

# In bursts, as a busy wire or guest has them, and with pauses so that hardly a
# frame is lost. A burst fits the rings. How often somebody is woken up within a
# burst depends on how fast the emulation happens to be: long bursts, so that it
# does not matter much.
# With several queues, a burst is of one flow (it is one skb, so many times), the next
# of another, at random: RSS says which queue has it. What comes at a time is what one
# queue has alone; not all have as many. All CPUs of the guest are one of the host's.
# run_rx BACKEND SIZE [-]: the last, not to be counted.
run_rx() {
	local backend=$1 size=$2 mac flows='' before after frames

	[[ $backend != mp-* ]] ||
		flows="; echo src_max 10.9.0.254 >/proc/net/pktgen/peer0; \
			echo flag IPSRC_RND >/proc/net/pktgen/peer0"
	mac=$(receiver_mac "$backend") &&
	peer bash -c "$(pktgen kpktgend_0 peer0 "$mac" "$size" 256 24000000)$flows" &&
	before=$(received "$backend") || return 1
	begin rx
	peer bash -c 'echo start >/proc/net/pktgen/pgctrl'
	end rx
	after=$(received "$backend")
	arrived "$before" "$after" || return 1
	window "${3:-$backend}" rx "$size" "$frames" "$took" "$copied"
}

run_tx() {
	local backend=$1 size=$2 n=${GUEST_QUEUES:-1} mac before after frames i dev

	mac=$(peer cat /sys/class/net/peer0/address) || return 1
	for ((i = 0; i < n; i++)); do
		dev=eth0@$i
		guest_run "$(FRAMES=$((FRAMES / n)) pktgen "kpktgend_$i" "$dev" "$mac" \
			"$size" 64 $((8000000 * n))); \
			echo queue_map_min $i >/proc/net/pktgen/$dev; \
			echo queue_map_max $i >/proc/net/pktgen/$dev" || return 1
	done
	before=$(peer_rx) || return 1
	begin tx
	guest_run \
		"timeout 50 sh -c 'echo start >/proc/net/pktgen/pgctrl'" || return 1
	end tx
	after=$(peer_rx)
	arrived "$before" "$after" || return 1
	window "${3:-$backend}" tx "$size" "$frames" "$took" "$copied"
}

# flows mp-N: what several queues cost, beside one of the same traffic.
flows() {
	moderated
	run_rx "$1" 1514 -
	run_tx "$1" 1514 -
	run_idle "$1" && run_idle "$1" &&
	rounds run_rx "$1" 1514 &&
	rounds run_tx "$1" 1514 || return 1
	adaptive
}

# tcp OPTION...: bytes, and Mbit/s, of TCP to the guest.
tcp() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -J "$@" | python3 -c '
import json, sys
received = json.load(sys.stdin)["end"]["sum_received"]
print(received["bytes"], int(received["bits_per_second"] / 1e6))'
}

# At a rate that all backends keep up with: at full speed, how much waits when
# somebody looks is the emulation's whim.
run_tcp() {
	local backend=$1 bytes mbps

	begin rx
	read -r bytes mbps < <(tcp -b 160M -t "$2")
	end rx
	[ "${mbps:-0}" -ge 155 ] ||
		disturbed "TCP at ${mbps:-0} of 160 Mbit/s" || return 1
	window "$backend" tcp 0 "$bytes" "$took" "$copied"
}

# What the guest's TCP sends, in pieces of up to 64 KB that the NIC cuts.
run_tcp_tx() {
	local backend=$1 bytes mbps

	begin tx
	read -r bytes mbps < <(tcp -R -b 120M -t "$2")
	end tx
	[ "${mbps:-0}" -ge 115 ] ||
		disturbed "TCP sent at ${mbps:-0} of 120 Mbit/s" || return 1
	window "$backend" tcp_tx 0 "$bytes" "$took" "$copied"
}

# Requests one by one: what batches do not hide. The next is sent when all is
# idle again after the last, as nothing else repeats.
run_rr() {
	local backend=$1 count=$2

	begin rx
	peer timeout 60 ping -q -i 0.002 -c "$count" "$GUEST_IP" >/lab/rr
	end rx
	grep -q " $count received" /lab/rr ||
		disturbed "$(grep received /lab/rr)" || return 1
	window "$backend" rr 0 "$count" "$took" "$copied"
}

run_idle() {
	begin rx
	sleep 2
	end rx
	window "$1" idle 0 0 "$took"
}

# rounds FUNCTION ARGUMENT...: each up to three times if it was disturbed.
rounds() {
	local round

	for ((round = 0; round < ROUNDS; round++)); do
		"$@" || "$@" || "$@" || return 1
	done
}

traffic() {
	local backend=$1 size

	moderated
	# What memory is touched for the first time costs only now.
	run_tcp - 2
	run_rx "$backend" 1514 -
	run_tx "$backend" 1514 -
	# One after the other, so that what one window has too much of (buffers
	# posted for frames to come), the next has too little of.
	for size in $SIZES; do
		run_idle "$backend" &&
		rounds run_rx "$backend" "$size" &&
		rounds run_tx "$backend" "$size" || return 1
	done
	# The model of an 82599 is a process that has no CPU of its own.
	[ "$LAB_NIC" = igb ] || return 0
	rounds run_tcp "$backend" 6 &&
	rounds run_tcp_tx "$backend" 6 || return 1
	adaptive
	rounds run_rr "$backend" 2500
}

# apart: the guest's tick is not that of its CPU. Of two ticks at a time, one
# interrupts the guest, while it is idle, but hardly while it has work. A pause
# moves the guest's clock.
apart() {
	local exits try

	for try in 1 2 3 4 5; do
		exits=$(cat /sys/kernel/debug/kvm/exits)
		sleep 1
		exits=$(($(cat /sys/kernel/debug/kvm/exits) - exits))
		echo "bench: $exits exits of an idle guest in a second"
		# Two for each tick: the interrupt, and to be idle again.
		[ $exits -ge 245 ] || return 0
		guest_monitor stop >/dev/null
		sleep 0.003
		guest_monitor cont >/dev/null
	done
	return 1
}

# nic_queues N: as many as are bound, with any backend. With more than one, the host
# hashes each frame that tap or macvtap sends to choose one.
nic_queues() {
	ethtool -L eth0 combined "$1"
	ethtool -G eth0 rx 1024
	peer ethtool -G peer0 tx 1024
}

measure() {
	local backend=$1

	nic_queues "${GUEST_QUEUES:-1}"
	backend_setup "${backend%-*}" &&
	GUEST_APPEND="nohz=off highres=off" \
		guest_start "${backend%-*}" 7.3 -name guest,debug-threads=on &&
	ping_peer >/dev/null || return 1
	pin
	# Of several CPUs of a guest one or the other does, always.
	[ "$what" != count ] || [ "${GUEST_QUEUES:-1}" -gt 1 ] || apart || return 1
	case $backend in
	mp-*) flows "$backend" ;;
	*) traffic "$backend" ;;
	esac || return 1
	guest_stop
	backend_teardown "${backend%-*}"
}

# A program with an AF_XDP socket in place of a guest, on the guest's CPU.
XSK_PID=
measure_af_xdp() {
	local size status=0

	nic_queues 1
	pin_irqs eth0 2
	pin_irqs 'peer0|eth1' 1
	taskset -c 2 /src/build/bench/xsk eth0 0 >/lab/xsk 2>&1 &
	XSK_PID=$!
	if wait_for 10 grep -q ready /lab/xsk; then
		# The queue was restarted, and with it the link.
		pin_irqs eth0 2
		wait_for 20 grep -q 1 /sys/class/net/eth0/carrier
		moderated
		run_rx af_xdp 1514 -
		for size in $SIZES; do
			run_idle af_xdp &&
			rounds run_rx af_xdp "$size" || status=1
		done
		adaptive
	else
		cat /lab/xsk
		status=1
	fi
	kill $XSK_PID
	wait $XSK_PID
	return $status
}

# pinned_pages: of this host, by the kernel's own count.
pinned_pages() {
	awk '$1 == "nr_foll_pin_acquired" { n += $2 }
	     $1 == "nr_foll_pin_released" { n -= $2 }
	     END { print n }' /proc/vmstat
}

# allocated: bytes that vhost, tap, macvtap and mp have allocated, by the kernel's
# own count. Not what NICs and the rest of the stack have: much of that is the
# peer's, which is on the same host, and varies by megabytes.
allocated() {
	awk '$3 ~ /^drivers\/net\/ethernet\// { next }
	     $3 ~ /^(drivers\/(net|vhost)|net\/core\/mpassthru)/ { n += $1 }
	     END { print n + 0 }' /proc/allocinfo
}

# state BACKEND RING STATE: what a guest holds of the host's memory, more than
# there was before there was a guest.
MEMORY=
state() {
	MEMORY+="${MEMORY:+,}{\"backend\": \"$1\", \"ring\": $2, \"state\": \"$3\", "
	MEMORY+="\"pinned_pages\": $(pinned_pages), "
	MEMORY+="\"allocated_bytes\": $(($(allocated) - before))}"
}

memory() {
	local backend=$1 ring=$2 mac before

	GUEST_NET=rx_queue_size=$ring
	nic_queues 1
	ethtool -G eth0 rx "$ring"
	before=$(allocated)
	backend_setup "$backend" &&
	guest_start "$backend" 7.3 &&
	ping_peer >/dev/null || return 1
	state "$backend" "$ring" idle
	# Frames that the guest drops, and TCP, with which it holds on to some.
	mac=$(guest_run cat /sys/class/net/eth0/address)
	FRAMES=0
	peer bash -c "$(pktgen kpktgend_0 peer0 "$mac" 1514 64 8000000)"
	peer bash -c 'echo start >/proc/net/pktgen/pgctrl' &
	sleep 4
	state "$backend" "$ring" udp
	peer bash -c 'echo stop >/proc/net/pktgen/pgctrl'
	wait $!
	tcp_rx 5 >/lab/rate &
	sleep 3
	state "$backend" "$ring" tcp
	wait $! || return 1
	guest_stop
	backend_teardown "$backend"
}

measured() {
	local backend=$1 GUEST_QUEUES=

	if [ "$backend" = af_xdp ]; then
		[ "$what" != count ] || measure_af_xdp
	elif [[ $backend = mp-* ]]; then
		GUEST_QUEUES=${backend#*-}
		[ "$what" != count ] || measure "$backend"
	elif [ "$what" = memory ]; then
		memory "$backend" 256 && memory "$backend" 1024
	else
		measure "$backend"
	fi && return
	result "$backend" fail "see above"
	[ "$backend" != af_xdp ] || return
	guest_kill
	backend_teardown "${backend%-*}"
	return 1
}

[ $# -gt 0 ] || set -- tap macvtap mp af_xdp mp-1 mp-2 mp-4
[ "$what" != copies ] || copies_setup
mark
window - - 0 0 0
for backend; do
	measured "$backend"
done
metric windows "[$WINDOWS]"
metric disturbed "[$DISTURBED]"
metric memory "[$MEMORY]"
metric kernel "$(json_string "$(uname -r)")"
[ "$what" != copies ] || copies_teardown
exit $FAILED
