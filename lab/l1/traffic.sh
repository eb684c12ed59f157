# shellcheck shell=bash
# Traffic between the guest and the peer. Each function prints Mbit/s, or fails.

# A stall is that nothing arrives for this long, in intervals of 0.25 s: one of two
# seconds has seven whole ones, less what the sender's buffer takes.
STALL=6

# iperf3's report on standard input: what arrived, in Mbit/s. Fails if nothing did
# for STALL intervals.
iperf_mbps() {
	python3 -c '
import json, re, sys
report = json.load(sys.stdin)
if "error" in report:
    sys.exit("iperf3: " + report["error"])
end = report["end"]
total = end.get("sum_received") or end["sum"]
lost = total.get("lost_percent")
rate = total["bits_per_second"] / 1e6
if lost is not None:
    rate *= 1 - lost / 100 if "sum_received" not in end else 1
# The receiver knows: of UDP, which is sent whether it arrives or not, by the text
# of the server; of TCP the sender stalls as well.
got = [i["sum"]["bytes"] for i in report["intervals"]]
text = report.get("server_output_text")
if text is not None:
    got = [float(m) for m in re.findall(
        r"^\[ *\d+\] +[\d.]+-[\d.]+ +sec +([\d.]+) \w*Bytes", text, re.M)]
# Both ends start and stop when the other does not yet, or any more.
run = longest = 0
for n in got:
    run = 0 if n else run + 1
    longest = max(longest, run)
if longest >= int(sys.argv[1]):
    sys.exit("nothing arrived for %.2f s" % (longest / 4))
print("%.1f" % rate)
sys.exit(rate <= 0)' "$STALL"
}

# All of five, once the link is up.
ping_peer() {
	local text

	wait_for 10 guest_run ping -c 1 -W 1 10.9.0.2
	text=$(guest_run ping -c 5 -i 0.2 -W 2 10.9.0.2) || { echo "$text"; return 1; }
	echo "$text"
	grep -qE '^5 packets transmitted, 5 (packets )?received' <<<"$text"
}

tcp_rx() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -t "${1:-5}" -i 0.25 -J | iperf_mbps
}

tcp_tx() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -t "${1:-5}" -i 0.25 -R -J | iperf_mbps
}

udp_rx() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -t "${1:-3}" -i 0.25 -u -l 1472 \
		-b 100M --get-server-output -J | iperf_mbps
}
