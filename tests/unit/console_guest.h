/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest with a console, for tests: register file, front end and worker are real, the guest's
 * driver and the machine are the test's. One at a time.
 */
#ifndef TESTS_UNIT_CONSOLE_GUEST_H
#define TESTS_UNIT_CONSOLE_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/console_loop.h"
#include "devices/virtio/vhost_user_front.h"
#include "tests/unit/virtio_driver.h"

#define RECEIVE	     0
#define TRANSMIT     1
#define RING_SIZE    16
#define PIECE	     4096 /* bytes of a receive buffer */

#define RECEIVE_GPA  (TEST_RAM_BASE + 0x10000) /* PIECE for each entry */
#define TRANSMIT_GPA (TEST_RAM_BASE + 0x100000)

struct console_guest {
	struct test_ram ram;
	struct test_ring rings[2];
	struct vhost_user_front front;
	struct virtio_mmio mmio;
	struct console_worker worker;
	pthread_t worker_thread;
	int worker_status;
	int sockets[2], stop_fd;
};

extern struct console_guest guest;

/* Starts the worker with `fd` at the other end, and the machine's side of it; no driver yet. */
void guest_start(enum console_kind kind, int fd, int output_fd);
void guest_start_driver(uint64_t features);
void guest_end(void);

void guest_notify(uint32_t queue);
bool test_wait_for(int fd, short events, int timeout_ms);

/* Sleeps until the device used a buffer of the queue; false after `timeout_ms`. */
bool guest_take(uint32_t queue, uint32_t *head, uint32_t *written, int timeout_ms);

/* Makes receive buffer `index` available. */
void guest_offer_receive(uint16_t index);

/* What the guest prints; waits until it was taken. */
void guest_print(const char *text);

/* What arrives in the guest, in one piece; offers the buffer again. "nothing" after a while. */
const char *guest_receive(int timeout_ms);

/* What can be read from `fd` in one piece. */
const char *test_read_text(int fd);

#endif
