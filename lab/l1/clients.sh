#!/bin/bash
# clients.sh [CLIENT...]: programs that were written for others than mp, as they are:
# firmware and boot loaders that boot by virtio-net, DPDK where it takes a tap, a guest
# of an older Debian, QEMU that has a helper open its tap, libvirt.
#
# shellcheck disable=SC2034,SC2086,SC2317 # of guest-lib.sh; no blanks; by name
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh
. /src/lab/l1/traffic.sh
. /src/lab/l1/nic.sh

CLIENTS=(ipxe uboot dpdk dpdk-jumbo pmd debian-6.1 helper libvirt ovmf)
www=/tmp/www

check() {
	guest_check "clients/$client/$1" "${@:2}"
}

# As check, where no guest answers.
try() {
	tried "clients/$client/$1" "${@:2}"
}

no_guest() {
	result "clients/$client/start" fail "${1:-the guest does not answer}"
	exit 1
}

# --- What is booted, and from where

# serve FILE: whoever asks for an address is told to boot that, by TFTP. What is at
# $www can be had by HTTP, too.
serve() {
	peer dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root \
		--group=root --port=0 --interface=peer0 --bind-interfaces --no-ping \
		--dhcp-range=$GUEST_IP,$GUEST_IP,255.255.255.0 --dhcp-authoritative \
		--dhcp-leasefile=/tmp/leases --dhcp-boot="$1" \
		--enable-tftp --tftp-root=$www \
		--log-dhcp --log-facility=/tmp/dnsmasq 3>&- &
	servers=$!
	peer busybox httpd -f -p 80 -h $www 3>&- &
	servers+=" $!"
}

serve_no_more() {
	local pid

	for pid in $servers; do
		kill "$pid"
		wait "$pid" 2>/dev/null
	done
}

crc32_of() {
	python3 -c 'import sys, zlib
print("%08x" % zlib.crc32(open(sys.argv[1], "rb").read()))' "$1"
}

