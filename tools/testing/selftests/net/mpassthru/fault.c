// SPDX-License-Identifier: GPL-2.0
/* Fault injection by /proc/PID/task/TID/fail-nth. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault.h"
#include "file.h"

#define DEBUGFS "/sys/kernel/debug/"

static const char * const knobs[][2] = {
	/* Allocations that may wait are most of them. */
	{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUGFS "fail_page_alloc/min-order", "0" },
	/* The log is for what goes wrong. */
	{ DEBUGFS "failslab/verbose", "0" },
	{ DEBUGFS "fail_page_alloc/verbose", "0" },
	{ DEBUGFS "fail_usercopy/verbose", "0" },
};

/* dma-debug turns itself off, for good, when it gets no memory. */
static void spare_dma_debug(void)
{
	static const char * const dirs[] = { "failslab", "fail_page_alloc" };
	unsigned long addr, start = 0, end = 0;
	char path[64], text[32], name[128];
	unsigned int i;
	FILE *f;

	f = fopen("/proc/kallsyms", "re");
	while (f && !end &&
	       fscanf(f, "%lx %*c %127s%*[^\n]", &addr, name) == 2) {
		if (!strcmp(name, "add_dma_entry"))
			start = addr;
		else if (start && addr > start)
			end = addr;
	}
	if (f)
		fclose(f);
	for (i = 0; end && i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/reject-start",
			 dirs[i]);
		snprintf(text, sizeof(text), "%#lx", start);
		file_write(path, text);
		snprintf(path, sizeof(path), DEBUGFS "%s/reject-end", dirs[i]);
		snprintf(text, sizeof(text), "%#lx", end);
		file_write(path, text);
	}
}

const char *fault_missing(void)
{
	unsigned int i;

	if (access("/proc/self/fail-nth", F_OK))
		return "no CONFIG_FAULT_INJECTION";
	for (i = 0; i < sizeof(knobs) / sizeof(*knobs); i++)
		if (file_write(knobs[i][0], knobs[i][1]))
			return knobs[i][0];
	if (fault_usercopy(true))
		return "no CONFIG_FAULT_INJECTION_STACKTRACE_FILTER";
	spare_dma_debug();
	return NULL;
}

/* Only what is called from an address between the two is made to fail. */
int fault_usercopy(bool on)
{
	return file_write(DEBUGFS "fail_usercopy/require-start",
			  on ? "0" : "0x1") ?:
	       file_write(DEBUGFS "fail_usercopy/require-end",
			  on ? "0xffffffffffffffff" : "0x2");
}

int fault_self(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int fault_worker(void)
{
	char path[300], comm[32] = "";
	struct dirent *entry;
	int fd = -ESRCH;
	DIR *dir;
	FILE *f;

	dir = opendir("/proc/self/task");
	if (!dir)
		return -errno;
	while (fd < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) &&
		    !strncmp(comm, "vhost-", 6)) {
			strcpy(strrchr(path, '/'), "/fail-nth");
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
		fclose(f);
	}
	closedir(dir);
	return fd;
}

int fault_arm(int fd, int nth)
{
	char text[16];
	int len;

	len = snprintf(text, sizeof(text), "%d", nth);
	return pwrite(fd, text, len, 0) < 0 ? -errno : 0;
}

/*
 * Where the thread is our own, the fault may hit the very calls that ask for
 * it.  It had not happened before, then, and has now.
 */
int fault_disarm(int fd)
{
	char text[16] = "";
	int left = 1;

	if (pread(fd, text, sizeof(text) - 1, 0) > 0)
		left = !!atoi(text);
	fault_arm(fd, 0);
	return left;
}

int fault_next(int nth, int each)
{
	const char *s = getenv("MP_FAULT_SPARSE");
	int sparse = s ? atoi(s) : 1;

	if (sparse > 1)
		each = each > sparse ? each / sparse : 1;
	return nth + 1 + nth / each;
}
