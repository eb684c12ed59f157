#!/bin/bash
# guest.sh tap|mp 7.3|debian|debian-6.1: one guest, ping, TCP both ways, UDP.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh

backend=$1
kernel=$2
seconds=5
# As in demo.sh; Debian's guest has QEMU's default.
ring=1024
[ "$kernel" = 7.3 ] || ring=256
GUEST_NET=rx_queue_size=$ring
[ "$LAB_CONFIG" = plain ] || seconds=3

if ! backend_setup "$backend"; then
	result "$backend/$kernel/start" fail "no /dev/net/mp or no mpctl"
	exit 1
fi
if ! guest_start "$backend" "$kernel"; then
	result "$backend/$kernel/start" fail "the guest does not answer"
	exit 1
fi
result "$backend/$kernel/start" pass "$GUEST_REPLY"

check() {
	guest_check "$backend/$kernel/$1" "${@:2}"
}

# tcp_rx_counted: and the pin cache, once it is warm. How long that takes is a
# matter of the emulation.
tcp_rx_counted() {
	local hits misses try

	tcp_rx 3 || return
	for try in 1 2 3 4 5; do
		hits=$(mp_counter pin-hits) misses=$(mp_counter pin-misses)
		tcp_rx "$seconds" || return
		hits=$(($(mp_counter pin-hits) - hits))
		misses=$(($(mp_counter pin-misses) - misses))
		echo "$hits hits, $misses misses, try $try"
		[ "$hits" -le $((100 * misses)) ] || return 0
	done
	return 1
}

check ping ping_peer
# A debug kernel is too slow for the cache to be warm in time.
if [ "$backend $kernel $LAB_CONFIG" = "mp 7.3 plain" ]; then
	check tcp-rx tcp_rx_counted
else
	check tcp-rx tcp_rx "$seconds"
fi
check tcp-tx tcp_tx "$seconds"
check udp-rx udp_rx "$seconds"
check ping-after ping_peer

# Were frames received in place? Buffers of Debian's cross pages: where these are no
# neighbours in the host's memory, which is chance, frames are bounced.
zero_copy() {
	local zerocopy bounced

	zerocopy=$(mp_counter zerocopy) bounced=$(mp_counter bounced)
	echo "$zerocopy frames, $bounced bounced"
	[ "$zerocopy" -gt 0 ] || return
	[ "$kernel" != 7.3 ] || [ "$zerocopy" -gt $((99 * bounced)) ]
}

# And sent, but for what a guest sends before its queue is up.
zero_copy_tx() {
	local zerocopy copied

	zerocopy=$(mp_counter tx-zerocopy) copied=$(mp_counter tx-copied)
	echo "$zerocopy frames, $(mp_counter tx-copied-whole) short ones," \
		"$(mp_counter tx-bounced) bounced, $copied copied"
	[ "$zerocopy" -gt 0 ] &&
		{ [ "$copied" -le 4 ] || [ "$zerocopy" -gt $((99 * copied)) ]; }
}

# What is posted comes and goes with the guest's refills, by half a ring at most.
# What is pinned is what the guest goes round: these and those in the queues of its
# sockets. A page whose mapping changed may still be in use beyond the limit.
pinned() {
	local pinned limit posted

	pinned=$(mp_counter pinned) limit=$(mp_counter pin-limit)
	posted=$(mp_counter outstanding)
	echo "$pinned pages of $limit, $posted buffers posted of a ring of $ring"
	[ "$pinned" -le $((limit + posted)) ] && [ "$posted" -ge $((ring / 2)) ] &&
		[ "$limit" -le $((16 * ring)) ]
}

if [ "$backend" = mp ]; then
	mpctl show eth0
	check zero-copy zero_copy
	check zero-copy-tx zero_copy_tx
	check pinned pinned
fi
guest_stop
backend_teardown "$backend"
exit $FAILED