# firmware_start QEMU ARGUMENT...: a guest whose first serial port is the command port;
# what it says there is in $GUEST_DIR/console.
firmware_start() {
	mkdir -p $GUEST_DIR
	rm -f $GUEST_DIR/*
	mpctl bind eth0 -- qemu-system-x86_64 -nodefaults -no-user-config -S \
		-action reboot=shutdown,shutdown=pause \
		-display none -M q35 -accel kvm -cpu host -m 256M \
		-chardev "socket,id=command,path=$GUEST_DIR/command,server=on,wait=off,logfile=$GUEST_DIR/console" \
		-serial chardev:command \
		-qmp unix:$GUEST_DIR/monitor,server=on,wait=off \
		-device virtio-rng-pci -netdev tap,id=n0,fd=%fd,vhost=on "$@" \
		-device virtio-net-pci,netdev=n0,mac=%mac,romfile=,bootindex=0 \
		3>&- >$GUEST_DIR/qemu 2>&1 &
	QEMU_PID=$!
	wait_for 20 guest_listens && guest_connect && guest_place || return
	# The log has all that is said; here nobody listens.
	cat <&6 >/dev/null &
	guest_monitor cont >/dev/null
}

said() {
	grep -a -o -e "$1" $GUEST_DIR/console
}

# says SECONDS WORDS [WHAT]: the console does, and then what of it is asked for.
says() {
	if ! wait_for "$1" said "$2"; then
		guest_evidence "'$2' was not said: $(guest_state)"
		tail -n 20 /tmp/dnsmasq >&2
		return 1
	fi
	said "$2" | tail -n 1
}

# copied FRAMES: its buffers are too short for the NIC. It got them all the same.
copied() {
	echo "$(mp_counter copied) frames copied, $(mp_counter zerocopy) in place," \
		"$(mp_counter dropped) dropped; mode $(mp_counter mode)"
	[ "$(mp_counter copied)" -ge "$1" ] && [ "$(mp_counter zerocopy)" = 0 ]
}

# placed: a system that was booted has them in place.
placed() {
	local zerocopy bounced

	zerocopy=$(mp_counter zerocopy) bounced=$(mp_counter bounced)
	echo "received $zerocopy frames in place, $bounced bounced," \
		"$(mp_counter copied) copied; sent $(mp_counter tx-zerocopy)," \
		"$(mp_counter tx-bounced) and $(mp_counter tx-copied)"
	[ "$(mp_counter mode)" = zero-copy ] && [ "$zerocopy" -gt 1000 ] &&
		[ "$(mp_counter tx-zerocopy)" -gt $((20 * $(mp_counter tx-copied))) ]
}

# --- Firmware and boot loaders

# By a script over TFTP, a kernel and an initramfs over HTTP, and into that. The
# initramfs is compared as the kernel found it in memory.
client_ipxe() {
	cp /src/build/kernel-plain/arch/x86/boot/bzImage $www/vmlinuz
	cp /src/build/guest/initramfs-7.3 $www/initrd
	cat >$www/boot.ipxe <<-END
	#!ipxe
	kernel http://10.9.0.2/vmlinuz initrd=initrd $GUEST_PARAMETERS retain_initrd
	initrd http://10.9.0.2/initrd
	boot
	END
	serve boot.ipxe
	GUEST_NET=bootindex=0
	# graphics=off: what the firmware says goes to the console.
	if ! GUEST_PATIENCE=400 guest_start mp rom -machine graphics=off; then
		tail -n 40 /tmp/dnsmasq
		no_guest
	fi
	GUEST_NET=''
	check boot firmware_copied
	check content same_initrd
	check ping ping_peer
	check tcp-rx tcp_rx 2
	check tcp-tx tcp_tx 2
	check in-place placed
	guest_stop
	serve_no_more
	rm $www/*
}

# Of the kernel and the initramfs, no frame has more than 1460 bytes.
firmware_copied() {
	local frames

	frames=$(($(cat $www/vmlinuz $www/initrd | wc -c) / 1460))
	echo "$(mp_counter copied) frames copied, $frames at least"
	[ "$(mp_counter copied)" -gt $frames ]
}

same_initrd() {
	local sum

	sum=$(md5sum <$www/initrd)
	echo "$(stat -c %s $www/initrd) bytes, ${sum%% *}"
	[ "$(guest_run "md5sum </sys/firmware/initrd")" = "$sum" ]
}

# An EFI program that says the CRC of some data that it has with it.
client_ovmf() {
	local variables=/tmp/variables

	cp /src/build/guest/sum.efi $www
	cp /usr/share/OVMF/OVMF_VARS_4M.fd $variables
	serve sum.efi
	firmware_start \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
		-drive if=pflash,unit=1,format=raw,file=$variables || no_guest
	try content booted 120 "@sum [0-9a-f]\{8\}" "@sum $(crc32_of /usr/bin/busybox)"
	try copied copied $(($(stat -c %s $www/sum.efi) / 1468))
	guest_kill
	serve_no_more
	rm $www/* $variables
}

# booted SECONDS WORDS WANTED
booted() {
	local words

	words=$(says "$1" "$2") || return
	echo "$words"
	[ "$words" = "$3" ]
}

# By itself it looks for something to boot until it has that from the network, of which
# it makes nothing.
client_uboot() {
	local at=1000000 size

	head -c 300000 /usr/bin/busybox >$www/data
	serve data
	firmware_start -bios /usr/lib/u-boot/qemu-x86_64/u-boot.rom || no_guest
	try boot says 90 "Bytes transferred = .*"
	try prompt says 30 "^=> "
	# shellcheck disable=SC2016 # its variable
	printf 'crc32 %s $filesize\n' $at >&7
	size=$(printf %08x $((0x$at + $(stat -c %s $www/data) - 1)))
	try content booted 10 "crc32 for [0-9a-f. ]*==> [0-9a-f]*" \
		"crc32 for 0$at ... $size ==> $(crc32_of $www/data)"
	try copied copied $(($(stat -c %s $www/data) / 1468))
	guest_kill
	serve_no_more
	rm $www/*
}

# --- DPDK's virtio-user, which has the kernel's vhost-net do the work of its port. It
# opens the node of tun and says the name of a device: where that node is mp's, it
# binds the NIC.

pmd_in=/tmp/pmd.in pmd_out=/tmp/pmd.out pmd_mac=02:00:00:00:d0:0c

# pmd COMMAND WORDS: until it says that; prints the lines since that have it.
pmd() {
	local from

	from=$(($(stat -c %s $pmd_out) + 1))
	printf '%s\n' "$1" >&8
	pmd_said() {
		tail -c +$from $pmd_out | grep -a -e "$2"
	}
	if ! wait_for 20 pmd_said "$@"; then
		tail -c +$from $pmd_out
		return 1
	fi
	pmd_said "$@"
}

# pmd_stop RX|TX: what it says that it has received, or sent, since "start".
pmd_stop() {
	local from

	from=$(($(stat -c %s $pmd_out) + 1))
	pmd stop '^Done\.' >/dev/null || return
	pmd_packets "$1"
}

# pmd_user MTU [ARGUMENT]...: testpmd, on a port of that kind.
pmd_user() {
	local mtu=$1

	shift
	echo 160 >/proc/sys/vm/nr_hugepages
	# Nothing is to be on the wire that is not counted.
	peer sysctl -qw net.ipv6.conf.peer0.disable_ipv6=1
	sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
	# Of a NIC with one queue that is full, QEMU keeps the frames on the wire.
	peer ethtool -L peer0 combined 1
	ethtool -L eth0 combined 1
	peer ethtool -G peer0 rx 4096
	peer ip link set peer0 promisc on mtu "$mtu"
	ip link set eth0 mtu "$mtu" up

	rm -f $pmd_in
	mkfifo $pmd_in
	exec 8<>$pmd_in
	unshare --mount bash -c 'mount --bind /dev/net/mp /dev/net/tun && exec "$@"' - \
		stdbuf -oL dpdk-testpmd -l 0,1 -n 1 --no-pci --in-memory --iova-mode=va \
		--vdev="net_virtio_user0,path=/dev/vhost-net,iface=eth0,queue_size=1024,mac=$pmd_mac" \
		-- -i --total-num-mbufs=8192 --rxd=1024 --txd=1024 "$@" <&8 3>&- \
		>$pmd_out 2>&1 &
	QEMU_PID=$!
	if ! wait_for 60 grep -a -q '^testpmd> ' $pmd_out; then
		cat $pmd_out
		no_guest "testpmd does not start"
	fi
	wait_for 10 peer grep -q 1 /sys/class/net/peer0/carrier
	try bound nic_is_bound "$QEMU_PID"
}

# pmd_user_ends ADDRESS: the device's, in the place of which it has set its own, as it
# does with a tap.
pmd_user_ends() {
	mpctl show eth0
	try ends pmd_ends
	exec 8<&-

	ip link set eth0 down mtu 1500 address "$1"
	peer ip link set peer0 promisc off mtu 1500
	peer sysctl -qw net.ipv6.conf.peer0.disable_ipv6=0
	sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
	echo 0 >/proc/sys/vm/nr_hugepages
}

client_dpdk() {
	local nic

	nic=$(cat /sys/class/net/eth0/address)
	pmd_user 1500
	try rx-only pmd_rx_only
	try mac-forward pmd_mac_forward
	try tx-counted pmd_tx_counted
	try tx-only pmd_tx_only
	try in-place placed
	pmd_user_ends "$nic"
}

# Buffers of 9 KB in huge pages, each of which holds any frame.
client_dpdk_jumbo() {
	local nic

	nic=$(cat /sys/class/net/eth0/address)
	pmd_user 9000 --mbuf-size=9728
	try mac-forward pmd_mac_forward 9000
	try in-place placed
	pmd_user_ends "$nic"
}

pmd_rx_only() {
	local before got sent

	pmd "set fwd rxonly" "Set rxonly" >/dev/null &&
		pmd start "packet forwarding" >/dev/null || return
	# Never more than there are buffers: the NIC drops what comes without one.
	before=$(pmd_placed)
	for ((sent = 500; sent <= 5000; sent += 500)); do
		wait_for 10 pmd_posts 600
		peer /src/lab/l1/frames.py send peer0 500 $pmd_mac || return
		wait_for 10 pmd_got "$sent"
	done
	# What the ring has testpmd may not have seen yet.
	wait_for 10 pmd_has 5000
	sleep 1
	got=$(pmd_stop RX)
	echo "5000 frames sent, $got received"
	[ "$got" = 5000 ]
}

# pmd_has N: as testpmd counts them.
pmd_has() {
	local from

	from=$(($(stat -c %s $pmd_out) + 1))
	pmd "show fwd stats all" '^ *+\{20,\}$' >/dev/null || return
	[ "$(pmd_packets RX)" = "$1" ]
}

# pmd_packets RX|TX: the first figure behind what there was at $from.
pmd_packets() {
	tail -c +$from $pmd_out | sed -n "s/.*$1-packets: \([0-9]*\).*/\1/p" |
		head -n 1
}

