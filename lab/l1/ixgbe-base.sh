#!/bin/bash
# ixgbe-base.sh [DOWNS]: the ixgbe driver as it is, on the model of its NIC: traffic
# both ways, VLANs, rings, channels, features, DOWNS times (100) down and up, the
# self test, and what goes wrong on a wire. lab/nic82599 judges meanwhile.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/nic.sh
. /src/lab/l1/traffic.sh

downs=${1:-100}
HOST=10.9.0.1
PEER=10.9.0.2
HOST_V6=fd00:9::1
PEER_V6=fd00:9::2
slow=1
[ "$LAB_CONFIG" = plain ] || slow=4

# check NAME COMMAND...: the last line of its output is the remark.
check() {
	tried "ixgbe-base/$1" "${@:2}"
}

has_link() {
	[ "$(cat /sys/class/net/eth0/carrier 2>/dev/null)" = 1 ]
}

# All of them come back, once the link is up: the wire loses none.
pings() {
	local text

	wait_for $((20 * slow)) has_link || { echo "no link"; return 1; }
	wait_for $((10 * slow)) ping -c 1 -W 1 "$PEER"
	text=$(ping -c 5 -i 0.2 -w 30 "$@" "$PEER")
	answered 5 <<<"$text" || { echo "$text"; return 1; }
}

pinged() {
	peer ping -c 5 -i 0.2 -w 30 "$@" >/tmp/ping
	tail -n 2 /tmp/ping | head -n 1
	answered 5 </tmp/ping
}

peer iperf3 -s -i 0.25 -D
wait_for 5 peer bash -c 'exec 3<>/dev/tcp/127.0.0.1/5201'

sends() {
	steadily sends_once "$@"
}

sends_once() {
	timeout 60 iperf3 -c "${1:-"$PEER"}" -t $((3 * slow)) -i 0.25 -J "${@:2}" |
		iperf_mbps
}

up() {
	ip addr add "$HOST/24" dev eth0
	ip link set eth0 up
	wait_for $((20 * slow)) has_link || return
	ethtool eth0 | sed -n 's/.*Speed: //p'
	ethtool -i eth0 | grep -q '^driver: ixgbe' &&
		ethtool eth0 | grep -q 'Speed: 10000Mb/s'
}

counted() {
	ethtool -S eth0 | sed -n "s/^ *$1: //p"
}

# By the queues, by the MAC, by the model: all have seen the same frames. The
# counters of the MAC are read every two seconds.
same_counts() {
	local queues mac model

	peer ip link set peer0 down
	sleep 3
	wait_for 10 equal_counts
	peer ip link set peer0 up
	echo "queues $queues, MAC $mac, delivered since the start $model"
	[ "$queues" = "$mac" ] && [ "$queues" -le "$model" ] && [ "$queues" -gt 100 ]
}

equal_counts() {
	queues=$(ethtool -S eth0 | awk '/rx_queue_.*_packets/ { n += $2 } END { print n }')
	mac=$(counted rx_pkts_nic)
	model=$(nic_order stats | sed -n 's/^delivered //p')
	[ "$queues" = "$mac" ]
}

v6() {
	ip -6 addr add "$HOST_V6/64" dev eth0 nodad
	peer ip -6 addr add "$PEER_V6/64" dev peer0 nodad
	wait_for $((10 * slow)) ping -6 -c 1 -W 1 "$PEER_V6"
	pinged -6 "$HOST_V6" && sends "$PEER_V6" && sends "$PEER_V6" -R
}

vlan() {
	local state

	ip link add link eth0 name eth0.5 type vlan id 5
	ip addr add 10.9.5.1/24 dev eth0.5
	ip link set eth0.5 up
	peer ip link add link peer0 name peer0.5 type vlan id 5
	peer ip addr add 10.9.5.2/24 dev peer0.5
	peer ip link set peer0.5 up
	for state in on off; do
		ethtool -K eth0 rxvlan "$state" txvlan "$state" || return
		wait_for $((10 * slow)) ping -c 1 -W 1 10.9.5.2
		pinged 10.9.5.1 || { echo "rxvlan $state"; return 1; }
	done
	sends 10.9.5.2 -B 10.9.5.1 || return
	ethtool -K eth0 rxvlan on txvlan on || return
	sends 10.9.5.2 -B 10.9.5.1 || return
	ip link del eth0.5
	peer ip link del peer0.5
}

rings() {
	local n

	for n in 64 4096 512; do
		ethtool -G eth0 rx "$n" tx "$n" || return
		if ! pings || ! sends; then
			echo "$n slots"
			return 1
		fi
	done
}

