// SPDX-License-Identifier: GPL-2.0
/* The device under test and the peer at the other end of its wire. */

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "clock.h"
#include "mp.h"
#include "nic.h"
#include "say.h"
#include "vhost.h"
#include "wire.h"

#define TAP_DEV		"mptap0"

static const char *env(const char *name, const char *otherwise)
{
	return getenv(name) ?: otherwise;
}

bool wire_is_tap(void)
{
	return !strcmp(env("MP_BACKEND", "mp"), "tap");
}

const char *wire_dev(void)
{
	return env("MP_DEV", "eth0");
}

static const char *peer_dev(void)
{
	return env("MP_PEER_DEV", "peer0");
}

static const char *peer_netns(void)
{
	return env("MP_PEER_NETNS", "peer");
}

const char *wire_missing(void)
{
	static char text[128];
	int sock, index;

	if (access(VHOST_NODE, F_OK))
		return "no " VHOST_NODE;
	if (wire_is_tap())
		return access("/dev/net/tun", F_OK) ? "no /dev/net/tun" : NULL;
	if (access(MP_NODE, F_OK))
		return "no " MP_NODE;
	sock = nic_sock();
	index = nic_index(sock, wire_dev());
	close(sock);
	if (index < 0) {
		snprintf(text, sizeof(text), "no %s (MP_DEV)", wire_dev());
		return text;
	}
	snprintf(text, sizeof(text), "/var/run/netns/%s", peer_netns());
	if (!access(text, F_OK))
		return NULL;
	snprintf(text, sizeof(text), "no network namespace %s (MP_PEER_NETNS)",
		 peer_netns());
	return text;
}

