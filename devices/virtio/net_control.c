/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_control.h"

#include "devices/virtio/virtqueue_reader.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <linux/virtio_net.h>

/* The poll set. */
enum { FRONT_END, KICK, POLL_FDS };

/* 5.1.6.5.5: all that is understood here. */
struct command {
	uint8_t class, command;
	uint8_t pairs[2];
};

_Static_assert(sizeof(struct command) == 4, "5.1.6.5.5: no padding");

static void rest(struct net_control *control)
{
	int64_t now = clock_ms();

	if (control->rests_until < now)
		control->rests_until = now;
	control->rests_until += NET_CONTROL_PAUSE_MS;
}

/* Has the host steer frames into the queues of the first `pairs`. Returns 0 or -errno (logged). */
static int use_pairs(struct net_control *control, uint32_t pairs)
{
	while (control->used_pairs != pairs) {
		bool attach = control->used_pairs < pairs;
		uint32_t pair = attach ? control->used_pairs : control->used_pairs - 1;
		int error = net_tap_attach(control->taps[pair], attach);

		rest(control);
		if (error != 0) {
			log_error("the tap refuses to %s queue %u: %s",
				attach ? "attach" : "detach", pair, strerror(-error));
			return error;
		}
		control->used_pairs = attach ? pair + 1 : pair;
	}
	return 0;
}

/* The answer to the command in hand. */
static uint8_t serve_command(struct net_control *control)
{
	struct virtqueue_reader reader = {
		.chain = &control->chain,
		.memory = &control->back.memory,
	};
	struct command command;
	uint32_t pairs;

	if (control->chain.readable_bytes != sizeof(command) ||
		!virtqueue_read(&reader, &command, sizeof(command)))
		return VIRTIO_NET_ERR;
	pairs = command.pairs[0] | (uint32_t)command.pairs[1] << 8;
	if (command.class != VIRTIO_NET_CTRL_MQ ||
		command.command != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
		(control->back.features & BIT(VIRTIO_NET_F_MQ)) == 0 ||
		pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || pairs > control->pair_count)
		return VIRTIO_NET_ERR;
	return use_pairs(control, pairs) == 0 ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
}

/* One command. False when there is none, and a kick will come with the next. */
static bool serve(struct net_control *control)
{
	struct vhost_user_back *back = &control->back;
	struct virtqueue *ring = &back->queues[NET_CONTROL_QUEUE].ring;
	uint8_t answer;

	if (!vhost_user_back_ready(back, NET_CONTROL_QUEUE))
		return false;
	if (vhost_user_back_pop(back, NET_CONTROL_QUEUE, &control->chain) == 0)
		return virtqueue_enable_kicks(ring);
	rest(control);
	answer = serve_command(control);
	if (answer != VIRTIO_NET_OK && !control->wrong_logged) {
		log_warning("the guest's driver sent a command that is refused (%u bytes)",
			control->chain.readable_bytes);
		control->wrong_logged = true;
	}
	virtqueue_push(ring, control->chain.head,
		virtqueue_copy_to_chain(&control->chain, &back->memory, &answer, sizeof(answer)));
	vhost_user_back_signal(back, NET_CONTROL_QUEUE);
	return true;
}

/* 5.1.6.5.5: a device that was reset uses one pair, until the next driver says otherwise. */
static void stopping(struct vhost_user_back *back, uint32_t index)
{
	struct net_control *control = container_of(back, struct net_control, back);

	if (index == NET_CONTROL_QUEUE)
		use_pairs(control, 1);
}

void net_control_init(struct net_control *control, int socket, const int *taps, uint32_t pair_count)
{
	memset(control, 0, sizeof(*control));
	memcpy(control->taps, taps, pair_count * sizeof(*taps));
	control->pair_count = pair_count;
	control->used_pairs = 1;
	control->device = (struct vhost_user_back_device){
		.features = BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_CTRL_VQ),
		.queue_count = NET_CONTROL_QUEUE + 1,
		.queue_stopping = stopping,
	};
	vhost_user_back_init(&control->back, socket, &control->device);
}

void net_control_close(struct net_control *control)
{
	vhost_user_back_close(&control->back);
}

int net_control_run(struct net_control *control)
{
	for (;;) {
		struct pollfd fds[POLL_FDS];
		int64_t left = control->rests_until - clock_ms();
		int timeout = left > 0 ? (int)left : control->again ? 0 : -1;
		int status;

		/* A kick is of interest where there is nothing to do, and no pause. */
		fds[KICK] = (struct pollfd){
			.fd = timeout >= 0
				? -1
				: vhost_user_back_kick_fd(&control->back, NET_CONTROL_QUEUE),
			.events = POLLIN,
		};
		status = vhost_user_back_wait(&control->back, fds, POLL_FDS, timeout);
		if (status < 0)
			return status == -ECONNRESET ? 0 : status;
		if (status == 0 && fds[KICK].revents != 0)
			vhost_user_back_kicked(&control->back, NET_CONTROL_QUEUE);
		if (status == 0 && clock_ms() >= control->rests_until)
			control->again = serve(control);
	}
}