pmd_placed() {
	mp_counters | awk '/^mp-(zerocopy|bounced|copied):/ { n += $2 } END { print n }'
}

pmd_got() {
	[ $(($(pmd_placed) - before)) -ge "$1" ]
}

pmd_posts() {
	[ "$(mp_counter outstanding)" -ge "$1" ]
}

pmd_mac_forward() {
	local text

	pmd "set fwd mac" "Set mac" >/dev/null &&
		pmd "set eth-peer 0 $PEER_MAC" "testpmd" >/dev/null &&
		pmd start "packet forwarding" >/dev/null || return
	text=$(peer /src/lab/l1/frames.py echo peer0 3000 $pmd_mac "$@" 2>&1) ||
		{ echo "$text"; pmd_stop TX; return 1; }
	echo "$text, $(pmd_stop TX) says testpmd"
}

# By itself, and the NIC is nobody's.
pmd_ends() {
	printf 'quit\n' >&8
	wait_for 20 pmd_is_gone && wait_for 5 not_bound
}

pmd_is_gone() {
	! kill -0 $QEMU_PID
}

peer_received() {
	peer cat /sys/class/net/peer0/statistics/rx_packets
}

# peer_has N: since it had received $before.
peer_has() {
	[ $(($(peer_received) - before)) -ge "$1" ]
}

