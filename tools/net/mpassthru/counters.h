/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_COUNTERS_H
#define MPCTL_COUNTERS_H

#include <stdbool.h>

#include "holder.h"

#define COUNTERS_MAX	64

/* What fdinfo says of a descriptor; mpassthru.rst lists it. */
struct counters {
	unsigned int	n;
	struct {
		char			name[32];
		char			text[32];
		unsigned long long	value;
	} at[COUNTERS_MAX];
};

bool counters_read(struct counters *c, const struct holder *holder);
/* 0 where there is no such counter. */
unsigned long long counters_get(const struct counters *c, const char *name);
/* "-" where there is none. */
const char *counters_text(const struct counters *c, const char *name);

#endif /* MPCTL_COUNTERS_H */
