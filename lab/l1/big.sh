#!/bin/bash
# big.sh [modern|legacy RING]...: guests without mergeable buffers, whose driver takes
# 18 pages for each buffer from its page allocator and gives them back there. Each
# gets TCP: are its pages found pinned?
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh

kind=modern ring=256

check() {
	guest_check "big/$kind-$ring/$1" "${@:2}"
}

# The cache has found out what the guest works with, when its limit does not grow
# any more by a hundredth. How long that takes is a matter of how fast frames come:
# the guest goes round 18 pages for each entry of its ring, and twice.
warm_up() {
	local limit try

	for try in {1..60}; do
		limit=$(mp_counter pin-limit)
		tcp_rx 4 || return
		if [ $(($(mp_counter pin-limit) - limit)) -lt $((limit / 100)) ]; then
			echo "$try times 4 s, limit $limit"
			return
		fi
	done
	return 1
}

# The share of look-ups that find a page pinned, once the cache is warm, and of
# frames that the NIC wrote to their buffer. There is room for all that the
# guest works with: what is evicted was idle. On a slow machine, too, next to nothing
# of that may be in use.
hit_rate() {
	local hits misses zerocopy bounced try

	# The slower it is, the more of what comes in 5 s is new still.
	for try in 1 2 3 4 5; do
		hits=$(mp_counter pin-hits) misses=$(mp_counter pin-misses)
		zerocopy=$(mp_counter zerocopy) bounced=$(mp_counter bounced)
		tcp_rx 5 || return
		hits=$(($(mp_counter pin-hits) - hits))
		misses=$(($(mp_counter pin-misses) - misses))
		zerocopy=$(($(mp_counter zerocopy) - zerocopy))
		bounced=$(($(mp_counter bounced) - bounced))
		echo "$hits hits, $misses misses, $zerocopy frames in place, $bounced" \
			"copied, limit $(mp_counter pin-limit)," \
			"$(mp_counter pin-evictions) evicted, try $try"
		[ "$hits" -le $((99 * misses)) ] ||
			[ "$zerocopy" -le $((99 * bounced)) ] || return 0
	done
	return 1
}

one() {
	kind=$1 ring=$2
	GUEST_NET=rx_queue_size=$ring,mrg_rxbuf=off
	[ "$kind" = modern ] || GUEST_NET+=,disable-modern=on,disable-legacy=off
	if ! guest_start mp 7.3; then
		result "big/$kind-$ring/start" fail "the guest does not answer"
		exit 1
	fi
	check ping ping_peer
	check warm warm_up
	check hit-rate hit_rate
	mpctl show eth0
	guest_stop
}

if ! backend_setup mp; then
	result big/start fail "no /dev/net/mp or no mpctl"
	exit 1
fi
[ $# -gt 0 ] || set -- modern 256 legacy 256 modern 1024 legacy 1024
while [ $# -gt 0 ]; do
	one "$1" "$2"
	shift 2
done
backend_teardown mp
exit $FAILED