# As many as a ring of the peer's NIC holds: if it is slow, it loses none.
pmd_tx_counted() {
	local before sent got

	pmd "set txpkts 1400" testpmd >/dev/null &&
		pmd "set fwd rxonly" "Set rxonly" >/dev/null || return
	before=$(peer_received)
	pmd "start tx_first 100" "packet forwarding" >/dev/null || return
	sleep 1
	sent=$(pmd_stop TX)
	peer_has "$sent" || wait_for 5 peer_has "$sent"
	got=$(($(peer_received) - before))
	echo "$sent frames sent, $got received by the peer"
	[ "$sent" -gt 1000 ] && [ "$got" = "$sent" ]
}

# What the NIC says that it has put on the wire.
nic_sent() {
	ethtool -S eth0 | sed -n 's/^ *tx_packets: //p'
}

# nic_has_sent N: since it had sent $sent_before.
nic_has_sent() {
	[ $(($(nic_sent) - sent_before)) -ge "$1" ]
}

# As fast as it can: all of it leaves the NIC, once. How many of so many the peer's
# takes is a matter of how fast this machine is.
pmd_tx_only() {
	local before sent_before sent left got

	pmd "set fwd txonly" "Set txonly" >/dev/null || return
	before=$(peer_received) sent_before=$(nic_sent)
	pmd start "packet forwarding" >/dev/null || return
	sleep 2
	sent=$(pmd_stop TX)
	wait_for 20 nic_has_sent "$sent"
	wait_for 5 peer_has 1001
	sleep 1
	left=$(($(nic_sent) - sent_before))
	got=$(($(peer_received) - before))
	echo "$sent frames sent, $left left the NIC, $got received by the peer"
	[ "$sent" -gt 1000 ] && [ "$left" = "$sent" ] && [ "$got" -le "$sent" ] &&
		[ "$got" -gt 1000 ]
}

