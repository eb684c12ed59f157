#!/bin/bash
# tool.sh: mpctl without a guest: which address it gives, what the NIC receives
# and until when, binding anew, and what it says when it cannot.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/nic.sh

say=/tmp/say

# check NAME COMMAND...: its output is the remark.
check() {
	local name=tool/$1 text

	shift
	if text=$("$@" 2>&1); then
		result "$name" pass "${text##*$'\n'}"
	else
		printf '%s\n' "$text"
		result "$name" fail "${text%%$'\n'*}"
	fi
}

# says STATUS WORD COMMAND...: it ends so, and prints a line with WORD.
says() {
	local status=$1 word=$2 got

	shift 2
	"$@" >"$say" 2>&1
	got=$?
	cat "$say"
	[ "$got" = "$status" ] || { echo "status $got"; return 1; }
	grep -q -e "$word" "$say"
}

silent_about() {
	! grep -i -e "$1" "$say"
}

mac_of() {
	mpctl bind "$1" -- echo %mac %fd | cut -d' ' -f1
}

mac_own() {
	local mac nic

	mac=$(mac_of eth0) nic=$(cat /sys/class/net/eth0/address)
	echo "$mac of the NIC $nic"
	[ "${#mac}" = 17 ] && [ "$mac" != "$nic" ] &&
		[ $((0x${mac%%:*} & 3)) = 2 ]
}

# Whatever address the NIC is given.
mac_stable() {
	local mac nic

	mac=$(mac_of eth0) nic=$(cat /sys/class/net/eth0/address)
	[ "$(mac_of eth0)" = "$mac" ] || return
	ip link set eth0 address 02:00:00:00:00:77
	[ "$(mac_of eth0)" = "$mac" ]
	set -- $?
	ip link set eth0 address "$nic"
	return "$1"
}

mac_of_each_nic() {
	local other

	other=$(peer mpctl bind peer0 -- echo %mac %fd | cut -d' ' -f1)
	peer ip link set peer0 up
	echo "$other of the other NIC"
	[ "${#other}" = 17 ] && [ "$other" != "$(mac_of eth0)" ]
}

mac_given() {
	[ "$(mpctl bind eth0 --mac 02:11:22:33:44:55 -- echo %mac %fd |
		cut -d' ' -f1)" = 02:11:22:33:44:55 ]
}

check mac-own mac_own
check mac-stable mac_stable
check mac-each-nic mac_of_each_nic
check mac-given mac_given

# hears WORDS OPTION...
hears() {
	local want=$1 got

	shift
	got=$(mpctl bind eth0 "$@" -- python3 /src/lab/l1/hears.py %fd %mac)
	echo "$got"
	[ "$got" = "$want" ]
}

check hears-all hears "guest nic other group vlan"
check hears-filtered hears "guest nic group vlan" --filter
check hears-filtered-given hears "guest nic group vlan" --filter \
	--mac 02:11:22:33:44:55
check leaves-nothing nic_mode_is 0 0

# Not mpctl, which has still to set up what is bound.
sleep_has_it() {
	mpctl show eth0 | grep -q "^sleep, pid"
}

# holder OPTION...: a process that has eth0 bound; its number.
holder() {
	mpctl bind eth0 "$@" -- sh -c 'exec sleep 1000' %fd 3>&- >/dev/null 2>&1 &
	wait_for 10 sleep_has_it
}

holder
holder_pid=$!
check in-use says 5 "Process $holder_pid (sleep) has eth0" \
	mpctl bind eth0 -- true %fd
check in-use-hints silent_about "bridge\|XDP\|ethtool"

# watched: two looks at least, and the end of it.
watched() {
	mpctl show eth0 --watch >/lab/watched 2>&1 &
	wait_for 10 grep -q "^eth0, sleep, pid $1, fd [0-9]*, queue 0: " /lab/watched ||
		return
	cat /lab/watched
}
check watch watched "$holder_pid"
check watch-no-number says 1 "no number of seconds" mpctl show --watch=x

# queue_get TYPE QUEUE
queue_get() {
	python3 /src/build/linux/tools/net/ynl/pyynl/cli.py --no-schema --spec \
		/src/build/linux/Documentation/netlink/specs/netdev.yaml \
		--do queue-get --json "{\"ifindex\":
		$(cat /sys/class/net/eth0/ifindex), \"type\": \"$1\", \"id\": $2}"
}

told() {
	queue_get rx 0 | grep mpassthru && queue_get tx 0 | grep mpassthru
}

not_told() {
	queue_get rx 0 && ! queue_get rx 0 | grep mpassthru
}
check queue-get told

is_down() {
	! ip link show eth0 | grep -q "[<,]UP[,>]"
}

ip link set eth0 down
says 5 "has eth0" mpctl bind eth0 -- true %fd
check in-use-left-down is_down
ip link set eth0 up
check none-unbound says 7 "mpctl show" mpctl rebind eth0

# rebound MODE PID OPTION...: the descriptor of PID, and the NIC's mode with it.
rebound() {
	local mode=$1 pid=$2

	shift 2
	says 0 "queue 0 of eth0 is bound to descriptor [0-9]* of process $pid" mpctl rebind eth0 "$@" || return
	nic_is_bound "$pid" || { echo "not bound"; return 1; }
	echo "promiscuity and allmulti $(nic_mode)"
	nic_mode_is "$mode"
}

