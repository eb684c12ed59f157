# shellcheck shell=bash
# Bytes the CPU copies on vhost's paths, as the kernel does them.
#
# Without erms and fsrm (lab/host.py takes them off) every copy to or from user
# memory whose size is no constant ends in rep_movs_alternative(): one probe sees
# each copy once, and the return address on the stack tells who asked. Counted
# are copies by vhost workers to user space (the guest's memory) for reception,
# from it for transmission. A virtio header that is written is at most 24 bytes, one
# that is read 12, and ring entries are vhost's own: none of them is payload.
#
# What mp reads of a frame that is sent by single loads is not seen: the virtio header,
# and of a frame of more than 256 bytes the Ethernet header. lab/bench/report.py adds
# these 14 bytes for each frame of a known number.

TRACING=/sys/kernel/tracing
COPY_EVENT=$TRACING/events/lab/copy

copies_setup() {
	echo 'p:lab/copy rep_movs_alternative dst=%di:u64 src=%si:u64 bytes=%cx:u64 caller=+0(%sp):u64' \
		>>$TRACING/kprobe_events
}

# copies_trigger [rx|tx]
copies_trigger() {
	local user=dst header=24

	[ "${1:-rx}" = rx ] || user=src header=12
	echo "hist:keys=caller.sym,bytes:size=16384 if COMM ~ \"vhost-*\" &&" \
		"$user < 0x800000000000 && bytes > $header"
}

copies_start() {
	copies_trigger "$@" >$COPY_EVENT/trigger
}

# copies_restart [rx|tx]: also after one that was never stopped.
copies_restart() {
	local trigger

	for trigger in rx tx; do
		echo "!$(copies_trigger $trigger)" >$COPY_EVENT/trigger
	done 2>/dev/null
	copies_start "$@"
}

# copies_stop FILE [rx|tx]: the histogram as the kernel prints it.
copies_stop() {
	cat $COPY_EVENT/hist >"$1"
	echo "!$(copies_trigger "${2:-rx}")" >$COPY_EVENT/trigger
}

copies_teardown() {
	echo 0 >$COPY_EVENT/enable
	echo '-:lab/copy' >>$TRACING/kprobe_events
}
