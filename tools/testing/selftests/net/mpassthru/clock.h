/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_CLOCK_H
#define MP_CLOCK_H

#include <stdlib.h>
#include <time.h>

/* For TEST_F_TIMEOUT(): a debug kernel in an emulated machine is slow. */
#define CLOCK_TEST	300

static inline long long clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/*
 * How long to wait, in ms, for what must happen.  Long, since only a failing
 * test waits to the end; MP_PATIENCE sets it, in seconds.
 */
static inline int clock_patience(void)
{
	const char *s = getenv("MP_PATIENCE");

	return s ? atoi(s) * 1000 : 20000;
}

#endif /* MP_CLOCK_H */