nic_reload
check reload-unbinds says 7 "bound to eth0" mpctl show eth0
# Of a device that is down, queue-get says nothing.
ip link set eth0 up
check queue-get-unbound not_told
ip link set eth0 down
check rebind rebound "1 0" $holder_pid
nic_reload
check rebind-filtered rebound "0 1" $holder_pid --filter
# Of a binding that lives, nothing is taken.
check rebind-in-use says 7 "no process has an unbound" mpctl rebind eth0

nic_reload
holder --filter
second_pid=$!
nic_reload
check rebind-which says 1 "--pid $holder_pid " mpctl rebind eth0
check rebind-which-other grep -e "--pid $second_pid " "$say"
check rebind-not-that says 7 "such process" mpctl rebind eth0 --pid 1
check rebind-pid rebound "1 0" $second_pid --pid $second_pid
kill $second_pid
wait $second_pid 2>/dev/null
check ends-with-process wait_for 5 nic_mode_is 0 0

# The descriptor looks names up where it was opened.
ip netns add other
ip link set eth0 netns other
check rebind-elsewhere says 3 "another network namespace" \
	ip netns exec other mpctl rebind eth0
check rebind-not-there says 3 "ip link" mpctl rebind eth0
ip -n other link set eth0 netns 1
check rebind-back rebound "1 0" $holder_pid
ip netns del other

# A process that opened the node itself has nothing to hold a membership.
kill $holder_pid
wait $holder_pid 2>/dev/null
sleep 1000 <>/dev/net/mp 3>&- 4>&- >/dev/null 2>&1 &
opener_pid=$!
wait_for 5 mpctl show -
check rebind-no-socket says 0 "promisc on" mpctl rebind eth0
nic_reload
check rebind-no-rights says 7 "run as root" \
	capsh --drop=cap_sys_ptrace -- -c "mpctl rebind eth0"
kill $opener_pid
wait $opener_pid 2>/dev/null

# Nor anything but where it is now to say which device is meant.
ip netns add other
ip netns exec other sh -c 'exec sleep 1000 <>/dev/net/mp 3>&- 4>&-' \
	>/dev/null 2>&1 &
opener_pid=$!
wait_for 5 mpctl show -
ip link set eth0 down
check rebind-opened-elsewhere says 3 "another network namespace" \
	mpctl rebind eth0
check rebind-elsewhere-left-down is_down
kill $opener_pid
wait $opener_pid 2>/dev/null
ip netns del other

# Whoever starts it has none: the descriptor takes the place of no stream.
streams_closed() {
	local fd

	mpctl bind eth0 -- no-such-thing %fd 2>&-
	[ $? = 127 ] || return
	fd=$(mpctl bind eth0 -- echo %fd 0<&- 2>&-)
	echo "descriptor $fd"
	[ "$fd" -gt 2 ]
}
check streams-closed streams_closed

echo 1 >/sys/class/net/eth0/device/sriov_numvfs
check virtual-functions says 5 sriov_numvfs mpctl bind eth0 -- true %fd
check virtual-functions-hints silent_about "driver cannot\|ethtool"
echo 0 >/sys/class/net/eth0/device/sriov_numvfs
ip link add br0 type bridge
ip link set eth0 master br0
check in-bridge says 5 "take it out" mpctl bind eth0 -- true %fd
check in-bridge-hints silent_about "process\|XDP"
ip link del br0
check no-such-nic says 3 "ip link" mpctl bind eth9 -- true %fd
check no-support says 5 "no mpassthru support" mpctl bind lo -- true %fd
check no-admin says 4 "CAP_NET_ADMIN" \
	capsh --drop=cap_net_admin -- -c "mpctl bind eth0 -- true %fd"
check no-raw says 4 "CAP_NET_RAW" \
	capsh --drop=cap_net_raw -- -c "mpctl bind eth0 -- true %fd"
check no-command says 127 "no-such-thing" mpctl bind eth0 -- no-such-thing %fd
check no-fd says 1 "%fd" mpctl bind eth0 -- true
check no-fds says 1 "%fds" mpctl bind eth0 --queues 2 -- true %fd
check too-many-queues says 1 "no more than" \
	mpctl bind eth0 --queues 17 -- true %fds
check no-such-queue says 5 "queue [0-9]* cannot be bound" \
	mpctl bind eth0 --queues 16 -- true %fds
check fds says 0 "^[0-9]*:[0-9]*$" mpctl bind eth0 --queues 2 -- echo %fds
check bad-mac says 1 "station" mpctl bind eth0 --mac 01:00:5e:00:00:01 -- true %fd
check bad-mac-sign says 1 "station" \
	mpctl bind eth0 --mac +2:11:22:33:44:55 -- true %fd
check bad-mac-short says 1 "station" mpctl bind eth0 --mac 2:1:2:3:4:5 -- true %fd
check help says 0 "rebind DEV" mpctl --help
check leaves-nothing-at-last nic_mode_is 0 0
exit $FAILED
