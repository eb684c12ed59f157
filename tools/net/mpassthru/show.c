// SPDX-License-Identifier: GPL-2.0
/* mpctl show: the counters of every mp descriptor on the system. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mpctl.h"

struct show {
	const char	*dev;		/* only this device; NULL for all */
	unsigned int	found;
	bool		denied;		/* a process did not let us look */
};

static void read_comm(const char *pid, char *comm, size_t size)
{
	char path[300];
	FILE *f;

	snprintf(comm, size, "?");
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "r");
	if (!f)
		return;
	if (fgets(comm, size, f))
		comm[strcspn(comm, "\n")] = '\0';
	fclose(f);
}

/* Splits "mp-NAME:\tVALUE\n" in place; false for a line of another kind. */
static bool parse_line(char *line, char **name, char **value)
{
	char *colon = strchr(line, ':');

	if (strncmp(line, "mp-", 3) || !colon)
		return false;
	*colon++ = '\0';
	colon += strspn(colon, " \t");
	colon[strcspn(colon, "\n")] = '\0';
	*name = line + 3;
	*value = colon;
	return true;
}

/* Looks for the line of the device; true when the file is to be shown. */
static bool fdinfo_matches(FILE *f, const char *dev)
{
	char line[256], *name, *value;

	while (fgets(line, sizeof(line), f)) {
		if (!parse_line(line, &name, &value))
			continue;
		if (!strcmp(name, "dev"))
			return !dev || !strcmp(value, dev);
	}
	return false;
}

static void show_fdinfo(struct show *show, const char *pid, const char *fd)
{
	char path[600], comm[64], line[256], *name, *value;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	f = fopen(path, "r");
	if (!f)
		return;
	if (!fdinfo_matches(f, show->dev))
		goto out;

	read_comm(pid, comm, sizeof(comm));
	printf("%s%s, pid %s, fd %s\n", show->found++ ? "\n" : "", comm, pid,
	       fd);
	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		if (parse_line(line, &name, &value))
			printf("  %-20s %s\n", name, value);
	}
out:
	fclose(f);
}

static void show_process(struct show *show, const char *pid)
{
	struct dirent *ent;
	char path[300];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	if (!dir) {
		show->denied |= errno == EACCES || errno == EPERM;
		return;
	}
	while ((ent = readdir(dir)))
		if (isdigit((unsigned char)ent->d_name[0]))
			show_fdinfo(show, pid, ent->d_name);
	closedir(dir);
}

int mpctl_show(int argc, char **argv)
{
	struct show show = {};
	struct dirent *ent;
	DIR *dir;

	if (argc > 2) {
		say(0, "show takes one device at most");
		return EXIT_USAGE;
	}
	show.dev = argv[1];

	dir = opendir("/proc");
	if (!dir) {
		say(errno, "/proc");
		return EXIT_SYSTEM;
	}
	while ((ent = readdir(dir)))
		if (isdigit((unsigned char)ent->d_name[0]) &&
		    atoi(ent->d_name) != getpid())
			show_process(&show, ent->d_name);
	closedir(dir);

	if (show.found)
		return EXIT_OK;
	say(0, "no process has %s%s%s", MP_NODE,
	    show.dev ? " open and bound to " : " open",
	    show.dev ? show.dev : "");
	if (access(MP_NODE, F_OK))
		hint("There is no %s: modprobe vhost_mpassthru", MP_NODE);
	if (show.denied && geteuid())
		hint("Not all processes could be looked at; run as root.");
	return EXIT_NOTHING;
}
