#!/bin/bash
# matrix.sh [ROW...]: guests of 7.3, each with one thing that is not as it is by
# default: of the device, of the netdev, of its memory, of QEMU's rights, or something
# that goes on meanwhile. Each is to have what was asked for, loses nothing, and has
# frames in place or copied as Documentation/networking/mpassthru.rst says.
#
# ROUNDS=n: how often the rows that repeat something do.
#
# shellcheck disable=SC2034,SC2317 # variables of guest-lib.sh; functions by name
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh

ROWS=(plain legacy mrg-off indirect-off event-idx-off in-order packed csum-off tso-off
	small jumbo jumbo-mrg-off ring-256 ring-512 vhost-off sndbuf poll hugepages memfd
	shm file balloon reporting hotplug ksm viommu resize xdp memlock-8m memlock-64k)
rounds=${ROUNDS:-10}
megabytes=16

nobody=65534

check() {
	guest_check "matrix/$row/$1" "${@:2}"
}

# What a row sets, as it is by default. Words of features: the number of a bit of
# virtio's, with a sign in front that says whether the guest has it. Of rx and tx:
# "place", by the NIC; "bounced", copied though posted; "some", of which there is no
# telling how many are; "copied", as with macvtap. A row may have functions of its
# own: prepare_ROW before the guest is started, during_ROW while it has traffic,
# after_ROW when there was some, cleanup_ROW when it has stopped. Dashes are _ there.
defaults() {
	kernel=7.3 features='' rx=place tx=place ring=1024 mtu=1500 qemu=()
	GUEST_NET='' GUEST_NETDEV='' GUEST_VHOST='' GUEST_APPEND='' GUEST_WRAP=()
}

ram() {
	qemu=(-object "$1,id=ram,size=256M" -machine memory-backend=ram)
}

# A user of its own, with so many bytes of locked memory.
unprivileged() {
	GUEST_WRAP=(prlimit --memlock="$1:$1" setpriv --reuid="$nobody" --regid="$nobody"
		--clear-groups --inh-caps=-all --bounding-set=-all)
	chmod 666 /dev/kvm /dev/vhost-net
	mkdir -p $GUEST_DIR
	chown $nobody $GUEST_DIR
}

# Sets what is not as by default. With both of modern and legacy, as by default, a
# guest of Linux is modern.
row_is() {
	local offloads=guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off

	offloads+=,guest_uso4=off,guest_uso6=off
	features="+15 +28 +29 +32"
	case $1 in
	plain) ;;
	legacy)
		features="-32 +15"
		GUEST_NET=disable-modern=on,disable-legacy=off ;;
	mrg-off)	# 18 pages for a buffer: more than the cache takes in a while
		features="-15 +7" rx=some
		GUEST_NET=mrg_rxbuf=off ;;
	indirect-off)
		features="-28 +29"
		GUEST_NET=indirect_desc=off ;;
	event-idx-off)
		features="-29 +28"
		GUEST_NET=event_idx=off ;;
	in-order)
		features=+35
		GUEST_NET=in_order=on ;;
	packed)		# vhost-net has no packed rings; QEMU does not offer them
		features="-34 +28"
		GUEST_NET=packed=on ;;
	csum-off)
		features="-1 -7 -8"
		GUEST_NET=guest_csum=off,$offloads ;;
	tso-off)
		features="+1 -7 -8 +15"
		GUEST_NET=$offloads ;;
	small)		# buffers of a header and 1518 bytes: short
		features="-7 -8 -15" rx=copied
		GUEST_NET=mrg_rxbuf=off,$offloads ;;
	jumbo)		# no buffer of these holds a frame
		features+=" +3" rx=copied mtu=9000
		GUEST_NET=host_mtu=$mtu ;;
	jumbo-mrg-off)	# 18 pages, each a segment of its own
		features="+3 -15 +7" rx=bounced mtu=9000
		GUEST_NET=host_mtu=$mtu,mrg_rxbuf=off ;;
	ring-256|ring-512)
		ring=${1#ring-} ;;
	vhost-off)
		rx=copied tx=copied
		GUEST_VHOST=off ;;
	sndbuf)		# as little as a socket may have
		GUEST_NETDEV=sndbuf=4096 ;;
	poll)
		GUEST_NETDEV=poll-us=50 ;;
	hugepages)
		ram memory-backend-memfd,share=on,hugetlb=on ;;
	memfd)
		ram memory-backend-memfd,share=on ;;
	shm)
		ram memory-backend-file,share=on,mem-path=/dev/shm/ram ;;
	file)		# what is written back must not be pinned for long to be written
		rx=bounced
		ram memory-backend-file,share=on,mem-path=/tmp/files/ram ;;
	balloon)
		rx=some tx=some
		qemu=(-device "virtio-balloon-pci,$notify") ;;
	reporting)
		rx=some tx=some
		qemu=(-device "virtio-balloon-pci,$notify,free-page-reporting=on") ;;
	hotplug)	# of a stock kernel, which knows what to do with it
		kernel=debian rx=some
		GUEST_APPEND=memhp_default_state=online
		qemu=(-m "256M,slots=1,maxmem=1G") ;;
	ksm)
		rx=some tx=some
		qemu=(-machine mem-merge=on) ;;
	viommu)
		features=+33 rx=copied tx=copied
		GUEST_APPEND=intel_iommu=on
		GUEST_NET=iommu_platform=on,disable-legacy=on,ats=on
		qemu=(-machine kernel-irqchip=split
			-device "intel-iommu,device-iotlb=on") ;;
	resize)
		features=+40 rx=some tx=some ;;
	xdp)		# and control of the offloads, as it is nothing for these
		features=+2 rx=some tx=some ;;
	memlock-8m)
		ring=256
		unprivileged $((8 << 20)) ;;
	memlock-64k)
		rx=bounced tx=bounced
		unprivileged $((64 << 10)) ;;
	*)
		return 1 ;;
	esac
	GUEST_NET=rx_queue_size=$ring${GUEST_NET:+,$GUEST_NET}
}

