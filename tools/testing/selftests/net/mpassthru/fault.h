/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_FAULT_H
#define MP_FAULT_H

#include <stdbool.h>

/* Fault injection: see Documentation/fault-injection/fault-injection.rst. */

/* Why there is none in this kernel, or NULL. */
const char *fault_missing(void);
/* fail-nth of our thread, or of the worker that vhost forked from us. */
int fault_self(void);
int fault_worker(void);
/*
 * Do copies from and to user memory count?  At first they do.  Those of the
 * rings had better not: vhost gives up what it cannot report to the guest.
 */
int fault_usercopy(bool on);
/* Have the @nth allocation or copy from or to user memory of a thread fail. */
int fault_arm(int fd, int nth);
/* 0 when the fault happened, 1 when there were too few. */
int fault_disarm(int fd);
/*
 * Which to try after the @nth: all at first, then one in so many that the step
 * is an @each-th of it.  MP_FAULT_SPARSE divides @each where time is short.
 */
int fault_next(int nth, int each);

#endif /* MP_FAULT_H */