# The driver of DPDK in a guest, in place of the kernel's: what it gets it sends back.
client_pmd() {
	local mac device=/sys/class/net/eth0/device/..

	# With TCG, an access to memory of the device that comes right behind a page
	# fault is the end of a guest (see guest_launch). Legacy has ports only.
	[ "$LAB_ACCEL" != tcg ] || GUEST_NET=disable-modern=on,disable-legacy=off
	guest_start mp debian-pmd -m 512M || no_guest
	GUEST_NET=''
	mac=$(guest_run "cat /sys/class/net/eth0/address")
	guest_run "killall iperf3; ip link set eth0 down; mkdir -p /var/run"
	device=$(guest_run "basename \$(readlink -f $device)")
	check taken pmd_takes "$device"
	check started guest_run "$(pmd_command "$device") >/tmp/pmd 2>&1 &"
	if ! wait_for 60 peer timeout 5 /src/lab/l1/frames.py echo peer0 1 "$mac"; then
		guest_run "cat /tmp/pmd"
		no_guest "testpmd does not start"
	fi
	peer sysctl -qw net.ipv6.conf.peer0.disable_ipv6=1
	check mac-forward peer /src/lab/l1/frames.py echo peer0 3000 "$mac"
	peer sysctl -qw net.ipv6.conf.peer0.disable_ipv6=0
	check in-place placed
	mpctl show eth0
	guest_stop
}

pmd_takes() {
	local pci=/sys/bus/pci

	guest_run "echo $1 >$pci/drivers/virtio-pci/unbind" &&
		guest_run "echo uio_pci_generic >$pci/devices/$1/driver_override" &&
		guest_run "echo $1 >$pci/drivers_probe" &&
		guest_run "ls $pci/drivers/uio_pci_generic/$1/uio" &&
		guest_run "echo 64 >/proc/sys/vm/nr_hugepages"
}

pmd_command() {
	echo "dpdk-testpmd --lcores 0@0,1@0 -n 1 -a $1 --in-memory -- --auto-start" \
		"--forward-mode mac --eth-peer 0,$PEER_MAC --total-num-mbufs 8192" \
		"--rxd 256 --txd 256 --stats-period 30"
}

# --- Guests and those who start them

guest_works() {
	check ping ping_peer
	check tcp-rx tcp_rx 2
	check tcp-tx tcp_tx 2
	check in-place placed
}

client_debian_6_1() {
	guest_start mp debian-6.1 || no_guest
	result "clients/$client/start" pass "$GUEST_REPLY"
	guest_works
	guest_stop
}

# QEMU has mpctl open its "tap", and nobody knows of mp but that.
client_helper() {
	guest_start helper 7.3 || no_guest
	result "clients/$client/start" pass "$GUEST_REPLY"
	check promiscuous nic_mode_is 1 0
	guest_works
	guest_stop
	if wait_for 5 nic_mode_is 0 0; then
		result "clients/$client/leaves-nothing" pass
	else
		result "clients/$client/leaves-nothing" fail "$(nic_mode)"
	fi
}

# --- libvirt, from a domain as its documentation has it, but for where the tap comes from

libvirt_up() {
	local dir

	# The root of this host cannot be written to.
	cp -a /etc/libvirt /tmp/etc-libvirt
	mount --bind /tmp/etc-libvirt /etc/libvirt
	for dir in /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
		mount -t tmpfs tmpfs $dir
	done
	# This host has no cgroups that somebody set up, no AppArmor, no virtlogd.
	cat >/etc/libvirt/qemu.conf <<-END
	user = "root"
	group = "root"
	security_driver = "none"
	remember_owner = 0
	cgroup_controllers = [ ]
	namespaces = [ ]
	stdio_handler = "file"
	END
	libvirtd 3>&- >/tmp/libvirtd 2>&1 &
	libvirtd=$!
	wait_for 60 virsh -q -c qemu:///system version
}

