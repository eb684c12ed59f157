#!/bin/bash
# control.sh [short]: what is done to a guest on mp from its monitor, and what it does
# to itself, under a flood: stop and cont, its link off and on, an earlier state of it
# loaded, resets, reboots, and a kernel that starts another. What the NIC was to fill
# is nobody's but the new kernel's then: the files of its initramfs, unpacked when the
# flood has gone on since the reset, are compared with those of the first boot, and
# some of its memory, a third unless it is to be short, is filled and looked at again.
# Before that, kexec's own code has compared the checksums of the kernel and the
# initramfs that it starts.
#
# shellcheck disable=SC2317 # functions are called by way of check and wait_for
# shellcheck disable=SC2034 # GUEST_* are of guest-lib.sh
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh

short=${1:-}
own=$([ "$short" ] && echo 20000000 || echo 80000000)
GUEST_NET=rx_queue_size=1024
GUEST_MAC=02:00:00:6d:69:68

check() {
	guest_check "control/$1" "${@:2}"
}

# Some 2000 frames a second, and fewer from a machine that is slow. With as many as can
# be sent, an emulated guest comes to nothing else.
flood() {
	peer python3 -SE - "$GUEST_IP" >/dev/null 2>&1 3>&- <<-'END' &
		import socket, sys, time
		wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		while True:
		    start = time.monotonic()
		    for _ in range(20):
		        wire.sendto(bytes(1400), (sys.argv[1], 9))
		    time.sleep(min(0.1, max(0.01, 4 * (time.monotonic() - start))))
	END
	flood_pid=$!
}

in_zero_copy() {
	[ "$(mp_counter mode)" = zero-copy ]
}

# More frames come, and in place: a hundred, and one of five that are sent meanwhile.
receives() {
	local before sent start enough=0

	wait_for 20 in_zero_copy || { echo "mode $(mp_counter mode)"; return 1; }
	before=$(mp_counter zerocopy) sent=$(peer_sent)
	start=$SECONDS
	wait_for 3 came_of_sent || enough=1
	echo "$(($(mp_counter zerocopy) - before)) frames of $(($(peer_sent) - sent))" \
		"in $((SECONDS - start)) s"
	return "$enough"
}

came_of_sent() {
	came 100 && came $((($(peer_sent) - sent) / 5))
}

peer_sent() {
	peer cat /sys/class/net/peer0/statistics/tx_packets
}

# came N: since there were $before.
came() {
	[ $(($(mp_counter zerocopy) - before)) -gt "$1" ]
}

none_posted() {
	[ "$(mp_counter outstanding)" = 0 ]
}

stop_and_cont() {
	local i

	for i in 1 2 3 4 5; do
		guest_monitor stop
		wait_for 5 none_posted ||
			{ echo "it is stopped, and buffers are posted"; return 1; }
		sleep 0.3
		none_posted || return
		guest_monitor cont
		receives || return
	done
	guest_run true
}

guest_carrier() {
	[ "$(guest_run cat /sys/class/net/eth0/carrier)" = "$1" ]
}

link_off_and_on() {
	local i

	for i in 1 2 3; do
		guest_monitor "set_link n0 off"
		wait_for 10 guest_carrier 0 || { echo "it has a carrier"; return 1; }
		none_posted || { echo "buffers are posted"; return 1; }
		guest_monitor "set_link n0 on"
		wait_for 10 guest_carrier 1 || { echo "no carrier"; return 1; }
		receives || return
	done
}

files_sum() {
	guest_run "find /bin /usr /modules -type f | sort | xargs cat | md5sum"
}

# job COMMAND ARGUMENTS: of QEMU, which goes on beside; until it is done.
job() {
	guest_qmp "$1" "{\"job-id\": \"job\", $2}" >/dev/null || return
	wait_for 90 job_is_over || { echo "$1 does not end"; return 1; }
	! grep -o '"error".*' /tmp/jobs || return
	guest_qmp job-dismiss '{"id": "job"}' >/dev/null
}

job_is_over() {
	guest_qmp query-jobs >/tmp/jobs && grep -q '"status": "concluded"' /tmp/jobs
}

