// SPDX-License-Identifier: GPL-2.0
/* The counters of a descriptor, from /proc/PID/fdinfo/FD. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters.h"

bool counters_read(struct counters *c, const struct holder *holder)
{
	char path[64], line[256], *name, *value;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", holder->pid,
		 holder->fd);
	f = fopen(path, "r");
	if (!f)
		return false;
	for (c->n = 0; c->n < COUNTERS_MAX && fgets(line, sizeof(line), f);) {
		if (!holder_parse_line(line, &name, &value))
			continue;
		snprintf(c->at[c->n].name, sizeof(c->at->name), "%s", name);
		snprintf(c->at[c->n].text, sizeof(c->at->text), "%s", value);
		c->at[c->n].value = strtoull(value, NULL, 10);
		c->n++;
	}
	fclose(f);
	return true;
}

unsigned long long counters_get(const struct counters *c, const char *name)
{
	unsigned int i;

	for (i = 0; i < c->n; i++)
		if (!strcmp(c->at[i].name, name))
			return c->at[i].value;
	return 0;
}

const char *counters_text(const struct counters *c, const char *name)
{
	unsigned int i;

	for (i = 0; i < c->n; i++)
		if (!strcmp(c->at[i].name, name))
			return c->at[i].text;
	return "-";
}
