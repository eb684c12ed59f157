/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_FILE_H
#define MP_FILE_H

int file_write(const char *path, const char *text);	/* 0 or -errno */

#endif /* MP_FILE_H */
