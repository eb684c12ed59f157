// SPDX-License-Identifier: GPL-2.0
#include <time.h>

#include "nic.h"

/* Sorted by time. There are few: one per vector or queue that waits. */
static struct timer *first;

uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void timer_stop(struct timer *t)
{
	struct timer **p;

	if (!t->when)
		return;
	for (p = &first; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			break;
		}
	}
	t->when = 0;
}

void timer_set(struct timer *t, uint64_t delay)
{
	struct timer **p;

	timer_stop(t);
	t->when = now() + delay;
	for (p = &first; *p && (*p)->when <= t->when; p = &(*p)->next)
		;
	t->next = *p;
	*p = t;
}

uint64_t timer_left(void)
{
	uint64_t time = now();

	if (!first)
		return UINT64_MAX;
	return first->when <= time ? 0 : first->when - time;
}

/* Those that are due now; what they set anew has to wait for its turn. */
void timer_run(void)
{
	uint64_t time = now();

	while (first && first->when <= time) {
		struct timer *t = first;

		first = t->next;
		t->when = 0;
		t->fire(t->arg);
	}
}
