# shellcheck shell=bash
# Bytes the CPU copies on the receive path of vhost, as the kernel does them.
#
# Without erms and fsrm (lab/host.py takes them off) every copy to or from user
# memory whose size is no constant ends in rep_movs_alternative(): one probe sees
# each copy once, and the return address on the stack tells who asked. Counted
# are copies into user space (the guest's memory) by vhost workers. A virtio
# header is at most 20 bytes, and used ring entries are written by vhost itself:
# neither is payload.

TRACING=/sys/kernel/tracing
COPY_EVENT=$TRACING/events/lab/copy
COPY_FILTER='COMM ~ "vhost-*" && dst < 0x800000000000 && bytes > 20'

copies_setup() {
	echo 'p:lab/copy rep_movs_alternative dst=%di:u64 bytes=%cx:u64 caller=+0(%sp):u64' \
		>>$TRACING/kprobe_events
}

copies_start() {
	echo "hist:keys=caller.sym,bytes:size=16384 if $COPY_FILTER" \
		>$COPY_EVENT/trigger
}

# copies_stop FILE: the histogram as the kernel prints it.
copies_stop() {
	cat $COPY_EVENT/hist >"$1"
	echo "!hist:keys=caller.sym,bytes:size=16384 if $COPY_FILTER" \
		>$COPY_EVENT/trigger
}

copies_teardown() {
	echo 0 >$COPY_EVENT/enable
	echo '-:lab/copy' >>$TRACING/kprobe_events
}
