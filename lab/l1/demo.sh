#!/bin/bash
# demo.sh: the same traffic to the same guest twice, through tap and bridge and
# through the mp device, and what the CPU copied meanwhile.
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh
. /src/lab/l1/copies.sh

guest_rx() {
	guest_run cat "/sys/class/net/eth0/statistics/rx_$1"
}

# A ring as long as QEMU has them, for both: the pages that the guest works with
# fit the pin cache, which keeps twice as many as are posted.
GUEST_NET=rx_queue_size=1024

# counters PREFIX: all mp counters that are numbers, as metrics PREFIX.NAME.
counters() {
	local name value

	while read -r name value; do
		name=${name#mp-}
		case $value in
		""|*[!0-9]*) ;;
		*) metric "$1.${name%:}" "$value" ;;
		esac
	done < <(mp_counters)
}

# measure BACKEND: metrics BACKEND.*; fails if a step does.
measure() {
	local backend=$1 hist=/lab/hist.$1 rate bytes frames tcp failed=0

	echo "--- $backend: starting the guest"
	backend_setup "$backend" || {
		echo "no /dev/net/mp in this kernel, or no mpctl: nothing to measure"
		return 1
	}
	guest_start "$backend" 7.3 || return 1
	result "$backend/start" pass "$GUEST_REPLY"
	if ! ping_peer; then
		guest_fails "$backend/ping"
		return 1
	fi
	result "$backend/ping" pass

	# The window of the copy probes: reception only.
	counters "$backend.before"
	bytes=$(guest_rx bytes) || return 1
	frames=$(guest_rx packets) || return 1
	copies_start rx
	tcp_rx 5 >/lab/rate &
	tcp=$!
	sleep 1
	counters "$backend.warm"
	if wait "$tcp"; then rate=$(cat /lab/rate); else rate=; fi
	copies_stop "$hist"
	bytes=$(($(guest_rx bytes) - bytes))
	frames=$(($(guest_rx packets) - frames))
	counters "$backend.after"
	metric "$backend.rx_bytes" $bytes
	metric "$backend.rx_frames" $frames
	metric "$backend.copies" "$(python3 /src/lab/l1/copies.py "$hist")"
	metric "$backend.tcp_rx" "$rate"
	echo "TCP to the guest:   ${rate:-failed} Mbit/s"
	[ "$rate" ] || failed=1

	rate=$(tcp_tx 5) || rate=
	metric "$backend.tcp_tx" "$rate"
	echo "TCP from the guest: ${rate:-failed} Mbit/s"
	[ "$rate" ] || failed=1
	rate=$(udp_rx 3) || rate=
	metric "$backend.udp_rx" "$rate"
	echo "UDP to the guest:   ${rate:-failed} Mbit/s"
	[ "$rate" ] || failed=1
	counters "$backend.end"
	[ $failed = 0 ] || return 1

	guest_stop
	backend_teardown "$backend"
}

metric kernel "$(json_string "$(uname -r)")"
copies_setup
for backend in tap mp; do
	measure $backend || {
		guest_fails "$backend" "see above"
		guest_kill
		backend_teardown $backend
	}
done
copies_teardown
exit $FAILED
