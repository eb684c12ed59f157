#!/bin/bash
# kselftest.sh ["PROGRAM [OPTION ...]" ...]: the selftests of the series; each
# KTAP line becomes a result of its own.
. /src/lab/l1/lib.sh
. /src/lab/l1/nic.sh

dir=/src/build/kselftest/net/mpassthru
[ -d $dir ] || { result kselftest fail "not built: run lab/tools"; exit 1; }
[ -e /dev/net/mp ] || { result kselftest fail "no /dev/net/mp"; exit 1; }

# The emulated host is slow, with the debug options slower still.
export MP_PATIENCE=10
[ "$LAB_CONFIG" = plain ] || MP_PATIENCE=20
export MP_FAULT_SPARSE=${SPARSE:-1}
limit=$(sed -n 's/^timeout=//p' $dir/settings)

# ktap PROGRAM: results out of KTAP on standard input.
ktap() {
	local line name why="" ran=0

	while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		"# "*.c:*) why+="${why:+; }${line#\# }" ;;
		"ok "*|"not ok "*)
			ran=1
			name=${line#*ok * }
			name=${name#- } name=${name%% *}
			case $line in
			*"# SKIP"*) result "$1/$name" skip "${line##*# }" ;;
			not*) result "$1/$name" fail "${why:-${line##*# }}" ;;
			*) result "$1/$name" pass ;;
			esac
			why= ;;
		esac
	done
	# As by a -t, -v or -f that names nothing.
	[ $ran = 1 ] || result "$program" fail "no test ran"
	return $FAILED
}

# tell_model PROGRAM: what a NIC cannot know of the guests of these tests. How long a
# frame may be that is written to a buffer of theirs, where none sets an MTU above
# 1500; that one posts a buffer twice; and that one sends packets with headers that
# make no sense, of which the driver takes what is cut to be IPv6.
tell_model() {
	local limit=1522 repeat=off neither=off

	[ "$LAB_NIC" = ixgbe ] || return 0
	case $1 in
	mp_rx|mp_stop|mp_bind) limit=off ;;
	mp_hostile|mp_uring) repeat=on ;;
	mp_send_hostile) neither=on ;;
	esac
	nic_order limit all $limit && nic_order repeat $repeat &&
		nic_order neither $neither
}

# With --wires 2, the other end of the second is where that of the first is.
if [ -n "${HOST2_MAC:-}" ]; then
	MP_DEV2=$(nic_with_mac "$HOST2_MAC")
	MP_PEER2_DEV=$(nic_with_mac "$PEER2_MAC")
	ip link set "$MP_PEER2_DEV" netns peer
	export MP_DEV2 MP_PEER2_DEV
fi

# Writable, as kselftests expect of where they run.
cp -r $dir /tmp/kselftest
cd /tmp/kselftest || exit 1
[ $# -gt 0 ] || set -- mp_*
status=0
for program; do
	echo "--- $program"
	result_start=$SECONDS
	read -ra argv <<<"$program"
	tell_model "${argv[0]}" || result "$program" fail "the NIC takes no order"
	timeout "${limit:-600}" "./${argv[0]}" "${argv[@]:1}" 2>&1 | ktap "${argv[0]}"
	state=("${PIPESTATUS[@]}")
	[ "${state[1]}" = 0 ] || status=1
	case ${state[0]} in
	0|4) ;;
	124) result "$program" fail "no end within ${limit:-600} s"; status=1 ;;
	*) status=1
	   [ "${state[1]}" != 0 ] ||
		result "$program" fail "exit status ${state[0]}" ;;
	esac
done
exit $status