# Whether it has what was asked for. What a row says of features is the guest's word.
has_features() {
	local bits bit has

	bits=$(guest_run "cat /sys/bus/virtio/drivers/virtio_net/virtio*/features") ||
		return
	for bit in $features; do
		has=${bits:${bit#[+-]}:1}
		[ "${bit%%[0-9]*}$has" = +1 ] || [ "${bit%%[0-9]*}$has" = -0 ] ||
			{ echo "feature $bit: $bits"; return 1; }
	done
	bits=$(guest_run "ethtool -g eth0") || return
	echo "features $features, ring $ring"
	[ "$(sed -n 's/^RX:[[:space:]]*//p' <<<"$bits" | tail -n 1)" = "$ring" ] ||
		{ echo "$bits"; return 1; }
}

# count: "RX-PLACE RX-BOUNCED RX-COPIED TX-PLACE TX-BOUNCED TX-COPIED LOST", summed up
# to now. A frame of 256 bytes or less is copied always, and not counted here.
count() {
	mp_counters | awk -F '[:\t]+' '
		{ n[$1] = $2 }
		END { lost = n["mp-dropped"] + n["mp-errors"]
			lost += n["mp-tx-dropped"] + n["mp-tx-errors"]
			print n["mp-zerocopy"], n["mp-bounced"], n["mp-copied"],
				n["mp-tx-zerocopy"], n["mp-tx-bounced"],
				n["mp-tx-copied"], lost }'
}

# is KIND PLACE BOUNCED COPIED: are so many frames as they are to be? Some acks, and
# what a cache of pages learns from, are otherwise.
is() {
	case $1 in
	place) [ "$2" -gt $((20 * ($3 + $4))) ] ;;
	bounced) [ "$3" -gt $((4 * ($2 + $4))) ] ;;
	some) [ $(($2 + $3)) -gt $((20 * $4)) ] ;;
	copied) [ "$4" -gt 100 ] && [ $(($2 + $3)) = 0 ] ;;
	esac
}

# A file to the guest and back again: all of it went right twice, and no frame was
# counted as lost.
content() {
	local before after n=() i

	before=$(count)
	rm -f /tmp/back
	guest_run "wget -q -O /tmp/data http://10.9.0.2:8080/data" ||
		{ echo "no file arrived in the guest"; return 1; }
	guest_run "nc 10.9.0.2 8081 </tmp/data" || return
	if ! wait_for 10 cmp -s /tmp/www/data /tmp/back; then
		echo "what came back is not what was sent:" \
			"$(stat -c %s /tmp/back) bytes," \
			"in the guest $(guest_run "md5sum </tmp/data")," \
			"sent $(md5sum </tmp/www/data), back $(md5sum </tmp/back)"
		return 1
	fi
	after=$(count)
	for i in 1 2 3 4 5 6 7; do
		n+=($(($(cut -d' ' -f"$i" <<<"$after") - $(cut -d' ' -f"$i" <<<"$before"))))
	done
	echo "received ${n[0]} in place, ${n[1]} bounced, ${n[2]} copied;" \
		"sent ${n[3]}, ${n[4]}, ${n[5]}; lost ${n[6]};" \
		"mode $(mp_counter mode), pinned $(mp_counter pinned)" \
		"and $(mp_counter tx-pinned)"
	[ "${n[6]}" = 0 ] || return
	is "$rx" "${n[0]}" "${n[1]}" "${n[2]}" && is "$tx" "${n[3]}" "${n[4]}" "${n[5]}"
}

