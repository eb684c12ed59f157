// SPDX-License-Identifier: GPL-2.0
/* A memory cgroup. */

#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "file.h"

static int find_root(struct cgroup *c)
{
	struct mntent *m;
	FILE *f;

	f = setmntent("/proc/mounts", "re");
	while (f && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2"))
			continue;
		snprintf(c->root, sizeof(c->root), "%s", m->mnt_dir);
		endmntent(f);
		return 0;
	}
	if (f)
		endmntent(f);

	strcpy(c->root, "/tmp/mp-cgroup-XXXXXX");
	if (!mkdtemp(c->root))
		return -errno;
	c->mounted = !mount("cgroup2", c->root, "cgroup2", 0, NULL);
	if (c->mounted)
		return 0;
	rmdir(c->root);
	return -EOPNOTSUPP;
}

static int write_to(const char *dir, const char *name, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return file_write(path, text);
}

int cgroup_open(struct cgroup *c)
{
	int err;

	*c = (struct cgroup) {};
	err = find_root(c);
	if (err)
		return err;
	/* It belongs to version 1, or is not there. */
	if (write_to(c->root, "cgroup.subtree_control", "+memory")) {
		cgroup_close(c);
		return -EOPNOTSUPP;
	}
	snprintf(c->dir, sizeof(c->dir), "%s/mp-%d", c->root, getpid());
	if (!mkdir(c->dir, 0755))
		return 0;
	err = -errno;
	c->dir[0] = '\0';
	cgroup_close(c);
	return err;
}

void cgroup_close(struct cgroup *c)
{
	if (c->dir[0])
		rmdir(c->dir);
	if (c->mounted && !umount(c->root))
		rmdir(c->root);
	*c = (struct cgroup) {};
}

int cgroup_join(struct cgroup *c)
{
	return write_to(c->dir, "cgroup.procs", "0");
}

int cgroup_set_high(struct cgroup *c, size_t high)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", high);
	return write_to(c->dir, "memory.high", text);
}
