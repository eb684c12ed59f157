#!/bin/bash
# kill.sh [COUNT]: kill -9 QEMU while it receives, COUNT times. Each time the NIC
# is the host's again and passes traffic; at the end no page stays pinned.
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh

count=${1:-50}
backend_setup mp || { result kill fail "no /dev/net/mp or no mpctl"; exit 1; }

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

peer_flood() {
	peer iperf3 -c "$GUEST_IP" -u -l 1400 -b 0 -t 60 >/dev/null 2>&1 &
	FLOOD=$!
}

baseline_pins=$(pinned)
for ((i = 1; i <= count; i++)); do
	guest_start mp 7.3 || { result "kill/$i" fail "no guest"; exit 1; }
	peer_flood
	sleep 1.$((RANDOM % 10))
	# Under load, or the kill would prove little.
	if [ "$(mp_counter zerocopy)" = 0 ]; then
		result "kill/$i" fail "nothing was received before the kill"
	fi
	guest_kill
	kill "$FLOOD"
	wait "$FLOOD" 2>/dev/null
	host_passes_traffic ||
		{ result "kill/$i" fail "the NIC does not work for the host"; exit 1; }
	# The first round warms up what the host keeps anyway.
	[ $i != 1 ] || baseline=$(in_use)
	echo "kill $i of $count: $(pinned) pages pinned"
done
[ "$FAILED" = 0 ] && result "kill/$count-times" pass

if [ "$(pinned)" = "$baseline_pins" ]; then
	result kill/pins pass
else
	result kill/pins fail "$(pinned) pages pinned, $baseline_pins before"
fi
grown=$(($(in_use) - baseline))
if [ $grown -lt 8192 ]; then
	result kill/memory pass "$grown kB more than after the first"
else
	result kill/memory fail "$grown kB more than after the first"
fi
exit $FAILED
