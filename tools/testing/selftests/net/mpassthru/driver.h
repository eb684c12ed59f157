/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_DRIVER_H
#define MP_DRIVER_H

#include <limits.h>

/* The driver of a network device, by sysfs. */
struct driver {
	char	path[PATH_MAX];
	char	device[256];	/* its name for the device */
};

/* All return 0 or a negative errno. */
int driver_of(struct driver *drv, const char *dev);
/* It lets go of the device, as at hot unplug. */
int driver_unbind(const struct driver *drv);
/* And takes it again: there is @dev when it returns.  @sock as in nic.h. */
int driver_bind(const struct driver *drv, int sock, const char *dev);

#endif /* MP_DRIVER_H */
