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
	local address driver=/sys/bus/pci/drivers/$LAB_NIC

	address=$(basename "$(readlink -f /sys/class/net/eth0/device)")
	echo "$address" >"$driver/unbind"
	echo "$address" >"$driver/bind"
	wait_for 10 test -e /sys/class/net/eth0
}

# nic_is_bound [PID]: to a descriptor, of that process.
nic_is_bound() {
	mpctl show eth0 | grep -q "pid ${1:-[0-9]*},"
}

# nic_order WORD...: tell the model of an ixgbe (lab/nic82599/control.c). Its
# answer is printed; fails if that is an error.
nic_order() {
	local dir line port=

	for dir in /sys/class/virtio-ports/*; do
		[ "$(cat "$dir/name")" != nic ] || port=/dev/${dir##*/}
	done
	[ -n "$port" ] || { echo "no NIC that takes orders"; return 1; }
	exec {port_fd}<>"$port"
	printf '%s\n' "$*" >&"$port_fd"
	while read -r -t 10 -u "$port_fd" line; do
		case $line in
		ok|error) break ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	exec {port_fd}>&-
	[ "$line" = ok ]
}
