#!/bin/bash
# kill.sh [COUNT]: kill -9 QEMU while it receives, COUNT times. Each time the NIC
# is the host's again and passes traffic; at the end no page stays pinned.
#
# The guest boots once and is migrated to a file. Each round goes on from there,
# which takes a second instead of ten.
#
# shellcheck disable=SC2317 # functions are called by way of wait_for
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh

count=${1:-50}
backend_setup mp || { result kill fail "no /dev/net/mp or no mpctl"; exit 1; }

# Free pages on the lists of the CPUs count as used: up to an eighth of the memory,
# unless told otherwise.
echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction

# Memory that somebody could have forgotten to give back, in kB; caches go first.
in_use() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '{ m[$1] = $2 }
	     END { used = m["MemTotal:"] - m["MemFree:"] - m["Buffers:"]
		   print used - m["Cached:"] - m["SReclaimable:"] }' /proc/meminfo
}

# Pages pinned now, by the kernel's own count.
pinned() {
	awk '$1 == "nr_foll_pin_acquired" { a = $2 }
	     $1 == "nr_foll_pin_released" { r = $2 }
	     END { print a - r }' /proc/vmstat
}

host_passes_traffic() {
	ip addr replace 10.9.0.1/24 dev eth0 && ip link set eth0 up &&
	wait_for 10 ping -c 1 -W 1 10.9.0.2 &&
	ip addr flush dev eth0
}

# The neighbour, or the link, may not be there at once.
peer_flood() {
	rm -f /tmp/calm
	peer bash -c 'until [ -e /tmp/calm ] || iperf3 "$@"; do sleep 0.5; done' \
		- -c "$GUEST_IP" -u -l 1400 -b 0 -t 60 >/dev/null 2>&1 &
}

is_flooded() {
	[ "$(mp_counter zerocopy)" -gt 1000 ]
}

baseline_pins=$(pinned)
least=()
if ! guest_start mp 7.3 || ! guest_save /tmp/guest.state; then
	result kill fail "no guest to start with"
	exit 1
fi
guest_kill
GUEST_STATE=/tmp/guest.state
for ((i = 1; i <= count; i++)); do
	guest_start mp 7.3 || { result "kill/$i" fail "no guest"; exit 1; }
	peer_flood
	# Under load, or the kill would prove little.
	if ! wait_for 10 is_flooded; then
		guest_fails "kill/$i" "nothing was received before the kill"
		touch /tmp/calm
		pkill -KILL -x iperf3
		exit 1
	fi
	sleep 0.$((RANDOM % 10))
	touch /tmp/calm
	guest_kill
	# Not its parent, which would leave it running.
	pkill -KILL -x iperf3
	wait $! 2>/dev/null
	host_passes_traffic ||
		{ result "kill/$i" fail "the NIC does not work for the host"; exit 1; }
	# What a process had is given back for some time after its end: compare
	# the least of each half.
	half=$((i > count / 2))
	used=$(in_use)
	[ "$used" -gt "${least[half]:-$used}" ] || least[half]=$used
	echo "kill $i of $count: $(pinned) pages pinned, $used kB in use"
done
[ "$FAILED" = 0 ] && result "kill/$count-times" pass

# A work item unpins them.
unpinned() {
	[ "$(pinned)" = "$baseline_pins" ]
}

if wait_for 5 unpinned; then
	result kill/pins pass
else
	result kill/pins fail "$(pinned) pages pinned, $baseline_pins before"
fi
# The debug kernel keeps freed memory for KASAN; it has kmemleak.
[ "$LAB_CONFIG" = plain ] || exit "$FAILED"
grown=$((least[1] - least[0]))
if [ $grown -lt 8192 ]; then
	result kill/memory pass "$grown kB more in the second half"
else
	result kill/memory fail "$grown kB more in the second half"
fi
exit $FAILED
