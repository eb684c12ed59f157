// SPDX-License-Identifier: GPL-2.0
/*
 * kexec-file KERNEL INITRD [load]: start another kernel, with the command line of
 * this one; or only load it.  Debian's kexec is not in the lab's root.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/reboot.h>
#include <sys/syscall.h>

#include <linux/reboot.h>

int main(int argc, char **argv)
{
	int kernel, initrd, cmdline;
	char line[2048];
	ssize_t len;

	if (argc < 3)
		return 1;
	kernel = open(argv[1], O_RDONLY);
	initrd = open(argv[2], O_RDONLY);
	cmdline = open("/proc/cmdline", O_RDONLY);
	len = read(cmdline, line, sizeof(line) - 1);
	if (kernel < 0 || initrd < 0 || len <= 0) {
		perror("kexec-file");
		return 1;
	}
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1,
		    line, 0UL) < 0) {
		perror("kexec_file_load");
		return 1;
	}
	if (argc > 3)
		return 0;
	sync();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}
