// SPDX-License-Identifier: GPL-2.0
/*
 * Orders of tests, as lines of text: a word, what it is about, "ok" or "error"
 * as the answer's last line. This is how a test has a fault, or says what a NIC
 * cannot know.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nic.h"

#define CONNECTIONS	4
#define LINE		512
#define WORDS		8

static struct connection {
	int fd;
	size_t len;
	char line[LINE];
} connections[CONNECTIONS] = {
	{ .fd = -1 }, { .fd = -1 }, { .fd = -1 }, { .fd = -1 },
};

static FILE *out;

static unsigned long number(const char *text, unsigned long otherwise)
{
	char *end;
	unsigned long n;

	if (!text)
		return otherwise;
	n = strtoul(text, &end, 0);
	return *end ? otherwise : n;
}

static bool state(char **w)
{
	struct queue *named = w[1] ? ring_named(w[1]) : NULL;
	unsigned int i;

	fprintf(out, "rxctrl 0x%x dmatxctl 0x%x fctrl 0x%x maxfrs %u ",
		REG(RXCTRL), REG(DMATXCTL), REG(FCTRL), REG(MAXFRS) >> 16);
	fprintf(out, "link %s master %d maps %zu\n",
		link_is_up() ? "up" : "down", config_is_master(),
		memory_maps());
	for (i = 0; i < QUEUES; i++) {
		if (rxq[i].state != OFF || named == &rxq[i])
			ring_print(out, &rxq[i], named == &rxq[i]);
		if (txq[i].state != OFF || named == &txq[i])
			ring_print(out, &txq[i], named == &txq[i]);
	}
	return true;
}

static bool stats(char **w)
{
	(void)w;
#define F(name) fprintf(out, #name " %lu\n", fates.name);
	FATES(F)
#undef F
	fprintf(out, "interrupts %lu\nassertions %u\n", interrupt_count(),
		assertions);
	return true;
}

/* limit rxN|all BYTES|off: what a write to a buffer of that queue may be. */
static bool limit(char **w)
{
	unsigned int i, bytes;
	struct queue *q;

	if (!w[1] || !w[2])
		return false;
	bytes = strcmp(w[2], "off") ? number(w[2], 0) : 0;
	if (!strcmp(w[1], "all")) {
		for (i = 0; i < QUEUES; i++)
			rxq[i].limit = bytes;
		return true;
	}
	q = ring_named(w[1]);
	if (!q || q->tx)
		return false;
	q->limit = bytes;
	return true;
}

static bool stuck(char **w)
{
	struct queue *q = w[1] ? ring_named(w[1]) : NULL;

	if (!q)
		return false;
	ring_stuck(q, !w[2] || strcmp(w[2], "off"));
	return true;
}

/* A guest may post one buffer twice: that is no fault of the driver then. */
static bool repeat(char **w)
{
	ring_may_repeat = !w[1] || strcmp(w[1], "off");
	return true;
}

/* One may have a packet cut that says to be IP of no known version. */
static bool neither(char **w)
{
	offload_may_be_neither = !w[1] || strcmp(w[1], "off");
	return true;
}

static bool set_link(char **w)
{
	if (!w[1])
		return false;
	if (!strcmp(w[1], "flap"))
		link_flap(number(w[2], 100));
	else
		link_set(!strcmp(w[1], "up"));
	return true;
}

static bool drain(char **w)
{
	ring_drain_ns = number(w[1], 500) * 1000ull;
	return true;
}

static bool start(char **w)
{
	ring_start_ns = number(w[1], 100) * 1000ull;
	return true;
}

static bool late(char **w)
{
	receive_late_ns = number(w[1], 0) * 1000ull;
	return true;
}

static bool latency(char **w)
{
	receive_latency_ns = number(w[1], 0) * 1000ull;
	return true;
}

/* pace FRAMES US, or pace off */
static bool pace(char **w)
{
	wire_pace(number(w[1], 0), number(w[1] ? w[2] : NULL, 1000) * 1000ull);
	return true;
}

static bool patience(char **w)
{
	wire_patience_ns = number(w[1], 1000) * 1000000ull;
	return true;
}

