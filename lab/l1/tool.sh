#!/bin/bash
# tool.sh: mpctl without a guest: which address it gives, what the NIC receives
# and until when, binding anew, and what it says when it cannot.
#
# shellcheck disable=SC2317 # functions are called by way of check
. /src/lab/l1/lib.sh
. /src/lab/l1/nic.sh

say=/tmp/say

check() {
	tried "tool/$1" "${@:2}"
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

# A tagged frame hashes to another queue than others, and so may overtake them.
check peer-one-queue peer ethtool -L peer0 combined 1
check hears-all hears "guest nic other group vlan"
check hears-filtered hears "guest nic group vlan" --filter
check hears-filtered-given hears "guest nic group vlan" --filter \
	--mac 02:11:22:33:44:55
check leaves-nothing nic_mode_is 0 0

# inherits NUMBER COMMAND...: the command has so many descriptors of mpctl, and no
# socket, by which it could listen to all of the host's.
inherits() {
	local number=$1 got

	shift
	# shellcheck disable=SC2016 # of that shell
	got=$("$@" -- sh -c 'ls -lU /proc/$$/fd' %fds 3>&-) || return
	echo "$got"
	[ "$(grep -c -e "-> /dev/net/mp" <<<"$got")" = "$number" ] &&
		! grep -q -e "-> socket" <<<"$got"
}
check inherits inherits 1 mpctl bind eth0
check inherits-filtered inherits 1 mpctl bind eth0 --filter
check inherits-queues inherits 2 mpctl bind eth0 --queues 2

# Not mpctl, which has still to set up what is bound.
sleep_has_it() {
	mpctl show eth0 | grep -q "^sleep, pid"
}

# holder OPTION...: a process that has eth0 bound; its number is $!. It is "without",
# if that is set, a capability.
without=()
holder() {
	"${without[@]}" mpctl bind eth0 "$@" -- sh -c 'exec sleep 1000' %fds 3>&- \
		>/dev/null 2>&1 &
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

# let_go PID: kill it and see that the NIC is no more with it. There is no wait(1)
# here: in a subshell, as that of check, bash waits for a child of its parent until
# those of its own have ended, too.
let_go() {
	kill "$1"
	wait_for 5 has_no_more "$1"
}

has_no_more() {
	! nic_is_bound "$1"
}

# has_queue PID QUEUE
has_queue() {
	mpctl show eth0 | grep -q "^sleep, pid $1, fd [0-9]*, queue $2\$"
}

# sharer: a process beside the one that has it; its number is $sharer_pid.
sharer() {
	mpctl share eth0 -- sh -c 'exec sleep 1000' %fds >/dev/null 2>&1 3>&- &
	sharer_pid=$!
	wait_for 10 has_queue "$sharer_pid" 0
}

# What a second process has is the same descriptor, and what is received for it stays.
shared() {
	inherits 1 mpctl share eth0 && sharer || return
	echo "process $sharer_pid beside $1"
	says 1 "--pid $1 " mpctl share eth0 -- true %fd &&
		grep -e "--pid $sharer_pid " "$say" &&
		mpctl share eth0 --pid "$sharer_pid" -- true %fd &&
		let_go "$1" && has_queue "$sharer_pid" 0 && nic_mode_is 1 0 &&
		let_go "$sharer_pid" && wait_for 5 nic_mode_is 0 0 &&
		! nic_is_bound
}
check share-none says 7 "such process has eth0" mpctl share eth0 --pid 1 -- true %fd
check share-elsewhere says 7 "process has eth0" peer mpctl share eth0 -- true %fd
check share-no-command says 1 "a command" mpctl share eth0
check share-no-fd says 1 "%fd" mpctl share eth0 -- true
check share-mac says 0 "^02:11:22:33:44:55 [0-9]*$" \
	mpctl share eth0 --mac 02:11:22:33:44:55 -- echo %mac %fd
# Who is not allowed to look does not find it.
check share-no-rights says 7 "run as root" \
	capsh --drop=cap_sys_ptrace -- -c "mpctl share eth0 -- true %fd"
check share shared "$holder_pid"
check share-unbound says 7 "process has eth0" mpctl share eth0 -- true %fd
wait $holder_pid 2>/dev/null

# Who may look at a process, but have nothing from it: by its effective user it is
# the same, by its real one it is another. As many capabilities it has to have.
without=(setpriv --bounding-set=-sys_ptrace)
holder
holder_pid=$!
check share-refused says 4 "CAP_SYS_PTRACE is needed" \
	"${without[@]}" --ruid=65534 mpctl share eth0 -- true %fd
kill $holder_pid
wait $holder_pid 2>/dev/null
without=()

# Of two queues, whose descriptors are in the order of their queues, however the first
# process has them.
# shellcheck disable=SC2016 # of that shell
mpctl bind eth0 --queues 2 -- bash -c 'IFS=: read -r one two <<<"$1"
	exec 20<&"$two" 21<&"$one" {one}<&- {two}<&-
	exec sleep 1000' - %fds 3>&- >/dev/null 2>&1 &
holder_pid=$!
wait_for 10 has_queue $holder_pid 1

queues_shared() {
	local text

	# shellcheck disable=SC2016 # of that shell
	text=$(mpctl share eth0 -- bash -c 'for fd in ${1//:/ }; do
		sed -n "s/^mp-\(dev\|queue\):[[:space:]]*//p" /proc/$$/fdinfo/$fd
		done' - %fds | tr '\n' ' ')
	echo "$text"
	[ "$text" = "eth0 0 eth0 1 " ] || return
	sharer || return
	let_go "$1" && has_queue "$sharer_pid" 0 && has_queue "$sharer_pid" 1 &&
		nic_mode_is 1 0 && let_go "$sharer_pid" && ! nic_is_bound
}
check share-queues-no-fds says 1 "%fds" mpctl share eth0 -- true %fd
check share-queues queues_shared $holder_pid
wait $holder_pid 2>/dev/null
holder
holder_pid=$!

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

# A process that opened the node itself is no different.
kill $holder_pid
wait $holder_pid 2>/dev/null
sleep 1000 <>/dev/net/mp 3>&- 4>&- >/dev/null 2>&1 &
opener_pid=$!
wait_for 5 mpctl show -
check rebind-opened rebound "1 0" $opener_pid
nic_reload
check rebind-no-rights says 7 "run as root" \
	capsh --drop=cap_sys_ptrace -- -c "mpctl rebind eth0"
kill $opener_pid
wait $opener_pid 2>/dev/null

# Where it was opened counts, not where the process is now.
ip netns add other
ip netns exec other sh -c 'exec nsenter --net=/proc/1/ns/net sleep 1000 \
	<>/dev/net/mp 3>&- 4>&-' >/dev/null 2>&1 &
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

# helped HELPER...: as QEMU does, a process executes that and gets a descriptor by the
# socket.
helped() {
	python3 -c '
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
helper = sys.argv[1:] + ["--use-vnet", "--fd=%d" % theirs.fileno(), "--br=br0"]
subprocess.run(helper, pass_fds=[theirs.fileno()], check=True)
fds = socket.recv_fds(ours, 1, 4)[1]
os.set_inheritable(fds[0], True)
os.execvp("sleep", ["sleep", "1000"])' "$@" 3>&- >/dev/null 2>&1 &
	wait_for 10 sleep_has_it
}
helped mpctl helper eth0 --filter
helped_pid=$!
check helper sleep_has_it
check helper-filter nic_mode_is 0 1
kill $helped_pid
wait $helped_pid 2>/dev/null
check helper-ends-with-process wait_for 5 nic_mode_is 0 0
check helper-alone says 1 "for QEMU" mpctl helper eth0
check helper-two says 1 "one device" mpctl helper eth0 eth1 --fd=0
check helper-no-socket says 6 "descriptor 0" mpctl helper eth0 --fd=0 </dev/null
check helper-leaves-nothing wait_for 5 nic_mode_is 0 0

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
check no-raw says 0 "^[0-9]*$" \
	capsh --drop=cap_net_raw -- -c "mpctl bind eth0 -- echo %fd"
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