# What savevm and loadvm write to, and read.
disk() {
	local file='"driver": "file", "filename": "/tmp/states"'

	job blockdev-create "\"options\": {$file, \"size\": 0}" &&
		guest_qmp blockdev-add "{$file, \"node-name\": \"file\"}" &&
		job blockdev-create '"options": {"driver": "qcow2", "file": "file",
			"size": 1048576}' &&
		guest_qmp blockdev-add '{"driver": "qcow2", "file": "file",
			"node-name": "states"}'
}

# Of its memory nothing is as it was when that was saved, until that is loaded.
load() {
	local state='"tag": "one", "vmstate": "states", "devices": ["states"]' sum
	local other="head -c 60000000 /dev/urandom >/tmp/own; md5sum </tmp/own"

	disk || return
	sum=$(guest_run "$other") || return
	job snapshot-save "$state" || return
	receives || return
	[ "$(guest_run "$other")" != "$sum" ] || return
	job snapshot-load "$state" && guest_woken && receives || return
	[ "$(guest_run "md5sum </tmp/own; rm /tmp/own")" = "$sum" ] ||
		{ echo "its memory is not as it was"; return 1; }
	[ "$(files_sum)" = "$files" ] && said_nothing &&
		wait_for 10 guest_run ping -c 1 -W 1 10.9.0.2 || return
	echo "$(stat -c %s /tmp/states) bytes, of which it receives on"
	guest_qmp blockdev-del '{"node-name": "states"}' >/dev/null &&
		guest_qmp blockdev-del '{"node-name": "file"}' >/dev/null &&
		rm /tmp/states
}

# Much of its memory, of one byte, stays so for a while.
owns_its_memory() {
	local wrong

	[ "$(files_sum)" = "$files" ] ||
		{ echo "its files are not those of the initramfs"; return 1; }
	wrong=$(guest_run "head -c $own /dev/zero | tr '\\0' z >/tmp/own;" \
		"sleep 2; tr -d z </tmp/own | wc -c; rm /tmp/own") || return
	echo "$wrong of $own bytes were changed"
	[ "$wrong" = 0 ]
}

is_up() {
	guest_expect 300 @ready && receives && owns_its_memory &&
		wait_for 10 guest_run ping -c 1 -W 1 10.9.0.2 && said_nothing
}

said_nothing() {
	! grep -E "$GUEST_BAD" "$GUEST_DIR/console"
}

reset() {
	guest_monitor system_reset
	is_up
}

reboot() {
	printf 'reboot -f\n' >&7
	is_up
}

# peer_gives PORT FILE
peer_gives() {
	peer timeout 60 socat -u "OPEN:$2" "TCP-LISTEN:$1,reuseaddr" 3>&- &
}

fetch() {
	peer_gives 5010 /src/build/guest/vmlinuz-debian
	peer_gives 5011 /src/build/guest/initramfs-debian
	sleep 1
	guest_run "nc 10.9.0.2 5010 >/tmp/kernel" &&
	guest_run "nc 10.9.0.2 5011 >/tmp/initrd" &&
	[ "$(guest_run "cat /tmp/kernel /tmp/initrd | md5sum")" = \
	  "$(cat /src/build/guest/{vmlinuz,initramfs}-debian | md5sum)" ]
}

kexec() {
	guest_run "kexec-file /tmp/kernel /tmp/initrd load" || return
	printf 'kexec-file /tmp/kernel /tmp/initrd\n' >&7
	is_up
}

if ! backend_setup mp || ! guest_start mp debian -m 384M; then
	result control/start fail "no /dev/net/mp, no mpctl, or no guest"
	exit 1
fi
ip -n peer neigh replace "$GUEST_IP" lladdr "$GUEST_MAC" dev peer0 nud permanent
wait_for 20 guest_run ping -c 1 -W 1 10.9.0.2
guest_monitor "info status"
guest_qmp set-action '{"reboot": "reset"}' >/dev/null
files=$(files_sum)
[ "$short" ] || check fetched fetch
flood
check flood receives
check stop-and-cont stop_and_cont
check set-link link_off_and_on
if [ ! "$short" ]; then
	check load load
	check kexec kexec
fi
check system-reset reset
if [ ! "$short" ]; then
	check reboot reboot
	check reboot-again reboot
fi
kill "$flood_pid"
mpctl show eth0
guest_stop
exit $FAILED