libvirt_domain() {
	cat <<-END
	<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
	  <name>guest</name>
	  <memory unit='MiB'>256</memory>
	  <vcpu>1</vcpu>
	  <cputune><vcpupin vcpu='0' cpuset='1'/></cputune>
	  <os>
	    <type arch='x86_64' machine='q35'>hvm</type>
	    <kernel>/src/build/kernel-plain/arch/x86/boot/bzImage</kernel>
	    <initrd>/src/build/guest/initramfs-7.3</initrd>
	    <cmdline>$GUEST_PARAMETERS</cmdline>
	  </os>
	  <features><acpi/>$eoi</features>
	  <cpu mode='host-passthrough'/>
	  <devices>
	    <emulator>/usr/bin/qemu-system-x86_64</emulator>
	    <controller type='usb' model='none'/>
	    <interface type='ethernet'>
	      <mac address='52:54:00:12:00:03'/>
	      <target dev='eth0' managed='no'/>
	      <backend tap='/dev/net/mp'/>
	      <model type='virtio'/>
	      <driver name='vhost' rx_queue_size='1024'/>
	      <rom enabled='no'/>
	    </interface>
	    <serial type='file'><source path='$GUEST_DIR/console'/></serial>
	    <serial type='unix'>
	      <source mode='bind' path='$GUEST_DIR/command'/>
	      <target port='1'/>
	    </serial>
	    <memballoon model='none'/>
	  </devices>
	  <qemu:commandline>
	    <qemu:arg value='-qmp'/>
	    <qemu:arg value='unix:$GUEST_DIR/monitor,server=on,wait=off'/>
	    <qemu:arg value='-global'/>
	    <qemu:arg value='virtio-net-pci.modern-pio-notify=$pio'/>
	  </qemu:commandline>
	</domain>
	END
}

# After which nobody has the NIC.
virsh_destroys() {
	virsh -q -c qemu:///system destroy guest || return
	wait_for 5 not_bound
}

not_bound() {
	! mpctl show eth0 | grep -q pid
}

client_libvirt() {
	local pio=off eoi=''

	# As in guest_launch.
	[ "$LAB_ACCEL" != tcg ] || pio=on eoi="<apic eoi='off'/>"
	if ! libvirt_up; then
		cat /tmp/libvirtd
		no_guest "libvirtd does not answer"
	fi
	mkdir -p $GUEST_DIR
	rm -f $GUEST_DIR/*
	libvirt_domain >/tmp/domain
	# libvirt sets nothing up of a device that is not its own.
	ip link set eth0 up
	if ! virsh -q -c qemu:///system create /tmp/domain; then
		tail -n 20 /tmp/libvirtd /var/log/libvirt/qemu/guest.log
		no_guest "virsh does not start it"
	fi
	QEMU_PID=$(cat /run/libvirt/qemu/guest.pid)
	cp /var/log/libvirt/qemu/guest.log $GUEST_DIR/qemu
	if ! guest_connect || ! guest_expect 90 @ready; then
		tail -n 20 /tmp/libvirtd
		no_guest
	fi
	result "clients/$client/start" pass "$GUEST_REPLY"
	guest_works
	tc qdisc show dev eth0
	guest_complains
	try destroy virsh_destroys
	exec 6<&- 7>&-
	kill $libvirtd
	wait $libvirtd
	# It has set noqueue, as it does with a tap, and leaves it.
	tc qdisc del dev eth0 root
	ip link set eth0 down
	umount /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt
}

# What one leaves behind that ended too early, and nothing else.
clean_up() {
	local name

	for name in qemu-system-x86 libvirtd dpdk-testpmd dnsmasq busybox; do
		pkill -KILL -x "$name" && wait_for 5 gone "$name"
	done
	rm -rf "${www:?}"/*
	ip link set eth0 mtu 1500
	ethtool -L eth0 combined "$(nproc)"
	peer ip link set peer0 mtu 1500 promisc off
}

gone() {
	! pgrep -x "$1"
}

if ! backend_setup mp; then
	result clients/start fail "no /dev/net/mp or no mpctl"
	exit 1
fi
mkdir -p $www
[ $# -gt 0 ] || set -- "${CLIENTS[@]}"
# One that is lost is not to hide what others do.
for client; do
	result_start=$SECONDS
	(
		"client_${client//[-.]/_}"
		exit $FAILED
	) || FAILED=1
	clean_up
done
backend_teardown mp
exit $FAILED