# Of frames that are not TCP's, which sends again, all are to be answered.
none_lost() {
	local text

	text=$(peer ping -c 100 -i 0.05 -w 60 -M "do" -s $((mtu - 100)) "$GUEST_IP")
	echo "${text#*statistics ---}" | sed -n 2p
	answered 100 <<<"$text"
}

# busy COMMAND...: while the guest receives as fast as it can. Of TCP nothing arrives
# for two seconds at most, as elsewhere.
busy() {
	local text status traffic start

	peer timeout 190 iperf3 -c "$GUEST_IP" -t 180 -i 0.25 -J >/tmp/iperf &
	traffic=$!
	sleep 1
	start=$SECONDS
	text=$("$@")
	status=$?
	text+=", in $((SECONDS - start)) s"
	sleep 1
	pkill -INT -x iperf3
	wait "$traffic"
	[ "$status" = 0 ] || { echo "$text"; return 1; }
	echo "$text, $(iperf_mbps </tmp/iperf) Mbit/s meanwhile"
	iperf_mbps </tmp/iperf >/dev/null
}

# --- Rows that do something

after_hugepages() {
	awk '/HugePages_(Total|Free)/ { n[$1] = $2 }
	     END { used = n["HugePages_Total:"] - n["HugePages_Free:"]
		   print used " huge pages in use"; exit used < 32 }' /proc/meminfo
}

prepare_hugepages() {
	echo 1 >/proc/sys/vm/compact_memory
	echo 140 >/proc/sys/vm/nr_hugepages
	[ "$(cat /proc/sys/vm/nr_hugepages)" -ge 128 ]
}

cleanup_hugepages() {
	echo 0 >/proc/sys/vm/nr_hugepages
}

maps() {
	grep -m 1 -o "$1.*" /proc/"$QEMU_PID"/maps
}
after_memfd() { maps /memfd:; }
after_shm() { maps /dev/shm/ram; }
cleanup_shm() { rm -f /dev/shm/ram; }

# A file system that keeps track of what is written: another 9p of L1's, of the tag
# "files", see lab/test.
prepare_file() {
	mkdir -p /tmp/files
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=mmap files \
		/tmp/files
}

after_file() {
	echo "$(mp_counter pin-failures) pages were not to be pinned, of" \
		"$(maps /tmp/files/ram)"
	[ "$(mp_counter pin-failures)" -gt 0 ] && [ "$(mp_counter pinned)" = 0 ]
}

cleanup_file() {
	rm -f /tmp/files/ram
	umount /tmp/files
}

# Of the guest's memory, and some of QEMU's own.
resident() {
	awk '$1 == "RssAnon:" { print int($2 / 1024) }' /proc/"$QEMU_PID"/status
}

# Memory that the guest has had and has no more.
use_much() {
	guest_run "dd if=/dev/zero of=/tmp/much bs=1M count=96 2>/dev/null" || return
	resident
	guest_run "rm /tmp/much"
}

balloon_is() {
	guest_monitor "info balloon" | grep -q "actual=$1\$"
}

balloon_to() {
	guest_monitor "balloon $1" >/dev/null
	wait_for 20 balloon_is "$1" || { guest_monitor "info balloon"; return 1; }
}

in_and_out() {
	local i most least now

	most=$(use_much) || { echo "$most"; return 1; }
	least=$most
	for ((i = 0; i < (rounds + 9) / 10; i++)); do
		balloon_to 128 || return
		now=$(resident)
		[ "$now" -ge "$least" ] || least=$now
		balloon_to 256 || return
	done
	echo "$i times, $most MB in use, then $least MB at least"
	[ "$least" -lt $((most - 64)) ]
}
during_balloon() { busy in_and_out; }

# Whole huge pages are reported, after some two seconds.
give_back() {
	local most now

	most=$(use_much) || { echo "$most"; return 1; }
	gave_back() {
		now=$(resident)
		[ "$now" -lt $((most - 48)) ]
	}
	wait_for 12 gave_back
	echo "$most MB in use, then $now MB"
	gave_back
}
during_reporting() { busy give_back; }

total() {
	guest_run "sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo"
}

plug() {
	local before after

	before=$(total)
	guest_monitor "object_add memory-backend-ram,id=more,size=256M"
	guest_monitor "device_add pc-dimm,id=dimm,memdev=more"
	is_more() {
		after=$(total)
		[ "$after" -gt $((before + 200000)) ]
	}
	wait_for 10 is_more
	echo "$before kB, then $after kB"
	is_more || return
	# It is worked with: more than there was before.
	guest_run "mount -o remount,size=400M /tmp; dd if=/dev/zero of=/tmp/much bs=1M count=200 2>/dev/null"
}
during_hotplug() { busy plug; }
after_hotplug() {
	guest_run "rm /tmp/much; grep -c . /proc/iomem"
}

