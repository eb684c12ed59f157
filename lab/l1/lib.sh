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
	local REPLY name

	echo "$2: $1${3:+ ($3)}"
	json_escape "$1"
	name=$REPLY
	json_escape "${3:-}"
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

# wait_for SECONDS COMMAND...: until it succeeds, or fail.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}
