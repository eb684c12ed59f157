// SPDX-License-Identifier: GPL-2.0
/*
 * nic82599 --socket PATH --mac ADDRESS --wire LOCAL,REMOTE [--control PATH]
 *          [--pcap FILE]
 *
 * One NIC for one QEMU: it ends when QEMU does, with status 1 if the driver did
 * what no driver may do.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nic.h"

#define FDS	12

static const char *socket_path, *control_path, *pcap_path;
static char *wire_paths;
static uint8_t mac[6];

static void usage(void)
{
	fputs("usage: nic82599 --socket PATH --mac ADDRESS\n"
	      "                --wire LOCAL,REMOTE [--control PATH]\n"
	      "                [--pcap FILE]\n", stderr);
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "mac", required_argument, NULL, 'm' },
		{ "wire", required_argument, NULL, 'w' },
		{ "control", required_argument, NULL, 'c' },
		{ "pcap", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 's':
			socket_path = optarg;
			break;
		case 'm':
			if (sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
				   &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
				   &mac[5]) != 6)
				usage();
			break;
		case 'w':
			wire_paths = optarg;
			break;
		case 'c':
			control_path = optarg;
			break;
		case 'p':
			pcap_path = optarg;
			break;
		default:
			usage();
		}
	}
	if (!socket_path || !wire_paths || !(mac[0] | mac[1] | mac[2]))
		usage();
}

static void die(const char *what)
{
	fprintf(stderr, "nic82599: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void open_wire(void)
{
	char *remote = strchr(wire_paths, ',');

	if (!remote)
		usage();
	*remote++ = 0;
	if (wire_open(wire_paths, remote))
		die(wire_paths);
}

static void wait_for(struct pollfd *p, unsigned int n)
{
	uint64_t left = timer_left();
	struct timespec ts = {
		.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000,
	};

	while (ppoll(p, n, left == UINT64_MAX ? NULL : &ts, NULL) < 0)
		if (errno != EINTR)
			die("ppoll");
}

/* The host first, as a vCPU waits for what it asks. */
static void serve(int client, int control)
{
	struct pollfd p[FDS];
	int fds[FDS - 3];

	for (;;) {
		unsigned int i, n = control_fds(fds, FDS - 3);

		p[0].fd = client;
		p[1].fd = wire_fd();
		p[1].events = (wire_wants_read() ? POLLIN : 0) |
			      (wire_wants_write() ? POLLOUT : 0);
		p[2].fd = control;
		for (i = 0; i < n; i++)
			p[3 + i].fd = fds[i];
		p[0].events = p[2].events = POLLIN;
		for (i = 0; i < n; i++)
			p[3 + i].events = POLLIN;
		wait_for(p, 3 + n);
		if (p[0].revents && !vfio_user_readable(client))
			return;
		timer_run();
		if (p[1].revents & (POLLOUT | POLLERR | POLLHUP))
			wire_writable();
		if (p[1].revents & (POLLIN | POLLERR))
			wire_readable();
		if (p[2].revents)
			control_accept(control);
		for (i = 0; i < n; i++)
			if (p[3 + i].revents)
				control_readable(fds[i]);
	}
}

int main(int argc, char **argv)
{
	int listener, control = -1, client;

	parse(argc, argv);
	nic_init(mac);
	open_wire();
	if (pcap_path && !wire_capture(pcap_path))
		die(pcap_path);
	if (control_path) {
		control = control_listen(control_path);
		if (control < 0)
			die(control_path);
	}
	listener = vfio_user_listen(socket_path);
	if (listener < 0)
		die(socket_path);
	client = vfio_user_accept(listener);
	if (client < 0)
		die("accept");
	say("connected");
	serve(client, control);
#define F(name) fprintf(stderr, #name " %lu, ", fates.name);
	FATES(F)
#undef F
	fprintf(stderr, "interrupts %lu, assertions %u\n", interrupt_count(),
		assertions);
	return assertion_failed();
}
