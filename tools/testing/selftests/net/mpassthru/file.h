/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_FILE_H
#define MP_FILE_H

#include <stddef.h>

/* The first line of a file, without its end. */
int file_read(const char *path, char *line, size_t size);
int file_write(const char *path, const char *text);	/* 0 or -errno */

#endif /* MP_FILE_H */
