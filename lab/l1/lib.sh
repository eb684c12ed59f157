# shellcheck shell=bash
# What the scripts that run inside L1 share.

# emit JSON: one line to the verdict port, which init holds open as fd 3.
emit() {
	printf '%s\n' "$1" >&3
}

# json_escape TEXT: it is in REPLY then, with what JSON forbids escaped.
json_escape() {
	REPLY=${1//\\/\\\\}
	REPLY=${REPLY//\"/\\\"}
	REPLY=${REPLY//$'\t'/ }
	REPLY=${REPLY//$'\n'/\\n}
	REPLY=${REPLY//[[:cntrl:]]/}
}

# json_string TEXT: quoted.
json_string() {
	local REPLY

	json_escape "$1"
	printf '"%s"' "$REPLY"
}

# result NAME pass|fail|skip [REMARK]: one test's outcome. Without a fork, of which the
# debug kernel makes ten a second.
FAILED=0
result_start=$SECONDS
result() {
	local REPLY name remark=${3:-} again

	# By steadily, of traffic.sh.
	if [ -s /tmp/once-more ]; then
		mapfile -t again </tmp/once-more
		: >/tmp/once-more
		remark+="${remark:+; }once more for ${again[*]}"
	fi
	echo "$2: $1${remark:+ ($remark)}"
	json_escape "$1"
	name=$REPLY
	json_escape "$remark"
	printf '{"name": "%s", "result": "%s", "seconds": %d, "remark": "%s"}\n' \
		"$name" "$2" $((SECONDS - result_start)) "$REPLY" >&3
	result_start=$SECONDS
	[ "$2" != fail ] || FAILED=1
}

metric() {
	emit "{\"metric\": \"$1\", \"value\": ${2:-null}}"
}

nic_with_mac() {
	local file

	for file in /sys/class/net/*/address; do
		if [ "$(cat "$file")" = "$1" ]; then
			basename "${file%/*}"
			return
		fi
	done
	return 1
}

peer() {
	ip netns exec peer "$@"
}

# answered N: what iputils' ping -w says, on standard input: the first N requests are.
# With -W it would wait no longer for the last than for others, and with -w it sends
# more while one is late.
answered() {
	[ "$(sed -nE 's/^[0-9]+ bytes from .* icmp_seq=([0-9]+) .*/\1/p' |
		awk -v n="$1" '$1 <= n' | sort -u | wc -l)" = "$1" ]
}

# wait_for SECONDS COMMAND...: until it succeeds, or fail. Only what fails takes the
# time: there is four times as much, for a machine that is slow.
wait_for() {
	local end=$((SECONDS + 4 * $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}
