# shellcheck shell=bash
# What a run must not leave behind. Sourced by init, after teardown.

BAD='WARNING:|BUG:|KASAN:|UBSAN:|Oops|general protection|Call Trace'
BAD+='|possible (circular|recursive)|inconsistent lock state|suspicious RCU'
BAD+='|DMAR:.*([Ff]ault|ERROR)|DMA-API: (.*device driver|.*exceeded|.*cacheline)'
BAD+='|blocked for more than|soft lockup|rcu.*stall'
BAD+='|refcount_t|ref_tracker:|unregister_netdevice: waiting'
BAD+='|kmemleak: [0-9]+ new|ODEBUG:|page_pool.*stalled'
# What igb and the network core say when a queue or the NIC does not do what it
# should. lab/check/judges compares these with what they print.
BAD+='|Detected Tx Unit Hang|NETDEV WATCHDOG:|transmit queue [0-9]+ timed out'
BAD+='|does not stop, resetting|: Hardware Error|TX DMA map failed'
BAD+='|malformed Tx packet detected'
# And ixgbe, some of it in the words of an igb that resets for a good reason.
BAD+='|ixgbe .*(Adapter removed|Reset adapter|initiating reset|resetting adapter'
BAD+='|within the polling|primary disable timed out|HW Init failed|Link setup failed'
BAD+='|link_config FAILED|register writes incomplete|(test|check) reg .* failed'
BAD+='|reg .* test failed|failed STATUS register test|Checksum Is Not Valid'
BAD+='|does not stop|Malicious Driver|Failed to allocate MSI)'

# kmemleak reports an object that two scans in a row found no pointer to. That it
# has given up is no good sign either.
scan_kmemleak() {
	local file=/sys/kernel/debug/kmemleak

	[ "$LAB_CONFIG" = debug ] || return 0
	if ! echo scan >$file; then
		echo "kmemleak does not scan"
		return
	fi
	sleep 6		# younger objects are not looked at
	echo scan >$file
	cat $file
}

# damage_json STATUS: members "taint", "dmesg", "kmemleak" and "reasons".
damage_json() {
	local taint dmesg leaks reasons=()

	leaks=$(scan_kmemleak 2>/dev/null | head -c 4000)
	# TAINT_TEST says that KUnit suites ran, which they do at boot.
	taint=$(($(cat /proc/sys/kernel/tainted) & ~(1 << 18)))
	dmesg=$(dmesg | grep -E "$BAD" | head -20)

	dmesg | grep -q 'Linux version' ||
		reasons+=("$(json_string "the kernel's log has lost its beginning")")
	[ "$1" = 0 ] || reasons+=("$(json_string "exit status $1")")
	[ "$taint" = 0 ] || reasons+=("$(json_string "kernel tainted: $taint")")
	[ -z "$dmesg" ] ||
		reasons+=("$(json_string "kernel log: ${dmesg%%$'\n'*}")")
	[ -z "$leaks" ] ||
		reasons+=("$(json_string "kmemleak: ${leaks%%$'\n'*}")")

	printf '"taint": %s, "dmesg": %s, "kmemleak": %s, "reasons": [%s]' \
		"$taint" "$(json_string "$dmesg")" "$(json_string "$leaks")" \
		"$(IFS=,; echo "${reasons[*]}")"
}
