#!/bin/bash
# guest.sh tap|mp 7.3|debian: one guest, ping, TCP both ways, UDP.
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh

backend=$1
kernel=$2
seconds=5
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

# check NAME COMMAND...: its output is the remark.
check() {
	local name=$backend/$kernel/$1 text

	shift
	if text=$("$@" 2>&1); then
		result "$name" pass "${text##*$'\n'}"
	else
		printf '%s\n' "$text"
		result "$name" fail "${text%%$'\n'*}"
	fi
}
check ping ping_peer
check tcp-rx tcp_rx $seconds
check tcp-tx tcp_tx $seconds
check udp-rx udp_rx $seconds
check ping-after ping_peer

if [ "$backend" = mp ]; then
	mpctl show eth0
	zerocopy=$(mp_counter zerocopy)
	if [ "${zerocopy:-0}" -gt 0 ]; then
		result "$backend/$kernel/zero-copy" pass "$zerocopy frames"
	else
		result "$backend/$kernel/zero-copy" fail "no frame was zero-copy"
	fi
fi
guest_stop
backend_teardown "$backend"
exit $FAILED
