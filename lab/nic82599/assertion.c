// SPDX-License-Identifier: GPL-2.0
/*
 * What no driver may do ends here: a line that begins "nic82599: ASSERTION",
 * the state of the ring, and an exit status that fails the run. The model goes
 * on without doing what was asked of it, so that the log has what follows as
 * well.
 */
#include <stdarg.h>
#include <time.h>

#include "nic.h"

#define PRINTED_MAX	50

unsigned int assertions;
static unsigned int printed;
static bool failed;

static void stamp(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	fprintf(stderr, "%lld.%06ld ", (long long)ts.tv_sec % 100000,
		ts.tv_nsec / 1000);
}

void say(const char *format, ...)
{
	va_list args;

	stamp();
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	fflush(stderr);
}

void assertion(struct queue *q, const char *format, ...)
{
	va_list args;

	assertions++;
	failed = true;
	if (printed++ >= PRINTED_MAX)
		return;
	fputs("nic82599: ASSERTION ", stderr);
	if (q)
		fprintf(stderr, "%s%u: ", q->tx ? "tx" : "rx", q->index);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (q)
		ring_print(stderr, q, true);
	fflush(stderr);
}

/* For a test that means to see one. */
void assertion_forgive(void)
{
	failed = false;
	assertions = 0;
	printed = 0;
	say("assertions so far are forgiven");
}

bool assertion_failed(void)
{
	return failed;
}
