#!/bin/bash
# migrate.sh [ROUNDS|short|queues]: a guest is moved from QEMU to QEMU under traffic
# both ways, and, with three rounds or more, what a move costs on mp is compared with
# what it costs on macvtap. short: two moves. queues: some of a guest that has two.
#
# Two NICs of the host, with a wire each to a switch. A move goes from one to the other,
# as between two hosts, but for two kinds: "shared", where both QEMUs have one
# descriptor, and "handed-over", by way of a file, where the first ends before the
# second has the NIC. Needs lab/run --wires 2.
#
# shellcheck disable=SC2317 # functions are called by way of wait_for and guest_check
. /src/lab/l1/lib.sh
. /src/lab/l1/guest-lib.sh

short=
rounds=${1:-1}
case $rounds in
short) short=1 rounds=1 ;;
queues) short=2 rounds=1 GUEST_QUEUES=2 ;;
esac
# What a move may take longer on mp than on macvtap, in ms. The issue is 50; under
# emulation two moves of the same kind differ by more.
margin=${MARGIN:-300}
GUEST_NET=rx_queue_size=1024
GUEST_MAC=02:00:00:6d:69:67

first=eth0
second=$(nic_with_mac "${HOST2_MAC:?lab/run needs --wires 2}")
backend=mp
nic=$first
launched=0

# The peer's two NICs become ports of a switch that learns.
switch_setup() {
	local other

	other=$(nic_with_mac "$PEER2_MAC") &&
	ip link set "$other" netns peer name peer1 &&
	ip -n peer addr flush dev peer0 &&
	ip -n peer link add sw type bridge &&
	ip -n peer link set sw address "$PEER_MAC" &&
	ip -n peer link set peer0 master sw up &&
	ip -n peer link set peer1 master sw up &&
	ip -n peer addr add 10.9.0.2/24 dev sw &&
	ip -n peer link set sw up &&
	ip link set "$second" up
}

# Traffic

traffic_start() {
	guest_run "(nc -l -p 5008 -e cat) >/dev/null 2>&1 &" || return
	wait_for 10 guest_run "netstat -ltn | grep -q :5008" || return
	mkfifo /tmp/ask /tmp/told
	peer python3 -SE /src/lab/l1/moves.py "$GUEST_IP" </tmp/ask >/tmp/told 3>&- &
	traffic_pid=$!
	exec {ask}>/tmp/ask {told}</tmp/told
	traffic mark
}

