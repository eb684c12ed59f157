// SPDX-License-Identifier: GPL-2.0
/* Files of sysfs and debugfs. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

int file_read(const char *path, char *line, size_t size)
{
	int fd, err = 0;
	ssize_t len;

	*line = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, line, size - 1);
	if (len < 0)
		err = -errno;
	else
		line[len] = '\0';
	close(fd);
	line[strcspn(line, "\n")] = '\0';
	return err;
}

int file_write(const char *path, const char *text)
{
	int fd, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}
