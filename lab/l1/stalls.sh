#!/bin/bash
# stalls.sh: does what the guest sends stall? TCP from a guest, with interrupt
# moderation as the driver has it, sent from its own memory, copied by mp (the
# administrator has a qdisc), and by macvtap.
#
# BQL of the guest's driver says how often frames were posted and none was completed
# for 40 ms (it may count 20 ms already), and how many bytes are on their way. That is
# told by what the host gives back: a host that waits for a moderated interrupt shows.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh

seconds=${1:-8}
bql=/sys/class/net/eth0/queues/tx-0/byte_queue_limits

check() {
	guest_check "stalls/$1" "${@:2}"
}

# sent WAY: TCP from the guest, and what BQL says of it.
sent() {
	local text rate stalls inflight limit

	text=$(tcp_tx 2) || { echo "$text"; return 1; }
	guest_run "echo 40 >$bql/stall_thrs && rm -f /tmp/inflight" || return
	guest_run "(i=0; while [ \$i -lt $((seconds * 10)) ]; do cat $bql/inflight; \
		usleep 50000; i=\$((i + 1)); done >/tmp/inflight) >/dev/null 2>&1 &" ||
		return
	rate=$(tcp_tx "$seconds") || { echo "$rate"; return 1; }
	stalls=$(guest_run "cat $bql/stall_cnt") || { echo "$stalls"; return 1; }
	inflight=$(guest_run "awk '{ n += \$1 } END { printf \"%d\\n\", n / NR }' \
		/tmp/inflight") || { echo "$inflight"; return 1; }
	limit=$(guest_run "cat $bql/limit") || { echo "$limit"; return 1; }
	echo "$stalls" >"/lab/stalls-$1"
	echo "$stalls stalls, $inflight bytes in flight, limit $limit, $rate Mbit/s"
}

# way NAME BACKEND [copy]: a guest of its own for each.
way() {
	if ! backend_setup "$2" || ! guest_start "$2" 7.3; then
		result "stalls/$1/start" fail "no guest on $2"
		exit 1
	fi
	wait_for 10 guest_run ping -c 1 -W 1 10.9.0.2
	[ "${3:-}" != copy ] || tc qdisc add dev eth0 root handle 1: pfifo limit 1000
	check "$1" sent "$1"
	[ "$2" != mp ] || check "$1-way" went "$1"
	[ "${3:-}" != copy ] || tc qdisc del dev eth0 root
	guest_stop
	backend_teardown "$2"
}

# went NAME: the way that it was to go.
went() {
	local direct copied

	direct=$(mp_counter tx-posted) copied=$(mp_counter tx-copied)
	echo "$direct posted, $copied copied"
	if [ "$1" = copied ]; then
		[ "$copied" -gt "$direct" ]
	else
		[ "$direct" -gt $((99 * copied)) ]
	fi
}

way direct mp
way copied mp copy
way macvtap macvtap

stalls() {
	cat "/lab/stalls-$1"
}

# Now and then the emulated machine itself stands still.
no_more() {
	echo "$(stalls direct) sent from the guest, $(stalls copied) copied," \
		"$(stalls macvtap) by macvtap"
	[ "$(stalls direct)" -le $(($(stalls copied) + 2)) ]
}
check no-more-than-copied no_more
exit $FAILED
