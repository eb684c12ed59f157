// SPDX-License-Identifier: GPL-2.0
/* mpctl show: the counters of every mp descriptor on the system. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "holder.h"
#include "mpctl.h"

struct show {
	const char	*dev;		/* only this device; NULL for all */
	unsigned int	found;
};

static bool show_holder(const struct holder *holder, void *arg)
{
	char path[64], line[256], *name, *value;
	struct show *show = arg;
	FILE *f;

	if (show->dev && strcmp(show->dev, *holder->dev ? holder->dev : "-"))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", holder->pid,
		 holder->fd);
	f = fopen(path, "r");
	if (!f)
		return true;

	printf("%s%s, pid %d, fd %d\n", show->found++ ? "\n" : "",
	       holder->comm, holder->pid, holder->fd);
	while (fgets(line, sizeof(line), f)) {
		if (holder_parse_line(line, &name, &value))
			printf("  %-20s %s\n", name, value);
	}
	fclose(f);
	return true;
}

int mpctl_show(int argc, char **argv)
{
	struct show show = {};
	int err;

	if (argc > 2) {
		say(0, "show takes one device at most");
		return EXIT_USAGE;
	}
	show.dev = argv[1];

	err = holder_each(show_holder, &show);
	if (err && err != -EACCES) {
		say(-err, "/proc");
		return EXIT_SYSTEM;
	}
	if (show.found)
		return EXIT_OK;

	say(0, "no process has %s%s%s", MP_NODE,
	    show.dev ? " open and bound to " : " open",
	    show.dev ? show.dev : "");
	if (access(MP_NODE, F_OK))
		hint("There is no %s: modprobe vhost_mpassthru", MP_NODE);
	if (err && geteuid())
		hint("Not all processes could be looked at; run as root.");
	return EXIT_NOTHING;
}
