#!/bin/bash
# queues.sh [N]: a guest with N CPUs and as many queues of mp, all of which carry
# traffic; it turns them off and on while there is some.
#
# shellcheck disable=SC2317,SC2119,SC2120 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh

GUEST_QUEUES=${1:-2}
seconds=2

check() {
	guest_check "queues/$1" "${@:2}"
}

# each COUNTER: its values, queue by queue.
each() {
	local i

	for ((i = 0; i < GUEST_QUEUES; i++)); do
		mp_counter "$1" "$i"
	done | xargs
}

# guest_uses N: the guest says so, and so does the host.
guest_uses() {
	local text

	text=$(guest_run "ethtool -l eth0") || return
	[ "$(sed -n 's/^Combined:[[:space:]]*//p' <<<"$text" | tail -n 1)" = "$1" ] ||
		{ echo "$text"; return 1; }
	echo "attached $(each attached)"
	[ "$(each attached | tr -dc 1 | wc -c)" = "$1" ]
}

# tcp_flows [-R]: by all queues. As many as make it unlikely that one is left out:
# ports of one run are near each other, and differ in bits that the key of RSS,
# which is drawn at boot, may make nothing of.
tcp_flows() {
	local text i

	for i in 1 2 3 4; do
		text=$(steadily flow -t "$seconds" -P 16 "$@") ||
			{ echo "$text"; return 1; }
		echo "$text Mbit/s"
	done
}

# Of those that are in use, none is without frames, and none is copied. A page that is
# new to the cache of pinned ones has a frame bounced: of few frames that is a part.
by_each() {
	local zerocopy=() bounced=() try

	for try in 1 2 3 4 5; do
		echo "received $(each zerocopy), bounced $(each bounced)," \
			"sent $(each tx-zerocopy), copied $(each tx-copied), try $try"
		each_in_place && return
		read -r -a zerocopy <<<"$(each zerocopy)"
		read -r -a bounced <<<"$(each bounced)"
		tcp_flows && tcp_flows -R || return
	done
	return 1
}

# Since there were so many in each of zerocopy and bounced.
each_in_place() {
	local i n

	for ((i = 0; i < GUEST_QUEUES; i++)); do
		n=$(($(mp_counter zerocopy "$i") - ${zerocopy[i]:-0}))
		[ "$n" -gt 100 ] &&
			[ $(($(mp_counter bounced "$i") - ${bounced[i]:-0})) -lt $((n / 10)) ] &&
			[ "$(mp_counter tx-zerocopy "$i")" -gt 100 ] || return
	done
}

# A guest changes its queues under traffic; what goes by others goes on.
turn() {
	local n=$1 before

	guest_run "ethtool -L eth0 combined $n" || return
	guest_uses "$n" || return
	before=$(mp_counter zerocopy $((GUEST_QUEUES - 1)))
	tcp_flows || return
	[ "$n" = "$GUEST_QUEUES" ] ||
		[ "$(mp_counter zerocopy $((GUEST_QUEUES - 1)))" = "$before" ]
}

under_traffic() {
	local i

	peer timeout 60 iperf3 -c "$GUEST_IP" -t 10 -i 0.25 -P 16 -J >/lab/iperf &
	for i in 1 2 3; do
		sleep 1
		guest_run "ethtool -L eth0 combined 1" || return
		sleep 1
		guest_run "ethtool -L eth0 combined $GUEST_QUEUES" || return
	done
	wait $!
	iperf_mbps </lab/iperf
}

if ! backend_setup mp || ! guest_start mp 7.3; then
	result queues/start fail "no /dev/net/mp, no mpctl, or no guest"
	exit 1
fi
wait_for 10 guest_run ping -c 1 -W 1 10.9.0.2
check all-are-used guest_uses "$GUEST_QUEUES"
check tcp-rx tcp_flows
check tcp-tx tcp_flows -R
check by-each by_each
check one turn 1
check all-again turn "$GUEST_QUEUES"
check under-traffic steadily under_traffic
check ping ping_peer
mpctl show eth0
guest_stop
backend_teardown mp
exit $FAILED
