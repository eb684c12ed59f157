/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_SAY_H
#define MP_SAY_H

#include <stdio.h>

/* A KTAP comment: what went wrong below a failed ASSERT or EXPECT. */
#define say(fmt, ...) \
	fprintf(stderr, "# %s: " fmt "\n", __func__, ##__VA_ARGS__)

#endif /* MP_SAY_H */
