# shellcheck shell=bash
# What the scripts that run inside L1 share.

# emit JSON: one line to the verdict port, which init holds open as fd 3.
emit() {
	printf '%s\n' "$1" >&3
}

# json_string TEXT: quoted, with what JSON forbids escaped.
json_string() {
	local s=${1//\\/\\\\}

	s=${s//\"/\\\"}
	s=${s//$'\t'/ }
	s=${s//$'\n'/\\n}
	printf '"%s"' "${s//[[:cntrl:]]/}"
}

# result NAME pass|fail|skip [REMARK]: one test's outcome.
FAILED=0
result_start=$SECONDS
result() {
	echo "$2: $1${3:+ ($3)}"
	emit "$(printf '{"name": %s, "result": "%s", "seconds": %d, "remark": %s}' \
		"$(json_string "$1")" "$2" $((SECONDS - result_start)) \
		"$(json_string "${3:-}")")"
	result_start=$SECONDS
	[ "$2" != fail ] || FAILED=1
}

metric() {
	emit "{\"metric\": \"$1\", \"value\": ${2:-null}}"
}

nic_with_mac() {
	local dev

	for dev in /sys/class/net/*; do
		if [ "$(cat "$dev/address")" = "$1" ]; then
			echo "${dev##*/}"
			return
		fi
	done
	return 1
}

peer() {
	ip netns exec peer "$@"
}

# wait_for SECONDS COMMAND...: until it succeeds, or fail.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}