static int open_tap(struct wire *w)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	w->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	strcpy(ifr.ifr_name, TAP_DEV);
	if (ioctl(w->fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	w->dev = TAP_DEV;
	nic_quiet(TAP_DEV);
	return nic_up(w->sock, TAP_DEV) ?:
	       nic_get_mac(w->sock, TAP_DEV, w->mac) ?:
	       peer_open(&w->peer, NULL, TAP_DEV, w->mac);
}

static int open_nic(struct wire *w, const char *dev, const char *peer)
{
	int err;

	*w = (struct wire) { .fd = -1, .peer.fd = -1, .mp = true };
	w->dev = dev;
	w->sock = nic_sock();
	if (w->sock < 0)
		return w->sock;
	nic_quiet(w->dev);
	err = nic_set_queues(w->sock, w->dev, 1) ?:
	      nic_up(w->sock, w->dev) ?:
	      nic_get_mac(w->sock, w->dev, w->mac) ?:
	      peer_open(&w->peer, peer_netns(), peer, w->mac);
	if (err)
		say("%s: %s", w->dev, strerror(-err));
	return err;
}

int wire_open_unbound(struct wire *w)
{
	return open_nic(w, wire_dev(), peer_dev()) ?:
	       nic_wait_running(w->sock, w->dev);
}

const char *wire_second_missing(void)
{
	return getenv("MP_DEV2") && getenv("MP_PEER2_DEV") ? NULL :
	       "no second wire (MP_DEV2, MP_PEER2_DEV)";
}

int wire_open_second(struct wire *w)
{
	return open_nic(w, getenv("MP_DEV2"), getenv("MP_PEER2_DEV")) ?:
	       wire_bind(w);
}

int wire_bind(struct wire *w)
{
	long long end = clock_ms() + clock_patience();
	char msg[256];
	int err;

	w->fd = mp_open();
	if (w->fd < 0) {
		say(MP_NODE ": %s", strerror(-w->fd));
		return w->fd;
	}
	/* A test that was killed may be on its way out still. */
	do {
		err = mp_bind_msg(w->fd, w->dev, msg, sizeof(msg));
	} while (err == -EBUSY && clock_ms() < end && !usleep(20000));
	if (err)
		say("%s: %s (%s)", w->dev, strerror(-err), msg);
	return err ?: nic_wait_running(w->sock, w->dev);
}

int wire_open(struct wire *w)
{
	int err;

	/* Binding resets the NIC: the link is waited for after that. */
	if (!wire_is_tap())
		return open_nic(w, wire_dev(), peer_dev()) ?: wire_bind(w);

	*w = (struct wire) { .fd = -1, .peer.fd = -1 };
	w->sock = nic_sock();
	err = w->sock < 0 ? w->sock : open_tap(w);
	if (err)
		say(TAP_DEV ": %s", strerror(-err));
	return err;
}

bool wire_between(struct wire *w, long long *n)
{
	/* In this order: what comes in between is not missed. */
	long long got = nic_stat(w->peer.fd, w->peer.dev, "rx_packets");
	long long sent = nic_stat(w->sock, w->dev, "tx_packets");

	*n = sent - got;
	return sent >= 0 && got >= 0;
}

void wire_close(struct wire *w)
{
	peer_close(&w->peer);
	if (w->fd >= 0)
		close(w->fd);
	/* The host takes what is left of a flood sooner than a guest does. */
	if (w->mp && w->peer.flooded)
		nic_wait_running(w->sock, w->dev);
	if (w->sock >= 0)
		close(w->sock);
	w->fd = -1;
	w->sock = -1;
}

/*
 * Frames of an earlier flood may still be on their way, the link may be coming
 * up: send until one arrives.
 */
static bool carries(struct peer *from, struct peer *to)
{
	long long end = clock_ms() + clock_patience();
	unsigned char buf[FRAME_BUF];
	__u32 seq;
	int len;

	while (clock_ms() < end) {
		if (peer_send(from, 600))
			return false;
		while ((len = peer_recv(to, buf, sizeof(buf), 50, NULL)) > 0) {
			if (frame_check(&from->frame, buf, len, &seq) ==
			    FRAME_OK)
				return true;
			/* No room for ours yet: as in flow_start(). */
			end = clock_ms() + clock_patience();
		}
	}
	say("nothing came from %s to %s", from->dev, to->dev);
	return false;
}

bool wire_host_works(struct wire *w)
{
	struct peer host;
	bool ok;

	if (!w->mp)
		return true;
	if (nic_up(w->sock, w->dev) || nic_wait_running(w->sock, w->dev))
		return false;
	if (peer_open(&host, NULL, w->dev, w->peer.mac))
		return false;
	ok = carries(&w->peer, &host) && carries(&host, &w->peer);
	peer_close(&host);
	return ok;
}

long long wire_count(struct wire *w, const char *name)
{
	return w->mp ? mp_count(w->fd, name) : 0;
}

void wire_explain_queue(int fd)
{
	char path[64], line[128], text[1024] = "";
	size_t at = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && at < sizeof(text)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "mp-", 3) || strstr(line, "\t0"))
			continue;
		line[strcspn(line, "\t")] = ' ';
		at += snprintf(text + at, sizeof(text) - at, " %s", line + 3);
	}
	if (f)
		fclose(f);
	say("%s", text);
}

/* Counters of what a NIC has carried and lost, those that it has. */
static const char *const carried[] = {
	"rx_packets", "tx_packets", "rx_no_dma_resources", "rx_missed_errors",
	"rx_queue_0_drops", "rx_no_buffer_count", "tx_timeout_count", NULL,
};

static void explain_nic(int sock, const char *dev)
{
	const char *const *name;
	char text[512] = "";
	size_t at = 0;
	long long n;

	for (name = carried; *name && at < sizeof(text); name++) {
		n = nic_stat(sock, dev, *name);
		if (n > 0)
			at += snprintf(text + at, sizeof(text) - at,
				       " %s: %lld", *name, n);
	}
	say("%s:%s", dev, text);
}

void wire_explain(struct wire *w)
{
	if (!w->mp || w->fd < 0)
		return;
	wire_explain_queue(w->fd);
	explain_nic(w->sock, w->dev);
	explain_nic(w->peer.fd, w->peer.dev);
}
