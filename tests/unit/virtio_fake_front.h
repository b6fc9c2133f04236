/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost back end that only takes notes (in the trace), and insists on what a register file owes
 * it: queues are started stopped, stopped started, features set before.
 */
#ifndef TESTS_UNIT_VIRTIO_FAKE_FRONT_H
#define TESTS_UNIT_VIRTIO_FAKE_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vhost.h"
#include "devices/virtio/virtio_mmio.h"

struct fake_front {
	struct vhost_front front;
	bool silent;	   /* no lines in the trace */
	bool slow;	   /* other threads get their chance while a queue starts or stops */
	uint64_t features; /* acknowledged */
	int64_t deadline;  /* when they were */
	bool running[VIRTIO_MMIO_MAX_QUEUES];
	struct vhost_queue queues[VIRTIO_MMIO_MAX_QUEUES]; /* as they were started last */
	unsigned int started, stopped;			   /* how often, altogether */
	uint8_t config[VIRTIO_MMIO_MAX_CONFIG];
	uint32_t config_size;
	/* What the next calls return; 0 at start. */
	int set_features, set_memory, start_queue, stop_queue;
};

void fake_front_open(struct fake_front *fake, uint64_t features);
/* The back end has a configuration space of its own. */
void fake_front_with_config(struct fake_front *fake, uint32_t size);

#endif