/* All-ones of the registers that come and go: on, off, or so many reads. */
static bool ones(char **w)
{
	if (!w[1])
		return false;
	nic_ones = !strcmp(w[1], "on") ? -1 : (int64_t)number(w[1], 0);
	return true;
}

/* It is pulled out: all reads give ones, and it does nothing any more. */
static bool removed(char **w)
{
	nic_removed = !w[1] || strcmp(w[1], "off");
	say("%s", nic_removed ? "removed" : "put back");
	if (!nic_removed) {
		config_reset();
		nic_reset("put back");
	}
	return true;
}

/* inject good|crc|length|symbol|tagged|double|runt|... [LENGTH [COUNT]] */
static bool inject(char **w)
{
	unsigned long len = number(w[1] ? w[2] : NULL, 60);

	if (!w[1] || len < 14 || len > FRAME_MAX - 8)
		return false;
	receive_inject(w[1], len, number(w[2] ? w[3] : NULL, 1));
	return true;
}

static bool pcap(char **w)
{
	return w[1] && wire_capture(strcmp(w[1], "off") ? w[1] : NULL);
}

static bool forgive(char **w)
{
	(void)w;
	fprintf(out, "assertions %u\n", assertions);
	assertion_forgive();
	return true;
}

static bool reg_read(char **w)
{
	unsigned long offset = number(w[1], BAR0_SIZE);

	if (offset >= BAR0_SIZE || offset % 4)
		return false;
	fprintf(out, "0x%x\n", REG(offset));
	return true;
}

static bool ping(char **w)
{
	(void)w;
	return true;
}

static const struct {
	const char *name;
	bool (*run)(char **words);
} orders[] = {
	{ "ping", ping }, { "state", state }, { "stats", stats },
	{ "limit", limit }, { "repeat", repeat }, { "neither", neither },
	{ "stuck", stuck }, { "link", set_link }, { "drain", drain },
	{ "start", start }, { "late", late }, { "latency", latency },
	{ "pace", pace },
	{ "patience", patience }, { "ones", ones }, { "removed", removed },
	{ "inject", inject }, { "pcap", pcap }, { "forgive", forgive },
	{ "register", reg_read },
};

static void obey(struct connection *c, char *line)
{
	char *words[WORDS + 1] = { NULL }, *text = NULL, *save;
	size_t size = 0;
	unsigned int i, n = 0;
	bool ok = false;

	say("control: %s", line);
	for (words[0] = strtok_r(line, " \t\r", &save);
	     n < WORDS && words[n];
	     words[++n] = strtok_r(NULL, " \t\r", &save))
		;
	words[n] = NULL;
	if (!n)
		return;
	out = open_memstream(&text, &size);
	if (!out)
		abort();
	for (i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		if (!strcmp(words[0], orders[i].name))
			ok = orders[i].run(words);
	fprintf(out, "%s\n", ok ? "ok" : "error");
	fclose(out);
	if (send(c->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		say("control: nobody reads the answer");
	free(text);
}

void control_readable(int fd)
{
	struct connection *c;
	char *end;
	ssize_t n;

	for (c = connections; c->fd != fd; c++)
		;
	n = recv(fd, c->line + c->len, LINE - 1 - c->len, MSG_DONTWAIT);
	if (n <= 0) {
		close(fd);
		c->fd = -1;
		return;
	}
	c->len += n;
	c->line[c->len] = 0;
	while ((end = strchr(c->line, '\n'))) {
		size_t used = end + 1 - c->line;

		*end = 0;
		obey(c, c->line);
		memmove(c->line, c->line + used, c->len - used + 1);
		c->len -= used;
	}
	if (c->len == LINE - 1)
		c->len = 0;
}

int control_listen(const char *path)
{
	return vfio_user_listen(path);
}

void control_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), i;

	for (i = 0; fd >= 0 && i < CONNECTIONS; i++) {
		if (connections[i].fd < 0) {
			connections[i].fd = fd;
			connections[i].len = 0;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

unsigned int control_fds(int *fds, unsigned int room)
{
	unsigned int i, n = 0;

	for (i = 0; i < CONNECTIONS && n < room; i++)
		if (connections[i].fd >= 0)
			fds[n++] = connections[i].fd;
	return n;
}
