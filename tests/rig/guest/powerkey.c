/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Powers the guest down when its power key is pressed, as systemd-logind or acpid would:
 *
 *   rig-powerkey /dev/input/eventN
 */
#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct input_event event;
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0)
		return 1;
	while (read(fd, &event, sizeof(event)) == (ssize_t)sizeof(event)) {
		if (event.type != EV_KEY || event.code != KEY_POWER || event.value != 1)
			continue;
		puts("guest: power key");
		fflush(stdout);
		sync();
		reboot(RB_POWER_OFF);
	}
	return 1;
}
