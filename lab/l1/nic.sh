# shellcheck shell=bash
# The host's NIC: what it receives, and how it goes away and comes back. Sourced.

# nic_mode: "PROMISCUITY ALLMULTI" of eth0, as counted.
nic_mode() {
	ip -d link show eth0 |
		sed -nE 's/.* promiscuity ([0-9]+) .*allmulti ([0-9]+) .*/\1 \2/p'
}

nic_mode_is() {
	[ "$(nic_mode)" = "$*" ]
}

# The device is unregistered, and there is another one of the same name.
nic_reload() {
	local address

	address=$(basename "$(readlink -f /sys/class/net/eth0/device)")
	echo "$address" >/sys/bus/pci/drivers/igb/unbind
	echo "$address" >/sys/bus/pci/drivers/igb/bind
	wait_for 10 test -e /sys/class/net/eth0
}

# nic_is_bound [PID]: to a descriptor, of that process.
nic_is_bound() {
	mpctl show eth0 | grep -q "pid ${1:-}"
}
