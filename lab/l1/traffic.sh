# shellcheck shell=bash
# Traffic between the guest and the peer. Each function prints Mbit/s, or fails.

# iperf3's report on standard input: what arrived, in Mbit/s. Fails if nothing did
# for two seconds; with the debug options all takes longer, and six are allowed.
iperf_mbps() {
	python3 -c '
import json, os, re, sys
limit = 5.7 if os.environ.get("LAB_CONFIG") == "debug" else 1.9
report = json.load(sys.stdin)
error = report.get("error", "")
if error and not error.startswith("interrupt"):
    sys.exit("iperf3: " + error)
if error:                       # by us, and so it does not know what arrived
    sums = [i["sum"] for i in report["intervals"]]
    total = {"bits_per_second": 8 * sum(s["bytes"] for s in sums) /
                                sum(s["seconds"] for s in sums)}
else:
    end = report["end"]
    total = end.get("sum_received") or end["sum"]
lost = total.get("lost_percent")
rate = total["bits_per_second"] / 1e6
if lost is not None:
    rate *= 1 - lost / 100 if "sum_received" not in end else 1

# Intervals, and what came in each. UDP is sent whether it arrives or not: the
# server knows, whose report is a text. If TCP does not arrive, the sender waits.
got = [(i["sum"]["seconds"], i["sum"]["bytes"]) for i in report["intervals"]]
text = report.get("server_output_text")
if text is not None:
    line = r"^\[ *\d+\] +([\d.]+)-([\d.]+) +sec +([\d.]+) \w*Bytes"
    got = [(float(to) - float(since), float(n))
           for since, to, n in re.findall(line, text.split("- - -")[0], re.M)]
# Of two seconds, less than an interval at each end is in one that is not empty,
# and for less than another a sender of TCP fills its buffer. A guest that stood
# still itself has an interval that is longer than the others.
usual, still = got[0][0], 0
for seconds, n in got:
    still = max(seconds - usual, 0) if n else still + seconds
    if still > limit - 2 * usual and still > 0.9:
        sys.exit("nothing arrived for %.2f s" % still)
print("%.1f" % rate)
sys.exit(rate <= 0)'
}

# The first five, once the link is up.
ping_peer() {
	local text

	wait_for 10 guest_run ping -c 1 -W 1 10.9.0.2
	text=$(guest_run ping -c 15 -i 0.2 10.9.0.2)
	echo "$text"
	answered 5 0 <<<"$text"
}

# steadily COMMAND...: its output. When it fails, that counts, unless this machine
# stood still meanwhile (stood.py), or iperf3's server was between two clients: then it
# is tried again, twice, and the remark of the result says so. The bench counts what is
# executed, and has none of it.
steadily() {
	local try text before why said=/tmp/said.$BASHPID

	[ "$LAB_CONFIG" != bench ] || { "$@"; return; }
	for try in 1 2 3; do
		before=$(stood_still)
		if text=$("$@" 2>"$said"); then
			cat "$said" >&2
			printf '%s\n' "$text"
			return
		fi
		text+=${text:+$'\n'}$(<"$said")
		if [ "$(stood_still)" != "$before" ]; then
			why=$(tail -n 1 /tmp/stood)
		elif ! why=$(grep -oE 'busy running|Connection refused' <<<"$text"); then
			break
		fi
		[ "$try" != 3 ] || break
		printf '%s\n' "$text" "once more: $why" >&2
		echo "$why" >>/tmp/once-more
		sleep 2
	done
	printf '%s\n' "$text"
	return 1
}

# stood_still: how often it did so far.
stood_still() {
	if [ ! -e /tmp/stood ]; then
		: >/tmp/stood
		python3 -SE /src/lab/l1/stood.py /tmp/stood >/dev/null 2>&1 3>&- &
	fi
	wc -l </tmp/stood
}

# flow OPTION...: of iperf3, to the guest.
flow() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -i 0.25 -J "$@" | iperf_mbps
}

tcp_rx() {
	steadily flow -t "${1:-5}"
}

tcp_tx() {
	steadily flow -t "${1:-5}" -R
}

udp_rx() {
	steadily flow -t "${1:-3}" -u -l 1472 -b 100M --get-server-output
}
