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
"  mpctl share DEV [--pid PID] [--mac MAC] -- COMMAND [ARG ...]\n"
"  mpctl helper [DEV] [--filter] [--mac MAC] --fd=N [--br=DEV] [--use-vnet]\n"
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
"  share   Executes COMMAND, as bind does, with the descriptors of DEV that a\n"
"          process has which runs, while that keeps them.  It is for migration\n"
"          on one host: COMMAND is QEMU with -incoming.  DEV stays bound until\n"
"          both have ended, and is not reset when the guest moves.\n"
"\n"
"  helper  For QEMU to execute, as the helper that opens a tap: binds DEV as bind\n"
"          does and sends the descriptor to the socket N.  \"mpctl\" alone as\n"
"          helper does so with what QEMU says is a bridge.  One queue only.\n"
"\n"
"  show    Prints the counters of every open mp descriptor, or of those bound\n"
"          to DEV, with its queue and the process that holds it, and in two\n"
"          lines what is received and sent in place, what is copied and why.\n"
"          They are read from /proc/PID/fdinfo/FD; only root sees those of\n"
"          other users.\n"
"          With --watch it goes on, and prints each second, or every SECONDS,\n"
"          what has changed; until nobody has such a descriptor any more.\n"
"\n"
"OPTIONS of bind, rebind and helper; --mac of share, too\n"
"  --filter    DEV receives frames to the guest's address, to its own, to\n"
"              groups and to all stations.  Without it DEV is promiscuous: the\n"
"              guest may choose, change or forward addresses.\n"
"              Either lasts as long as DEV is bound: nothing is left behind.\n"
"  --promisc   As without --filter.\n"
"  --mac MAC   The address of the guest.  Without it %mac is a local one that is\n"
"              derived from the permanent address of DEV, and always the same.\n"
"              Do not give the guest the address of DEV: the host still sends\n"
"              from that, and a guest that is moved away would take it along.\n"
"  --queues N  Queues to bind (not with rebind), 0 to N - 1; 1 if it is not\n"
"              given.  COMMAND has to take %fds, if it is more.\n"
"\n"
"  --fd, --br, --use-vnet, of helper, are added by QEMU.\n"
"\n"
"OPTIONS of rebind and share\n"
"  --pid PID   The process to bind DEV to, or to share it with; needed where it\n"
"              can be one of several.\n"
"  --fd FD     (rebind only) The descriptor of it.  Needed where several are\n"
"              unbound that were not of different queues.\n"
"\n"
"EXIT STATUS\n"
"  that of COMMAND, once it runs; otherwise\n"
"  0    done\n"
"  1    wrong use\n"
"  2    " MP_NODE " is missing: module or CONFIG_VHOST_PASSTHRU\n"
"  3    no such network device\n"
"  4    missing rights: bind needs CAP_NET_ADMIN, rebind CAP_SYS_PTRACE,\n"
"       too, and share that alone\n"
"  5    DEV cannot be bound: its driver, its queues, or it is in use\n"
"  6    another system call failed\n"
"  7    rebind, share and show found no descriptor\n"
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
"  qemu-system-x86_64 -accel kvm -m 2G disk.img \\\n"
"    -netdev tap,id=n0,helper=/usr/sbin/mpctl,br=eth0,vhost=on \\\n"
"    -device virtio-net-pci,netdev=n0\n"
"  mpctl share eth0 -- qemu-system-x86_64 ... -incoming unix:/run/vm\n"
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
	if (!strcmp(cmd, "helper")) {
		argv[1] = "mpctl helper";
		return mpctl_helper(argc - 1, argv + 1);
	}
	/* QEMU executes it without a command, if the helper has no options. */
	if (!strcmp(cmd, "--use-vnet"))
		return mpctl_helper(argc, argv);
	if (!strcmp(cmd, "rebind")) {
		argv[1] = "mpctl rebind";
		return mpctl_rebind(argc - 1, argv + 1);
	}
	if (!strcmp(cmd, "share")) {
		argv[1] = "mpctl share";
		return mpctl_share(argc - 1, argv + 1);
	}
	if (!strcmp(cmd, "show")) {
		argv[1] = "mpctl show";
		return mpctl_show(argc - 1, argv + 1);
	}

	if (*cmd)
		say(0, "'%s': unknown command", cmd);
	else
		say(0, "needs a command: bind, rebind, share, helper, show");
	hint("See: mpctl --help");
	return EXIT_USAGE;
}