channels() {
	local n

	for n in 1 2; do
		ethtool -L eth0 combined "$n" || return
		if ! pings || ! sends "$PEER" -P 4 || ! sends "$PEER" -P 4 -R; then
			echo "$n channels"
			return 1
		fi
	done
}

features() {
	local name state

	for name in rx tx sg tso gso gro lro rxhash ntuple rx-vlan-filter rx-all; do
		state=$(ethtool -k eth0 | sed -nE "s/^($name|$(long_name "$name")): (on|off)( .*)?$/\2/p")
		for to in on off "$state"; do
			ethtool -K eth0 "$name" "$to" || return
		done
		pings || { echo "$name"; return 1; }
		echo "$name, ${state:-?} before"
	done
	ethtool -K eth0 tx off rx off && sends && sends "$PEER" -R &&
		ethtool -K eth0 rx on tx on sg on tso on gso on gro on
}

long_name() {
	case $1 in
	rx) echo rx-checksumming ;;
	tx) echo tx-checksumming ;;
	sg) echo scatter-gather ;;
	tso) echo tcp-segmentation-offload ;;
	gso) echo generic-segmentation-offload ;;
	gro) echo generic-receive-offload ;;
	lro) echo large-receive-offload ;;
	rxhash) echo receive-hashing ;;
	ntuple) echo ntuple-filters ;;
	*) echo "$1" ;;
	esac
}

jumbo() {
	ip link set eth0 mtu 9000 && peer ip link set peer0 mtu 9000 || return
	pings -s 8900 -M "do" && sends && sends "$PEER" -R || return
	ip link set eth0 mtu 1500 && peer ip link set peer0 mtu 1500 || return
	pings
}

downs_and_ups() {
	local i

	for ((i = 0; i < $1; i++)); do
		ip link set eth0 down && ip link set eth0 up || return
	done
	pings || return
	echo "$i times"
}

# Traffic comes in all the time.
downs_under_load() {
	local i load

	peer ping -f -s 1400 "$HOST" >/dev/null 2>&1 &
	load=$!
	for ((i = 0; i < 10; i++)); do
		ip link set eth0 down && ip link set eth0 up || return
		wait_for $((20 * slow)) has_link
		sleep 0.2
	done
	kill "$load"
	wait "$load" 2>/dev/null
	pings
}

self_test() {
	local text

	text=$(timeout 300 ethtool -t eth0 "$1") || { echo "$text"; return 1; }
	tr '\n\t' '  ' <<<"$text"
	echo
	pings
}

reloads() {
	local i

	for i in 1 2; do
		nic_reload || return
		ip addr add "$HOST/24" dev eth0
		ip link set eth0 up
		pings || return
	done
}

# A drain that takes its time is waited for.
slow_drain() {
	nic_order drain 15000 && downs_and_ups 3 && nic_order drain 500
}

late_write_back() {
	nic_order late 2000 && pings && sends && sends "$PEER" -R && nic_order late 0
}

flap() {
	local before

	before=$(cat /sys/class/net/eth0/carrier_down_count)
	nic_order link down || return
	wait_for 10 not_linked || return
	nic_order link up || return
	pings || return
	[ "$(cat /sys/class/net/eth0/carrier_down_count)" -gt "$before" ]
}

not_linked() {
	! has_link
}

error_frames() {
	local crc long

	crc=$(counted rx_crc_errors) long=$(counted rx_length_errors)
	nic_order inject crc 100 10 && nic_order inject length 100 5 &&
		nic_order inject oversize 4000 3 && nic_order inject double 1518 3 ||
		return
	sleep 3
	echo "$(($(counted rx_crc_errors) - crc)) CRC, $(($(counted rx_length_errors) - long)) length"
	[ "$(($(counted rx_crc_errors) - crc))" = 10 ] &&
		[ "$(($(counted rx_length_errors) - long))" = 5 ] && pings
}

check up up
check ping pings
check pinged pinged "$HOST"
check tcp-send sends
check tcp-receive sends "$PEER" -R
check tcp-flows sends "$PEER" -P 8
check udp-send sends "$PEER" -u -b 50M --get-server-output
check udp-receive sends "$PEER" -u -b 50M -R
check counters same_counts
check v6 v6
check vlan vlan
check rings rings
check channels channels
check features features
check jumbo jumbo
check self-test steadily self_test offline
check self-test-online self_test online
check error-frames error_frames
check late-write-back late_write_back
check flap flap
check slow-drain slow_drain
check down-under-load downs_under_load
check reloads reloads
check downs downs_and_ups "$downs"
check at-last sends
nic_order stats
exit $FAILED