# traffic mark|report: the answer goes to $seen, by name.
declare -A seen
traffic() {
	local line word

	printf '%s\n' "$1" >&"$ask"
	read -r -t 60 line <&"$told" || return
	seen=()
	for word in $line; do
		seen[${word%%=*}]=${word#*=}
	done
}

# It flows, and nothing that came is not what was sent.
traffic_right() {
	[ "${seen[wrong]}" = 0 ] && [ "${seen[tcp]}" = 1 ] &&
		[ "${seen[tcp_bytes]}" -gt 0 ] && [ "${seen[tcp_wrong]}" = 0 ]
}

# Some are lost: not many.
traffic_flows() {
	traffic_right && [ $((10 * seen[lost])) -lt "${seen[sent]}" ]
}

traffic_text() {
	local lives="TCP lives"

	[ "${seen[tcp]}" = 1 ] || lives="TCP is dead"
	echo "${seen[lost]} of ${seen[sent]} lost, ${seen[repeated]} repeated," \
		"gap ${seen[gap_ms]} ms, $lives (gap ${seen[tcp_gap_ms]} ms)," \
		"$((seen[wrong] + seen[tcp_wrong])) wrong"
}

# Figures of all moves of a kind, for the comparison and for the results.
declare -A lost gap downtime
note() {
	lost[$1]+=${lost[$1]:+, }${seen[lost]}
	gap[$1]+=${gap[$1]:+, }${seen[gap_ms]}
	downtime[$1]+=${downtime[$1]:+, }$2
}

# middle LIST: with as many below as above.
middle() {
	tr -d ' ' <<<"$1" | tr ',' '\n' | sort -n |
		awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'
}

# Places

link_up() {
	[ "$(cat "/sys/class/net/$1/operstate")" = up ]
}

in_zero_copy() {
	[ "$(mp_counter mode)" = zero-copy ]
}

# Of the mode, which need not say that a frame ever came.
receives_in_place() {
	local before

	before=$(mp_counter zerocopy)
	in_zero_copy && sleep 0.2 && [ "$(mp_counter zerocopy)" -gt "$before" ]
}

migration_is() {
	GUEST_DIR=$1 guest_qmp query-migrate >/tmp/migration &&
		grep -qE "\"status\": \"($2)\"" /tmp/migration
}

# launch BACKEND NIC [PID]: QEMU, to which the guest is to move.
launch() {
	guest_disconnect
	launched=$((launched + 1))
	GUEST_DIR=/tmp/guest.$launched
	GUEST_NIC=$2
	GUEST_SHARE=${3:-}
	GUEST_INCOMING=unix:$GUEST_DIR/state
	guest_launch "$1" 7.3 && wait_for 10 link_up "$2"
}

# end PID BACKEND NIC: of QEMU that the guest has moved from. What another shares is
# of no backend.
end() {
	kill "$1"
	wait "$1" 2>/dev/null
	backend_teardown "$2" "$3"
}

settled() {
	guest_woken || return
	[ "$backend" != mp ] || wait_for 10 receives_in_place ||
		{ echo "it stays in mode $(mp_counter mode)"; return 1; }
}

# Moves

# move KIND BACKEND NIC [shared]: a result.
move() {
	local kind=$1 name=migrate/$1 from=$backend from_nic=$nic old=$GUEST_DIR
	local pid=$QEMU_PID share='' time before text

	[ "$rounds" = 1 ] || name+=/$round
	[ "${4:-}" = shared ] && share=$pid
	[ "$share" ] || backend_setup "$2" "$3"
	# Its start does the guest no harm, who is still elsewhere.
	traffic mark
	if ! launch "$2" "$3" "$share"; then
		result "$name" fail "no QEMU to move to"
		exit 1
	fi
	traffic report
	before=$(traffic_text)
	if ! traffic_flows; then
		result "$name" fail "while the other QEMU starts: $before"
		exit 1
	fi

	traffic mark
	GUEST_DIR=$old guest_qmp migrate "{\"uri\": \"$GUEST_INCOMING\"}" >/dev/null
	if ! wait_for 60 migration_is "$old" "completed|failed" ||
	   ! migration_is "$old" completed; then
		cat /tmp/migration
		guest_evidence "the migration does not complete"
		result "$name" fail "the migration does not complete"
		exit 1
	fi
	time=$(sed -n 's/.*"downtime": \([0-9]*\).*/\1/p' /tmp/migration)
	end "$pid" "${share:-$from}" "$from_nic"
	backend=$2 nic=$3
	traffic report
	note "$kind" "$time"
	text="$from $from_nic to $2 $3: downtime $time ms, $(traffic_text)"
	if ! traffic_right; then
		guest_fails "$name" "$text"
	elif ! settled >/tmp/settled; then
		guest_fails "$name" "$text; $(cat /tmp/settled)"
	else
		result "$name" pass "$text"
	fi
}

# hand_over KIND BACKEND NIC: a result. The guest goes to a file with all its buffers
# posted, and the first QEMU ends before there is the second.
hand_over() {
	local kind=$1 name=migrate/$1 from=$backend from_nic=$nic text posted='' start

	[ "$rounds" = 1 ] || name+=/$round
	[ "$backend" != mp ] || posted=$(mp_counter outstanding)
	traffic mark
	start=${EPOCHREALTIME/./}
	guest_save /tmp/guest.state || exit 1
	end "$QEMU_PID" "$from" "$from_nic"
	guest_disconnect
	backend=$2 nic=$3
	backend_setup "$backend" "$nic"
	GUEST_NIC=$nic GUEST_SHARE='' GUEST_INCOMING=''
	GUEST_STATE=/tmp/guest.state
	if ! guest_start "$backend" 7.3; then
		result "$name" fail "it does not go on"
		exit 1
	fi
	GUEST_STATE=
	start=$(((${EPOCHREALTIME/./} - start) / 1000))
	wait_for 10 link_up "$nic"
	traffic report
	note "$kind" "$start"
	text="$from $from_nic to $2 $3: $start ms from file to file, $(traffic_text)"
	[ -z "$posted" ] || text+=", $posted buffers were posted"
	if ! traffic_right || [ "${posted:-1024}" -lt 512 ]; then
		guest_fails "$name" "$text"
	elif ! settled >/tmp/settled; then
		guest_fails "$name" "$text; $(cat /tmp/settled)"
	else
		result "$name" pass "$text"
	fi
}

# cancel: a result. The guest stays after all, and has lost little.
cancel() {
	local old=$GUEST_DIR pid=$QEMU_PID mode text

	traffic mark
	if ! launch mp "$nic" "$pid"; then
		result migrate/cancelled fail "no QEMU to move to"
		exit 1
	fi
	GUEST_DIR=$old guest_qmp migrate-set-parameters \
		'{"max-bandwidth": 2000000}' >/dev/null
	GUEST_DIR=$old guest_qmp migrate "{\"uri\": \"$GUEST_INCOMING\"}" >/dev/null
	wait_for 10 migration_is "$old" active
	sleep 1
	mode=$(QEMU_PID=$pid mp_counter mode)
	GUEST_DIR=$old guest_qmp migrate_cancel >/dev/null
	wait_for 20 migration_is "$old" cancelled || cat /tmp/migration
	# It has said how large its header is: nobody shall mind. It ends by itself.
	end "$QEMU_PID" shared "$nic" 2>/dev/null
	guest_disconnect
	QEMU_PID=$pid GUEST_DIR=$old
	guest_connect
	guest_qmp migrate-set-parameters '{"max-bandwidth": 134217728}' >/dev/null
	traffic report
	text="mode $mode meanwhile, $(traffic_text)"
	if ! migration_is "$old" cancelled || ! traffic_flows ||
	   [ "$mode" != copy ]; then
		guest_fails migrate/cancelled "$text"
	elif ! settled >/tmp/settled; then
		guest_fails migrate/cancelled "$text; $(cat /tmp/settled)"
	else
		result migrate/cancelled pass "$text"
	fi
}

# compare KIND: what is usual of mp is not much worse than what is of macvtap. Of two
# moves of one kind, one may take twice as long here.
compare() {
	local got yardstick

	got=$(middle "${gap[$1]}") yardstick=$(middle "${gap[macvtap]}")
	echo "gaps of $got ms, with macvtap $yardstick ms"
	[ "$got" -le $((yardstick + margin)) ]
}

if ! backend_setup mp || ! switch_setup || ! guest_start mp 7.3; then
	result migrate/start fail "no second wire, no /dev/net/mp, no mpctl, or no guest"
	exit 1
fi
wait_for 20 link_up "$second"
wait_for 20 peer ping -c 1 -W 1 "$GUEST_IP"
if ! traffic_start || ! wait_for 10 receives_in_place; then
	result migrate/start fail "no traffic"
	exit 1
fi
sleep 2
traffic report
guest_check migrate/traffic traffic_flows
traffic_text

second_in_place() {
	[ "$(mp_counter attached 1) $(mp_counter mode 1)" = "1 zero-copy" ]
}

# Of a guest with two queues the second is attached after a move, and not copied.
queues_are_used() {
	wait_for 10 second_in_place && return
	echo "attached $(mp_counter attached 1), mode $(mp_counter mode 1)"
	return 1
}

if [ "$short" = 2 ]; then
	guest_check migrate/queues queues_are_used
	move shared mp "$first" shared
	guest_check migrate/queues-shared queues_are_used
	move other mp "$second"
	cancel
	guest_check migrate/queues-cancelled queues_are_used
elif [ "$short" ]; then
	move shared mp "$first" shared
	move other mp "$second"
else
	for ((round = 1; round <= rounds; round++)); do
		move shared mp "$first" shared
		move other mp "$second"
		move other mp "$first"
		move to-tap tap "$second"
		move from-tap mp "$first"
		move to-macvtap macvtap "$second"
		move macvtap macvtap "$first"
		move macvtap macvtap "$second"
		move from-macvtap mp "$first"
		hand_over handed-over mp "$first"
	done
	cancel
fi
if [ "$rounds" -gt 2 ]; then
	for kind in shared other to-tap from-tap to-macvtap from-macvtap; do
		guest_check "migrate/gap/$kind" compare "$kind"
	done
fi
if [ "$rounds" -gt 1 ]; then
	hand_over handed-to-tap tap "$first"
	hand_over handed-from-tap mp "$first"
	hand_over handed-to-macvtap macvtap "$first"
	hand_over handed-macvtap macvtap "$first"
	hand_over handed-from-macvtap mp "$first"
fi
for kind in "${!gap[@]}"; do
	metric "migrate $kind lost" "[${lost[$kind]}]"
	metric "migrate $kind gap ms" "[${gap[$kind]}]"
	metric "migrate $kind downtime ms" "[${downtime[$kind]}]"
done
mpctl show
kill "$traffic_pid"
guest_stop
exit $FAILED
