// SPDX-License-Identifier: GPL-2.0
/* mpctl show: the counters of every mp descriptor on the system. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"
#include "holder.h"
#include "mpctl.h"

#define WATCHED		64	/* descriptors at most */

struct show {
	const char	*dev;		/* only this device; NULL for all */
	unsigned int	found;
	unsigned int	watch;		/* seconds between two looks, or 0 */
	struct watched {
		pid_t		pid;
		int		fd;
		struct counters	last;
	} watched[WATCHED];
	unsigned int	nr_watched;
};

/* Why frames were copied, by counter; each prefix has its own list. */
static const char * const received[] = {
	"bounce-cross", "bounce-pin", "bounce-mask", "bounce-frag",
	"bounce-moved", NULL
};

static const char * const sent[] = {
	"tx-fallback-egress", "tx-fallback-frame", "tx-fallback-behind",
	"tx-fallback-reset", NULL
};

static void show_reasons(const struct counters *c, const char * const *names)
{
	const char *begin = " (", *name;
	unsigned long long n;

	for (; *names; names++) {
		n = counters_get(c, *names);
		if (!n)
			continue;
		name = strrchr(*names, '-') + 1;
		printf("%s%s %llu", begin, name, n);
		begin = ", ";
	}
	printf("%s\n", *begin == ',' ? ")" : "");
}

/* Why it receives nothing in place, and for how long, if that is known. */
static void show_copying(const struct counters *c)
{
	const char *why = counters_text(c, "rx-copy-why");
	unsigned long long ms = counters_get(c, "rx-copy-ms");

	if (!strcmp(why, "-"))
		return;
	printf("  zero-copy of what is received is off: %s", why);
	if (ms)
		printf(", tried again in %llu.%llu s", ms / 1000,
		       ms % 1000 / 100);
	printf("\n");
}

static void show_summary(const struct counters *c)
{
	printf("  received: %llu in place, %llu bounced, %llu copied",
	       counters_get(c, "zerocopy"), counters_get(c, "bounced"),
	       counters_get(c, "copied"));
	show_reasons(c, received);
	show_copying(c);
	printf("  sent: %llu in place, %llu short ones copied whole,",
	       counters_get(c, "tx-zerocopy"),
	       counters_get(c, "tx-copied-whole"));
	printf(" %llu bounced in part, %llu copied",
	       counters_get(c, "tx-bounced"), counters_get(c, "tx-copied"));
	show_reasons(c, sent);
}

static void show_all(const struct holder *holder, const struct counters *c,
		     bool first)
{
	unsigned int i;

	printf("%s%s, pid %d, fd %d, queue %u\n", first ? "" : "\n",
	       holder->comm, holder->pid, holder->fd, holder->queue);
	show_summary(c);
	for (i = 0; i < c->n; i++)
		printf("  %-20s %s\n", c->at[i].name, c->at[i].text);
}

/* How many there are, not how many there were. */
static bool is_level(const char *name)
{
	static const char * const levels[] = {
		"outstanding", "armed", "pinned", "pinned-peak", "pin-limit",
		"pin-ghosts", NULL
	};
	const char * const *level;

	if (!strncmp(name, "tx-", 3))
		name += 3;
	for (level = levels; *level; level++)
		if (!strcmp(name, *level))
			return true;
	return false;
}

/* What has changed since the last look. */
static void show_changes(const struct show *show, const struct holder *holder,
			 const struct counters *now,
			 const struct counters *last)
{
	unsigned int i, changes = 0;

	printf("%s, %s, pid %d, fd %d, queue %u:",
	       *holder->dev ? holder->dev : "-", holder->comm, holder->pid,
	       holder->fd, holder->queue);
	for (i = 0; i < now->n && i < last->n; i++) {
		/* Which goes down by itself. */
		if (!strcmp(now->at[i].name, "rx-copy-ms"))
			continue;
		if (!strcmp(now->at[i].text, last->at[i].text))
			continue;
		changes++;
		if (now->at[i].value > last->at[i].value &&
		    !is_level(now->at[i].name))
			printf("  %s %llu/s", now->at[i].name,
			       (now->at[i].value - last->at[i].value) /
			       show->watch);
		else
			printf("  %s %s", now->at[i].name, now->at[i].text);
	}
	printf("%s\n", changes ? "" : "  nothing");
	fflush(stdout);
}

static struct watched *watched_of(struct show *show,
				  const struct holder *holder)
{
	struct watched *w;
	unsigned int i;

	for (i = 0; i < show->nr_watched; i++) {
		w = &show->watched[i];
		if (w->pid == holder->pid && w->fd == holder->fd)
			return w;
	}
	if (i == WATCHED)
		return NULL;
	show->nr_watched++;
	show->watched[i] = (struct watched) {
		.pid = holder->pid, .fd = holder->fd,
	};
	return &show->watched[i];
}

static bool show_holder(const struct holder *holder, void *arg)
{
	struct show *show = arg;
	struct counters now;
	struct watched *w;

	if (show->dev && strcmp(show->dev, *holder->dev ? holder->dev : "-"))
		return true;
	if (!counters_read(&now, holder))
		return true;
	if (!show->watch) {
		show_all(holder, &now, !show->found++);
		return true;
	}

	show->found++;
	w = watched_of(show, holder);
	if (!w)
		return true;
	if (w->last.n)
		show_changes(show, holder, &now, &w->last);
	w->last = now;
	return true;
}

static int show_nothing(const struct show *show, int err)
{
	say(0, "no process has %s%s%s", MP_NODE,
	    show->dev ? " open and bound to " : " open",
	    show->dev ? show->dev : "");
	if (access(MP_NODE, F_OK))
		hint("There is no %s: modprobe vhost_mpassthru", MP_NODE);
	if (err && geteuid())
		hint("Not all processes could be looked at; run as root.");
	return EXIT_NOTHING;
}

static int show_options(struct show *show, int argc, char **argv)
{
	static const struct option options[] = {
		{ "watch", optional_argument, NULL, 'w' }, {}
	};
	char *end;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'w')
			return -1;
		show->watch = optarg ? strtoul(optarg, &end, 10) : 1;
		if (!show->watch || (optarg && *end)) {
			say(0, "--watch=%s is no number of seconds", optarg);
			return -1;
		}
	}
	if (argc - optind > 1) {
		say(0, "show takes one device at most");
		return -1;
	}
	show->dev = argv[optind];
	return 0;
}

int mpctl_show(int argc, char **argv)
{
	static struct show show;
	bool ever = false;
	int err;

	if (show_options(&show, argc, argv))
		return EXIT_USAGE;

	for (;;) {
		show.found = 0;
		err = holder_each(show_holder, &show);
		if (err && err != -EACCES) {
			say(-err, "/proc");
			return EXIT_SYSTEM;
		}
		/* One that is watched may end. */
		if (!show.found)
			return ever ? EXIT_OK : show_nothing(&show, err);
		if (!show.watch)
			return EXIT_OK;
		ever = true;
		sleep(show.watch);
	}
}
