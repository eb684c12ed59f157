# shellcheck shell=bash
# Traffic between the guest and the peer. Each function prints Mbit/s, or fails.

# iperf3's report on standard input: what arrived, in Mbit/s.
iperf_mbps() {
	python3 -c '
import json, sys
report = json.load(sys.stdin)
if "error" in report:
    sys.exit("iperf3: " + report["error"])
end = report["end"]
total = end.get("sum_received") or end["sum"]
lost = total.get("lost_percent")
rate = total["bits_per_second"] / 1e6
if lost is not None:
    rate *= 1 - lost / 100 if "sum_received" not in end else 1
print("%.1f" % rate)
sys.exit(rate <= 0)'
}

ping_peer() {
	guest_run ping -c 5 -i 0.2 -W 2 10.9.0.2
}

tcp_rx() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -t "${1:-5}" -J | iperf_mbps
}

tcp_tx() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -t "${1:-5}" -R -J | iperf_mbps
}

udp_rx() {
	peer timeout 60 iperf3 -c "$GUEST_IP" -t "${1:-3}" -u -l 1472 -b 100M -J |
		iperf_mbps
}
