/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest with one virtio device, for tests: register file, front end and the worker's loop are
 * real, the guest's driver and the machine are the test's. One at a time.
 */
#ifndef TESTS_UNIT_DEVICE_GUEST_H
#define TESTS_UNIT_DEVICE_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vhost_user_front.h"
#include "tests/unit/virtio_driver.h"

#define GUEST_RING_SIZE 16
#define GUEST_QUEUES	VIRTIO_MMIO_MAX_QUEUES
#define GUEST_RAM_SIZE	UINT64_C(0x800000)
/* Free for buffers from here on; the rings are below. */
#define GUEST_BUFFERS	(TEST_RAM_BASE + 0x100000)

struct device_guest {
	struct test_ram ram;
	struct test_ring rings[GUEST_QUEUES];
	struct vhost_user_front front;
	struct virtio_mmio mmio;
	uint32_t queue_count;
	int sockets[2]; /* the front end's and the worker's */
	pthread_t thread;
	int (*run)(void *worker);
	void *worker;
	int status;
	int failure; /* what the register file said of the back end, 0: nothing */
};

extern struct device_guest device_guest;

/* Makes RAM and sockets. The worker is then initialised by the test on device_guest.sockets[1]. */
void device_guest_open(void);

/* Runs the worker's loop on a thread, greets it, and makes the register file. */
void device_guest_start(int (*run)(void *worker), void *worker, uint32_t device_id,
	uint32_t queue_count, uint32_t config_size);

/* From reset to DRIVER_OK. */
void device_guest_driver(uint64_t features);

/* Ends the connection; the worker must end with status 0. */
void device_guest_end(void);

/* Offers the chain at `head` and kicks. */
void device_guest_offer(uint32_t queue, uint16_t head);

/* Sleeps until the device used a buffer of the queue; false after `timeout_ms`. */
bool device_guest_take(uint32_t queue, uint32_t *head, uint32_t *written, int timeout_ms);

#endif
