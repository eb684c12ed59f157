// SPDX-License-Identifier: GPL-2.0
/*
 * The wire: datagrams of a unix socket, a frame without FCS each, as QEMU's
 * -netdev dgram has them. Nothing here ever waits: the peer may be a NIC of the
 * same QEMU, whose lock is held by a vCPU that waits for a reply of ours.
 *
 * A peer that reads nothing for long is not a peer that asks for a pause. After
 * wire_patience_ns frames are lost, as they are on a cable with nobody at its
 * end, and so is each that it does not take at once, until it takes one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nic.h"

#define BATCH	64

struct pending {
	struct pending *next;
	unsigned int len;
	uint8_t data[];
};

uint64_t wire_patience_ns = 3000000000;
static int fd = -1;
static bool connected;
static bool deaf;			/* nobody is at the other end */
static struct sockaddr_un peer;
static struct pending *first, **last = &first;
static struct timer patience;
static FILE *capture;
static unsigned int pace_frames, pace_left;	/* 0: as fast as it comes */
static uint64_t pace_ns;
static struct timer pace;

/* pcap with times in ns: its magic says so. */
bool wire_capture(const char *path)
{
	static const uint32_t header[] = {
		0xa1b23c4d, 4 << 16 | 2, 0, 0, FRAME_MAX, 1
	};

	if (capture)
		fclose(capture);
	capture = NULL;
	if (!path)
		return true;
	capture = fopen(path, "w");
	if (!capture)
		return false;
	fwrite(header, sizeof(header), 1, capture);
	fflush(capture);
	return true;
}

static void record(const uint8_t *frame, unsigned int len)
{
	struct timespec ts;
	uint32_t head[4];

	if (!capture)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	head[0] = ts.tv_sec;
	head[1] = ts.tv_nsec;
	head[2] = head[3] = len;
	fwrite(head, sizeof(head), 1, capture);
	fwrite(frame, len, 1, capture);
	fflush(capture);
}

static bool address(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(a->sun_path))
		return false;
	strcpy(a->sun_path, path);
	return true;
}

int wire_open(const char *local, const char *remote)
{
	struct sockaddr_un own;
	int size = 4 << 20;

	if (!address(&own, local) || !address(&peer, remote))
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(local);
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int wire_fd(void)
{
	return fd;
}

/*
 * Connected, or poll() would not know of a peer that is full. The peer may come
 * after us, and be another one later.
 */
static bool reach(void)
{
	if (!connected)
		connected = !connect(fd, (struct sockaddr *)&peer,
				     sizeof(peer));
	return connected;
}

enum sent { SENT, LATER, LOST };

static enum sent try(const uint8_t *frame, unsigned int len)
{
	int tries;

	for (tries = 0; tries < 2; tries++) {
		if (fd < 0 || !reach())
			return LOST;
		if (send(fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			fates.wire_out++;
			return SENT;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			return LATER;
		connected = false;
	}
	return LOST;
}

static void drop_first(void)
{
	struct pending *p = first;

	first = p->next;
	if (!first)
		last = &first;
	free(p);
}

static void give_up(void *unused)
{
	unsigned int lost = 0;

	(void)unused;
	/* It may be us who stood still, and the peer has read meanwhile. */
	wire_writable();
	if (!first || patience.when)
		return;
	while (first) {
		drop_first();
		lost++;
	}
	fates.wire_lost += lost;
	deaf = true;
	say("the peer reads nothing: %u frames are lost", lost);
	transmit_wire_ready();
}

void wire_send(const uint8_t *frame, unsigned int len)
{
	struct pending *p;
	enum sent sent = LATER;

	record(frame, len);
	if (!first)
		sent = try(frame, len);
	if (sent == SENT)
		deaf = false;
	else if (deaf)
		sent = LOST;
	if (sent == LOST)
		fates.wire_lost++;
	if (sent != LATER)
		return;
	p = malloc(sizeof(*p) + len);
	if (!p)
		abort();
	p->next = NULL;
	p->len = len;
	memcpy(p->data, frame, len);
	*last = p;
	last = &p->next;
	patience.fire = give_up;
	if (!patience.when)
		timer_set(&patience, wire_patience_ns);
}

bool wire_is_blocked(void)
{
	return first;
}

bool wire_wants_write(void)
{
	return first;
}

void wire_writable(void)
{
	bool any = false;

	while (first) {
		enum sent sent = try(first->data, first->len);

		if (sent == LATER)
			break;
		if (sent == LOST)
			fates.wire_lost++;
		drop_first();
		any = true;
	}
	if (any)
		timer_stop(&patience);
	if (first && any)
		timer_set(&patience, wire_patience_ns);
	if (!first)
		transmit_wire_ready();
}

static void go_on(void *unused)
{
	(void)unused;
	pace_left = pace_frames;
}

/*
 * So many frames at a time, then none for so long: what a frame costs a driver
 * depends on how many there are to a poll.
 */
void wire_pace(unsigned int frames, uint64_t ns)
{
	timer_stop(&pace);
	pace.fire = go_on;
	pace_frames = pace_left = frames;
	pace_ns = ns;
}

bool wire_wants_read(void)
{
	return !receive_is_full() && (!pace_frames || pace_left);
}

/*
 * Some frames, so that a message of the host waits for no more than these. A
 * frame is never shorter than 60 bytes where it comes from: QEMU leaves that to
 * whom it concerns.
 */
void wire_readable(void)
{
	static uint8_t frame[FRAME_MAX];
	unsigned int n;

	for (n = 0; n < BATCH && wire_wants_read(); n++) {
		ssize_t len = recv(fd, frame, sizeof(frame), MSG_DONTWAIT);

		if (len < 0)
			return;
		if (len < 14)
			continue;
		if (len < 60) {
			memset(frame + len, 0, 60 - len);
			len = 60;
		}
		record(frame, len);
		receive_frame(frame, len, 0, false);
		if (pace_frames && !--pace_left)
			timer_set(&pace, pace_ns);
	}
}

/* The MAC forgets what it had not sent. */
void wire_reset(void)
{
	while (first) {
		drop_first();
		fates.wire_lost++;
	}
	timer_stop(&patience);
}
