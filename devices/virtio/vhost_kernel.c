/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vhost_kernel.h"

#include "devices/virtio/vhost_host.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>

static struct vhost_kernel *to_kernel(struct vhost_front *front)
{
	return container_of(front, struct vhost_kernel, front);
}

int vhost_kernel_request(
	struct vhost_kernel *kernel, unsigned long request, void *argument, const char *what)
{
	int error = vhost_host_ioctl(kernel->fd, request, argument);

	if (error != 0)
		log_error("%s: %s refuses %s: %s", kernel->name, kernel->kind->node, what,
			strerror(-error));
	return error;
}

#define REQUEST(kernel, request, argument) vhost_kernel_request(kernel, request, argument, #request)

static int set_features(struct vhost_front *front, uint64_t features)
{
	struct vhost_kernel *kernel = to_kernel(front);
	uint64_t known = features & kernel->features;

	return REQUEST(kernel, VHOST_SET_FEATURES, &known);
}

/* The kernel reaches guest memory by addresses of this process: the descriptor is not needed. */
static int set_memory(struct vhost_front *front, const struct guest_memory *memory, int memory_fd)
{
	_Alignas(struct vhost_memory) unsigned char bytes[sizeof(struct vhost_memory) +
		GUEST_MEMORY_MAX_REGIONS * sizeof(struct vhost_memory_region)] = { 0 };
	struct vhost_memory *table = (void *)bytes;

	(void)memory_fd;
	table->nregions = (uint32_t)memory->count;
	for (size_t i = 0; i < memory->count; i++)
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = memory->regions[i].gpa,
			.memory_size = memory->regions[i].size,
			.userspace_addr = (uintptr_t)memory->regions[i].host,
		};
	return REQUEST(to_kernel(front), VHOST_SET_MEM_TABLE, bytes);
}

static int start_queue(struct vhost_front *front, const struct vhost_queue *queue)
{
	struct vhost_kernel *kernel = to_kernel(front);
	struct vhost_vring_state size = { .index = queue->index, .num = queue->size };
	struct vhost_vring_state base = { .index = queue->index };
	struct vhost_vring_addr address = {
		.index = queue->index,
		.desc_user_addr = (uintptr_t)queue->descriptors,
		.avail_user_addr = (uintptr_t)queue->available,
		.used_user_addr = (uintptr_t)queue->used,
	};
	struct vhost_vring_file kick = { .index = queue->index, .fd = queue->kick_fd };
	struct vhost_vring_file call = { .index = queue->index, .fd = queue->call_fd };
	struct vhost_vring_file broken = { .index = queue->index, .fd = queue->error_fd };
	int error;

	if (queue->index >= kernel->kind->queue_count)
		return 0;
	error = REQUEST(kernel, VHOST_SET_VRING_NUM, &size);
	if (error == 0)
		error = REQUEST(kernel, VHOST_SET_VRING_BASE, &base);
	if (error == 0)
		error = REQUEST(kernel, VHOST_SET_VRING_ADDR, &address);
	if (error == 0)
		error = REQUEST(kernel, VHOST_SET_VRING_ERR, &broken);
	if (error == 0)
		error = REQUEST(kernel, VHOST_SET_VRING_CALL, &call);
	if (error == 0)
		error = REQUEST(kernel, VHOST_SET_VRING_KICK, &kick);
	if (error != 0)
		return error;
	kernel->set_up |= 1u << queue->index;
	return kernel->kind->start(kernel, queue->index);
}

static int stop_queue(struct vhost_front *front, uint32_t index)
{
	struct vhost_kernel *kernel = to_kernel(front);
	struct vhost_vring_file kick = { .index = index, .fd = -1 };
	int error;

	if ((kernel->set_up & (1u << index)) == 0)
		return 0;
	kernel->set_up &= ~(1u << index);
	error = kernel->kind->stop(kernel, index);
	/* Kicks of a stopped queue would wake the kernel's thread for nothing. */
	if (error == 0)
		error = REQUEST(kernel, VHOST_SET_VRING_KICK, &kick);
	return error;
}

static const struct vhost_front_ops kernel_ops = {
	.set_features = set_features,
	.set_memory = set_memory,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
};

static int open_node(const struct vhost_kernel_kind *kind, const char *name)
{
	int error = vhost_host_open(kind->node);

	if (error >= 0)
		return error;
	if (error == -ENOENT || error == -ENODEV || error == -ENXIO)
		log_error("%s: %s: %s; the host's kernel needs the module %s: modprobe %s", name,
			kind->node, strerror(-error), kind->module, kind->module);
	else if (error == -EACCES || error == -EPERM)
		log_error("%s: %s: %s; add this user to the group that owns it, or install "
			  "packaging/udev/60-bpmp-vmm.rules, which gives it to the group kvm",
			name, kind->node, strerror(-error));
	else
		log_error("%s: %s: %s", name, kind->node, strerror(-error));
	return error;
}

int vhost_kernel_open(
	struct vhost_kernel *kernel, const struct vhost_kernel_kind *kind, const char *name)
{
	uint64_t features = 0;
	int error;

	*kernel = (struct vhost_kernel){
		.front.ops = &kernel_ops,
		.kind = kind,
		.name = name,
		.fd = open_node(kind, name),
	};
	if (kernel->fd < 0)
		return kernel->fd;
	error = REQUEST(kernel, VHOST_SET_OWNER, NULL);
	if (error == 0)
		error = REQUEST(kernel, VHOST_GET_FEATURES, &features);
	if (error == 0 && (features & BIT(VIRTIO_F_VERSION_1)) == 0) {
		log_error("%s: %s does not offer VIRTIO_F_VERSION_1; use a newer kernel", name,
			kind->node);
		error = -ENOTSUP;
	}
	kernel->features = features;
	kernel->front.features = features;
	if (error != 0)
		vhost_kernel_close(kernel);
	return error;
}

void vhost_kernel_close(struct vhost_kernel *kernel)
{
	close_fd(&kernel->fd);
}
