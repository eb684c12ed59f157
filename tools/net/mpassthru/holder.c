// SPDX-License-Identifier: GPL-2.0
/* The processes that have descriptors of /dev/net/mp, by /proc/PID/fdinfo. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "holder.h"

bool holder_parse_line(char *line, char **name, char **value)
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

static void read_comm(struct holder *holder)
{
	char path[64];
	FILE *f;

	snprintf(holder->comm, sizeof(holder->comm), "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", holder->pid);
	f = fopen(path, "r");
	if (!f)
		return;
	if (fgets(holder->comm, sizeof(holder->comm), f))
		holder->comm[strcspn(holder->comm, "\n")] = '\0';
	fclose(f);
}

bool holder_read(struct holder *holder)
{
	char path[64], line[256], *name, *value;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", holder->pid,
		 holder->fd);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (!holder_parse_line(line, &name, &value))
			continue;
		if (!strcmp(name, "dev")) {
			found = true;
			snprintf(holder->dev, sizeof(holder->dev), "%s",
				 strcmp(value, "-") ? value : "");
		} else if (!strcmp(name, "netns")) {
			holder->netns = strtoull(value, NULL, 10);
		} else if (!strcmp(name, "queue")) {
			/* which comes after these */
			holder->queue = strtoul(value, NULL, 10);
			break;
		}
	}
	fclose(f);
	if (found)
		read_comm(holder);
	return found;
}

bool holder_other_netns(const struct holder *holder)
{
	unsigned long long ours;
	socklen_t len = sizeof(ours);
	int sock, err;

	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return false;
	err = getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &ours, &len);
	close(sock);
	return !err && ours != holder->netns;
}

/* Returns 0, 1 when @fn wants no more, or a negative errno. */
static int each_of_process(pid_t pid, holder_fn fn, void *arg)
{
	struct holder holder = { .pid = pid };
	struct dirent *ent;
	char path[64];
	int ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!ret && (ent = readdir(dir))) {
		if (!isdigit((unsigned char)ent->d_name[0]))
			continue;
		holder.fd = atoi(ent->d_name);
		if (holder_read(&holder) && !fn(&holder, arg))
			ret = 1;
	}
	closedir(dir);
	return ret;
}

int holder_each(holder_fn fn, void *arg)
{
	struct dirent *ent;
	int ret = 0, err;
	pid_t pid;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return -errno;
	while ((ent = readdir(dir))) {
		pid = atoi(ent->d_name);
		if (pid <= 0 || pid == getpid())
			continue;
		err = each_of_process(pid, fn, arg);
		if (err == -EACCES || err == -EPERM)
			ret = -EACCES;
		if (err > 0)
			break;
	}
	closedir(dir);
	return ret;
}
