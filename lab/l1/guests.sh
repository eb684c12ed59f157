#!/bin/bash
# guests.sh [COUNT]: guests one after the other, tap and mp, 7.3 and Debian in turn:
# each boots, sends TCP for 12 s, receives for 3 s, answers and ends. None is lost.
# shellcheck disable=SC2034 # GUEST_NET is of guest-lib.sh
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh

count=${1:-24}
GUEST_NET=rx_queue_size=1024
backends=(mp tap)
kernels=(7.3 debian)

one() {
	sent='' received=''
	guest_start "$1" "$2" && ping_peer >/dev/null &&
	sent=$(tcp_tx 12) && received=$(tcp_rx 3) && ping_peer >/dev/null
}

for ((i = 0; i < count; i++)); do
	backend=${backends[i % 2]} kernel=${kernels[i / 2 % 2]}
	name=guests/$((i + 1))-$backend-$kernel
	backend_setup "$backend" || { result "$name" fail "no $backend"; break; }
	if ! one "$backend" "$kernel"; then
		echo "sent ${sent:-}, received ${received:-}"
		guest_fails "$name" "see above"
		guest_kill
		break
	fi
	result "$name" pass "$sent Mbit/s sent, $received received"
	guest_stop
	backend_teardown "$backend"
done
exit $FAILED