prepare_ksm() {
	echo 5000 >/sys/kernel/mm/ksm/pages_to_scan
	echo 1 >/sys/kernel/mm/ksm/sleep_millisecs
	echo 1 >/sys/kernel/mm/ksm/run
}

merged() {
	local pages

	shared() {
		pages=$(cat /sys/kernel/mm/ksm/pages_sharing)
		[ "$pages" -gt 8000 ]
	}
	# All alike.
	guest_run "dd if=/dev/zero of=/tmp/much bs=1M count=48 2>/dev/null" || return
	wait_for 20 shared
	echo "$pages pages merged, $(mp_counter pin-invalidations) taken away that" \
		"were pinned"
	shared
}
during_ksm() { busy merged; }

cleanup_ksm() {
	echo 2 >/sys/kernel/mm/ksm/run
	echo 0 >/sys/kernel/mm/ksm/run
}

# Each is a reset of the ring: QEMU stops vhost's and starts it anew.
resized() {
	local size now i=0

	while [ "$i" -lt "$rounds" ]; do
		for size in 256 1024; do
			guest_run "ethtool -G eth0 rx $size" || return
			i=$((i + 1))
		done
	done
	now=$(guest_run "ethtool -g eth0" | sed -n 's/^RX:[[:space:]]*//p' |
		tail -n 1)
	echo "$i times, ring $now, deferred $(mp_counter deferred)"
	[ "$now" = 1024 ]
}
during_resize() { busy resized; }

toggled() {
	local text times=0

	while [ "$times" -lt $((2 * rounds)) ]; do
		text=$(guest_run "xdp eth0 20") || { echo "$text"; return 1; }
		times=$((times + 20))
	done
	echo "$times times, deferred $(mp_counter deferred)"
}
during_xdp() { busy toggled; }

# No page beyond what the user may lock.
locked() {
	local limit=$1 pinned

	pinned=$(($(mp_counter pinned) + $(mp_counter tx-pinned)))
	echo "$pinned pages pinned, $((limit / 4096)) allowed"
	[ "$pinned" -gt 0 ] && [ "$pinned" -le $((limit / 4096)) ] &&
		grep -q "^Uid:[[:space:]]$nobody" /proc/"$QEMU_PID"/status &&
		grep -q '^CapEff:[[:space:]]*0*$' /proc/"$QEMU_PID"/status
}
after_memlock_8m() { locked $((8 << 20)); }
after_memlock_64k() { locked $((64 << 10)); }

# ---

optional() {
	local function=$1_${row//-/_}

	! declare -F "$function" >/dev/null || check "${2:-$1}" "$function"
}

one() {
	row=$1
	defaults
	if ! row_is "$row"; then
		result "matrix/$row" fail "no such row"
		return
	fi
	if declare -F "prepare_${row//-/_}" >/dev/null &&
	   ! "prepare_${row//-/_}"; then
		result "matrix/$row/start" fail "cannot prepare"
		return
	fi
	ip link set eth0 mtu $mtu
	peer ip link set peer0 mtu $mtu
	if ! guest_start mp $kernel "${qemu[@]}"; then
		result "matrix/$row/start" fail "the guest does not answer"
		exit 1
	fi
	[ -z "$features" ] || check features has_features
	check ping ping_peer
	optional during
	check content content
	check none-lost none_lost
	optional after state
	# What QEMU asks of a tap, and the descriptor does not know, it complains of.
	check qemu-silent qemu_silent
	guest_stop
}

# One that is lost is not to hide what others do.
each() {
	result_start=$SECONDS
	(
		one "$1"
		exit $FAILED
	) || FAILED=1
	! pkill -KILL -x qemu-system-x86 || sleep 1
	! declare -F "cleanup_${1//-/_}" >/dev/null || "cleanup_${1//-/_}"
}

qemu_silent() {
	! grep . "$GUEST_DIR/qemu"
}

if ! backend_setup mp; then
	result matrix/start fail "no /dev/net/mp or no mpctl"
	exit 1
fi
notify=modern-pio-notify=$([ "$LAB_ACCEL" = tcg ] && echo on || echo off)
mkdir -p /tmp/www
head -c "${megabytes}M" /dev/urandom >/tmp/www/data
peer busybox httpd -f -p 8080 -h /tmp/www &
peer socat -u TCP-LISTEN:8081,reuseaddr,fork CREATE:/tmp/back &
[ $# -gt 0 ] || set -- "${ROWS[@]}"
for name; do
	each "$name"
done
# shellcheck disable=SC2046 # several
kill $(jobs -p)
backend_teardown mp
exit $FAILED
