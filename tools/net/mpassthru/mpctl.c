// SPDX-License-Identifier: GPL-2.0
/* mpctl - bind a NIC to a guest through /dev/net/mp. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mpctl.h"

static const char help[] =
"NAME\n"
"  mpctl - bind a NIC to a KVM guest through " MP_NODE "\n"
"\n"
"SYNOPSIS\n"
"  mpctl bind DEV [--filter] [--mac MAC] [--queues N] -- COMMAND [ARG ...]\n"
"  mpctl rebind DEV [--pid PID] [--fd FD] [--filter] [--mac MAC]\n"
"  mpctl show [DEV] [--watch[=SECONDS]]\n"
"  mpctl --help\n"
"\n"
"DESCRIPTION\n"
"  bind    Opens " MP_NODE ", once for each queue that is to be bound, sees\n"
"          to it that DEV has as many, binds them, brings DEV up and executes\n"
"          COMMAND in the place of mpctl.  In every ARG, %fd is replaced by the\n"
"          number of the first bound descriptor, %fds by the numbers of all of\n"
"          them with colons in between, and %mac by the address the guest is to\n"
"          use.  DEV goes back to the host when COMMAND ends.\n"
"\n"
"  rebind  After the driver of DEV was reloaded, or DEV was plugged in again or\n"
"          came back from another network namespace: binds it to the unbound\n"
"          descriptors of a process that runs, as bind does, each to the queue\n"
"          that it had.  Its guest goes on.\n"
"\n"
"  show    Prints the counters of every open mp descriptor, or of those bound\n"
"          to DEV, with its queue and the process that holds it, and in two\n"
"          lines what is received and sent in place, what is copied and why.\n"
"          They are read from /proc/PID/fdinfo/FD; only root sees those of\n"
"          other users.\n"
"          With --watch it goes on, and prints each second, or every SECONDS,\n"
"          what has changed; until nobody has such a descriptor any more.\n"
"\n"
"OPTIONS of bind and rebind\n"
"  --filter    DEV receives frames to the guest's address, to its own, to\n"
"              groups and to all stations.  Without it DEV is promiscuous: the\n"
"              guest may choose, change or forward addresses.\n"
"              It is set through a packet socket that COMMAND inherits, and\n"
"              ends with it: nothing is left behind on DEV.\n"
"  --promisc   As without --filter.\n"
"  --mac MAC   The address of the guest.  Without it %mac is a local one that is\n"
"              derived from the permanent address of DEV, and always the same.\n"
"              Do not give the guest the address of DEV: the host still sends\n"
"              from that, and a guest that is moved away would take it along.\n"
"  --queues N  Queues to bind (not with rebind), 0 to N - 1; 1 if it is not\n"
"              given.  COMMAND has to take %fds, if it is more.\n"
"\n"
"OPTIONS of rebind\n"
"  --pid PID   The process to bind DEV to,\n"
"  --fd FD     and its descriptor.  Needed where several are unbound that are\n"
"              not those of one process and of different queues.\n"
"\n"
"EXIT STATUS\n"
"  that of COMMAND, once it runs; otherwise\n"
"  0    done\n"
"  1    wrong use\n"
"  2    " MP_NODE " is missing: module or CONFIG_VHOST_PASSTHRU\n"
"  3    no such network device\n"
"  4    missing rights: bind needs CAP_NET_ADMIN and CAP_NET_RAW, rebind\n"
"       CAP_SYS_PTRACE, too\n"
"  5    DEV cannot be bound: its driver, its queues, or it is in use\n"
"  6    another system call failed\n"
"  7    show and rebind found no descriptor\n"
"  126  COMMAND cannot be executed\n"
"  127  COMMAND was not found\n"
"\n"
"EXAMPLE\n"
"  mpctl bind eth0 -- qemu-system-x86_64 -accel kvm -m 2G disk.img \\\n"
"    -netdev tap,id=n0,fd=%fd,vhost=on \\\n"
"    -device virtio-net-pci,netdev=n0,mac=%mac\n"
"  mpctl bind eth0 --queues 2 -- qemu-system-x86_64 -accel kvm -smp 2 -m 2G \\\n"
"    disk.img -netdev tap,id=n0,fds=%fds,vhost=on \\\n"
"    -device virtio-net-pci,netdev=n0,mac=%mac,mq=on,vectors=6\n"
"  mpctl show eth0\n";

const char *say_errno(int err)
{
	static char text[128];

	if (!err)
		return "";
	snprintf(text, sizeof(text), ": %s", strerror(err));
	return text;
}

/* Lest what is opened takes the number of a standard stream that is closed. */
static void open_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";

	open_standard_streams();
	if (!strcmp(cmd, "--help") || !strcmp(cmd, "-h") ||
	    !strcmp(cmd, "help")) {
		fputs(help, stdout);
		return EXIT_OK;
	}
	if (!strcmp(cmd, "bind")) {
		argv[1] = "mpctl bind";	/* how getopt() names us */
		return mpctl_bind(argc - 1, argv + 1);
	}
	if (!strcmp(cmd, "rebind")) {
		argv[1] = "mpctl rebind";
		return mpctl_rebind(argc - 1, argv + 1);
	}
	if (!strcmp(cmd, "show")) {
		argv[1] = "mpctl show";
		return mpctl_show(argc - 1, argv + 1);
	}

	if (*cmd)
		say(0, "'%s': unknown command", cmd);
	else
		say(0, "a command is needed: bind, rebind or show");
	hint("See: mpctl --help");
	return EXIT_USAGE;
}
