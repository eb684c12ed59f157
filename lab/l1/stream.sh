#!/bin/bash
# stream.sh [MB]: a guest on mp sends a stream of random bytes by TCP, and receives
# it: what arrives has the hash of what was sent.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh

mb=${1:-256}
# A block again and again; of a length that is no multiple of anything.
block=$((7 * 1048576 + 13))
times=$((mb * 1048576 / block + 1))
GUEST_NET=rx_queue_size=1024

# again FILE: a command that prints it as often.
again() {
	echo "i=0; while [ \$i -lt $times ]; do cat $1; i=\$((i + 1)); done"
}

check() {
	guest_check "stream/$1" "${@:2}"
}

guest_has() {
	guest_run "test -s $1"
}

peer_listens() {
	peer grep -qE ":$(printf %04X "$1") 0+:0000 0A" /proc/net/tcp \
		/proc/net/tcp6
}

# same GOT: the hash of the stream
same() {
	echo "$((times * block)) bytes, $1"
	[ "$1" = "$hash" ]
}

# The peer has to have the block as well: it comes first.
prepared() {
	peer timeout 60 socat -u TCP-LISTEN:5001 STDOUT >/lab/block &
	guest_run "head -c $block /dev/urandom >/tmp/block" &&
	wait_for 10 peer_listens 5001 &&
	guest_run "(nc 10.9.0.2 5001 </tmp/block) >/dev/null 2>&1 &" || return
	wait $!
	[ "$(md5sum </lab/block)" = "$(guest_run 'md5sum </tmp/block')" ]
}

to_peer() {
	peer sh -c "timeout 300 socat -u TCP-LISTEN:5002 STDOUT | md5sum" \
		>/lab/got &
	wait_for 10 peer_listens 5002 &&
	guest_run "(($(again /tmp/block)) | nc 10.9.0.2 5002) >/dev/null 2>&1 &" ||
		return
	wait $!
	same "$(cut -d' ' -f1 /lab/got)"
}

to_guest() {
	guest_run "(nc -l -p 5003 | md5sum >/tmp/got) >/dev/null 2>&1 &" || return
	wait_for 10 guest_run "netstat -ltn | grep -q :5003"
	peer sh -c "($(again /lab/block)) |
		timeout 300 socat -u STDIN TCP:$GUEST_IP:5003"
	wait_for 60 guest_has /tmp/got || return
	same "$(guest_run "cut -d' ' -f1 /tmp/got")"
}

if ! backend_setup mp || ! guest_start mp 7.3; then
	result stream/start fail "no /dev/net/mp, no mpctl, or no guest"
	exit 1
fi
wait_for 10 guest_run ping -c 1 -W 1 10.9.0.2
check prepared prepared
hash=$(sh -c "($(again /lab/block)) | md5sum" | cut -d' ' -f1)
check to-peer to_peer
check to-guest to_guest
mpctl show eth0
guest_stop
backend_teardown mp
exit $FAILED
