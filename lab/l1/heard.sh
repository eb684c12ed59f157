#!/bin/bash
# heard.sh: a guest is heard: IPv6 neighbour discovery, groups, an address it
# changed, VLANs; and goes on when the driver of the NIC was reloaded.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/nic.sh

GUEST_V6=fd00:9::5:c0de	# in a group of its own, ff02::1:ff05:c0de
PEER_V6=fd00:9::2

if ! backend_setup mp; then
	result heard/start fail "no /dev/net/mp or no mpctl"
	exit 1
fi
if ! guest_start mp 7.3; then
	result heard/start fail "the guest does not answer"
	exit 1
fi
result heard/start pass "$GUEST_REPLY"

check() {
	guest_check "heard/$1" "${@:2}"
}

forget() {
	peer ip neigh flush all
	guest_run "ip neigh flush dev eth0; ip -6 neigh flush dev eth0; true"
} >/dev/null 2>&1

# Of three all are to be answered: the wire loses none.
to_guest() {
	forget
	peer ping -c 3 -i 0.3 -w 30 "$@" >/tmp/ping
	tail -n 2 /tmp/ping | head -n 1
	answered 3 </tmp/ping
}

from_guest() {
	forget
	guest_run ping -c 9 -i 0.3 "$@" >/tmp/ping
	tail -n 2 /tmp/ping | head -n 1
	answered 3 0 </tmp/ping
}

# No address of the guest may be of the NIC's, whose groups the host joins.
address_own() {
	local guest nic

	guest=$(guest_run cat /sys/class/net/eth0/address)
	nic=$(cat /sys/class/net/eth0/address)
	echo "$guest of the NIC $nic"
	[ "${#guest}" = 17 ] && [ "$guest" != "$nic" ] &&
		[ $((0x${guest%%:*} & 3)) = 2 ]
}

check address address_own
# What it asks of a tap, and the descriptor knows nothing of, it complains about.
qemu_silent() {
	! grep . "$GUEST_DIR/qemu"
}
check qemu-silent qemu_silent
check ipv4 to_guest "$GUEST_IP"

peer ip -6 addr add $PEER_V6/64 dev peer0 nodad
guest_run ip -6 addr add $GUEST_V6/64 dev eth0
v6_settled() {
	! guest_run ip -6 addr show dev eth0 | grep tentative
}
wait_for 20 v6_settled
check nd-to-guest to_guest -6 $GUEST_V6
check nd-from-guest from_guest -6 $PEER_V6
check group to_guest -6 -I peer0 ff02::1:ff05:c0de

guest_run ip link set eth0 address 02:00:00:c0:ff:ee
check changed-address to_guest "$GUEST_IP"
check changed-address-v6 to_guest -6 $GUEST_V6

guest_run ip link add link eth0 name eth0.5 type vlan id 5
guest_run ip addr add 10.9.5.3/24 dev eth0.5
guest_run ip link set eth0.5 up
peer ip link add link peer0 name peer0.5 type vlan id 5
peer ip addr add 10.9.5.2/24 dev peer0.5
peer ip link set peer0.5 up
check vlan-to-guest to_guest 10.9.5.3
check vlan-from-guest from_guest 10.9.5.2

# Carrier and no wire, until it is bound again.
nic_reload
lost() {
	! to_guest -W 1 "$GUEST_IP" && guest_run cat /sys/class/net/eth0/carrier
}
rebound() {
	mpctl rebind eth0 --pid "$QEMU_PID" || return
	wait_for 20 peer ping -c 1 -W 1 "$GUEST_IP"
}
check reload-unbinds lost
check rebind rebound
check rebind-ipv4 to_guest "$GUEST_IP"
check rebind-ipv6 to_guest -6 $GUEST_V6
check rebind-zero-copy [ "$(mp_counter mode)" = zero-copy ]

guest_stop
check leaves-nothing wait_for 5 nic_mode_is 0 0
exit $FAILED
