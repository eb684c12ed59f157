#!/bin/bash
# bench.sh [BACKEND ...]: the same frames through each backend, while the plugin
# of lab/bench counts. What was sent when goes to the metric "windows", for
# lab/bench/report.py.
#
# Each CPU has one task, so that counts of a CPU are counts of the task: 0 the
# host's (interrupts and NAPI of the NIC, vhost), 1 the guest, 2 the peer's.
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh
. /src/lab/l1/copies.sh

SIZES=(64 256 512 1024 1514)
FRAMES=${FRAMES:-16384}
GUEST_NET=rx_queue_size=1024

taskset -pc 2 $$ >/dev/null

# mark: the plugin writes what it counted. No process is made for it.
mark() {
	echo mark >/proc/sys/kernel/domainname
}

pin_irqs() {
	local irq

	while IFS=: read -r irq _; do
		echo "$2" >"/proc/irq/${irq// /}/smp_affinity" 2>/dev/null
	done < <(grep -E "$1" /proc/interrupts)
}

pin() {
	local task

	taskset -apc 0 "$QEMU_PID" >/dev/null
	for task in /proc/"$QEMU_PID"/task/*; do
		if [ "$(cat "$task/comm")" = "CPU 0/KVM" ]; then
			taskset -pc 1 "${task##*/}" >/dev/null
		fi
	done
	pin_irqs 'eth0|igb.*:00.0' 1
	pin_irqs 'peer0|eth1' 4
}

# window BACKEND KIND SIZE FRAMES SECONDS: what the last window held.
WINDOWS=
window() {
	WINDOWS+="${WINDOWS:+,}{\"backend\": \"$1\", \"kind\": \"$2\", "
	WINDOWS+="\"size\": $3, \"frames\": $4, \"seconds\": $5}"
}

# skip: what happened between two windows.
skip() {
	mark
	window - - 0 0 0
}

seconds_since() {
	awk -v now="$EPOCHREALTIME" -v then="$1" 'BEGIN { print now - then }'
}

guest_rx() {
	guest_run cat /sys/class/net/eth0/statistics/rx_packets
}

# pktgen THREAD DEV MAC SIZE COUNT BURST DELAY: commands for a shell. Nobody has
# the address: frames end in the IP layer of whoever gets them.
pktgen() {
	local set=/proc/net/pktgen/$2

	cat <<-END
	echo rem_device_all >/proc/net/pktgen/$1; \
	echo add_device $2 >/proc/net/pktgen/$1; \
	echo count $5 >$set; echo pkt_size $4 >$set; echo burst $6 >$set; \
	echo delay $7 >$set; echo dst 10.9.0.99 >$set; \
	echo src_min 10.9.0.98 >$set; echo src_max 10.9.0.98 >$set; \
	echo dst_mac $3 >$set; echo clone_skb 0 >$set
	END
}

run_rx() {
	local backend=$1 size=$2 mac before start

	mac=$(guest_run cat /sys/class/net/eth0/address)
	peer bash -c "$(pktgen kpktgend_2 peer0 "$mac" "$size" "$FRAMES" 32 4000000)"
	before=$(guest_rx)
	sleep 0.3
	skip
	start=$EPOCHREALTIME
	peer bash -c 'echo start >/proc/net/pktgen/pgctrl'
	sleep 0.1
	mark
	window "$backend" rx "$size" $(($(guest_rx) - before)) \
		"$(seconds_since "$start")"
}

run_tx() {
	local backend=$1 size=$2 mac before start

	mac=$(peer cat /sys/class/net/peer0/address)
	guest_run "$(pktgen kpktgend_0 eth0 "$mac" "$size" "$FRAMES" 1 0)"
	before=$(peer cat /sys/class/net/peer0/statistics/rx_packets)
	sleep 0.3
	skip
	start=$EPOCHREALTIME
	guest_run 'echo start >/proc/net/pktgen/pgctrl'
	sleep 0.1
	mark
	window "$backend" tx "$size" \
		$(($(peer cat /sys/class/net/peer0/statistics/rx_packets) - before)) \
		"$(seconds_since "$start")"
}

run_tcp() {
	local backend=$1 start bytes

	skip
	start=$EPOCHREALTIME
	bytes=$(peer iperf3 -c "$GUEST_IP" -n 64M -J | python3 -c '
import json, sys
print(json.load(sys.stdin)["end"]["sum_received"]["bytes"])') || bytes=0
	mark
	window "$backend" tcp 0 "$bytes" "$(seconds_since "$start")"
}

run_idle() {
	local start

	skip
	start=$EPOCHREALTIME
	sleep 3
	mark
	window "$1" idle 0 0 "$(seconds_since "$start")"
}

measure() {
	local backend=$1 size

	backend_setup "$backend" || return 1
	guest_start "$backend" 7.3 -name guest,debug-threads=on || return 1
	ping_peer >/dev/null || return 1
	pin
	run_idle "$backend"
	for size in "${SIZES[@]}"; do
		run_rx "$backend" "$size"
		run_tx "$backend" "$size"
	done
	run_tcp "$backend"
	guest_stop
	backend_teardown "$backend"
}

[ $# -gt 0 ] || set -- tap macvtap mp
skip
for backend; do
	measure "$backend" || {
		result "$backend" fail "see above"
		guest_kill
		backend_teardown "$backend"
	}
done
metric windows "[$WINDOWS]"
exit $FAILED
