// SPDX-License-Identifier: GPL-2.0
/* The command that bind and share execute, and what is replaced in it. */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "mac.h"
#include "mpctl.h"

/* What stands for the descriptors in a command, and how QEMU takes it. */
static const struct {
	const char *name;
	const char *netdev;
} one = {
	"%fd", "-netdev tap,id=n0,fd=%fd,vhost=on"
}, several = {
	"%fds", "-netdev tap,id=n0,fds=%fds,vhost=on"
};

static bool takes(char **cmd, const char *name)
{
	for (; *cmd; cmd++)
		if (strstr(*cmd, name))
			return true;
	return false;
}

int command_check(char **cmd, unsigned int queues)
{
	if (queues > 1 && !takes(cmd, several.name)) {
		say(0, "'%s' does not appear in the command", several.name);
		hint("It stands for the descriptors: %s", several.netdev);
		return EXIT_USAGE;
	}
	/* Of which the longer one is a part. */
	if (!takes(cmd, one.name)) {
		say(0, "'%s' does not appear in the command", one.name);
		hint("It stands for the descriptor: %s", one.netdev);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

void command_hint(const char *what)
{
	hint("mpctl %s eth0 -- qemu-system-x86_64 ... %s", what, one.netdev);
}

/* What is put in the place of "%fd", "%fds" and "%mac". */
struct values {
	char fd[16];
	char fds[MAX_QUEUES * 16];
	char mac[MAC_TEXT_LEN];
};

/* Returns @arg with all of that replaced, in memory of its own. */
static char *expand(const char *arg, const struct values *values)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	while (*arg) {
		if (!strncmp(arg, "%fds", 4)) {
			fputs(values->fds, f);
			arg += 4;
		} else if (!strncmp(arg, "%fd", 3)) {
			fputs(values->fd, f);
			arg += 3;
		} else if (!strncmp(arg, "%mac", 4)) {
			fputs(values->mac, f);
			arg += 4;
		} else {
			fputc(*arg++, f);
		}
	}
	if (fclose(f))
		return NULL;
	return text;
}

int command_run(const int *fds, unsigned int n, const unsigned char *mac,
		char **cmd)
{
	struct values values;
	char **arg, *text;
	unsigned int i;
	size_t len = 0;
	int err;

	snprintf(values.fd, sizeof(values.fd), "%d", fds[0]);
	for (i = 0; i < n; i++)
		len += snprintf(values.fds + len, sizeof(values.fds) - len,
				i ? ":%d" : "%d", fds[i]);
	mac_format(mac, values.mac);
	for (arg = cmd; *arg; arg++) {
		text = expand(*arg, &values);
		if (!text) {
			say(ENOMEM, "cannot set up the command");
			return EXIT_SYSTEM;
		}
		*arg = text;
	}

	execvp(cmd[0], cmd);
	err = errno;
	say(err, "%s", cmd[0]);
	return err == ENOENT ? EXIT_NOCMD : EXIT_NOEXEC;
}
