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

# tried NAME COMMAND...: its result. The last line that the command prints is the remark;
# all of them are in the log if it fails. So does this.
tried() {
	local name=$1 text

	shift
	if text=$("$@" 2>&1); then
		result "$name" pass "${text##*$'\n'}"
	else
		printf '%s\n' "$text"
		result "$name" fail "${text##*$'\n'}"
		return 1
	fi
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

# answered N [FROM]: what ping says, on standard input: N requests are, from 1 on, as
# iputils counts, or 0, as busybox does. For none of these is the last one's reply waited
# for as long as others': more are sent, by iputils with -w while one is late.
answered() {
	[ "$(sed -nE 's/^[0-9]+ bytes from .* (icmp_)?seq=([0-9]+) .*/\2/p' |
		awk -v n="$1" -v from="${2:-1}" '$1 >= from && $1 < from + n' |
		sort -u | wc -l)" = "$1" ]
}

# wait_for SECONDS COMMAND...: until it succeeds, or fail. Only what fails takes the
# time: there is four times as much, for a machine that is slow, and more with the
# debug options.
wait_for() {
	local times=4 end

	[ "$LAB_CONFIG" != debug ] || times=12
	end=$((SECONDS + times * $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}
