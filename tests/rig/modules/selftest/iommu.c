/* SPDX-License-Identifier: Apache-2.0 */
/* The IOMMU module, through a VFIO container, against the books that it shows in debugfs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest.h"

#define DEBUGFS "/sys/kernel/debug/rig_iommu/"
#define RAM	0x40000000ULL /* an iova like a guest's RAM base */
#define SIZE	(4UL << 20)
#define HIGH	0x2000000000ULL
#define PAGE	4096UL

struct group {
	const char *device;
	int number, fd;
};

static int find_group(const char *device)
{
	static const char *const buses[] = { "platform", "amba" };
	char path[128], target[256];
	size_t i;

	for (i = 0; i < 2; i++) {
		ssize_t length;

		snprintf(
			path, sizeof(path), "/sys/bus/%s/devices/%s/iommu_group", buses[i], device);
		length = readlink(path, target, sizeof(target) - 1);
		if (length > 0) {
			target[length] = '\0';
			return atoi(strrchr(target, '/') + 1);
		}
	}
	return -1;
}

static int map(int container, const void *memory, uint64_t iova, size_t size)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &arg) ? errno : 0;
}

static int unmap(int container, uint64_t iova, size_t size, uint64_t *unmapped)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg), .iova = iova, .size = size
	};
	int ret = ioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg) ? errno : 0;

	*unmapped = arg.size;
	return ret;
}

/* The file's lines without the domain's number, as one string. */
static const char *without_domain(const char *name)
{
	static char text[1 << 16], result[1 << 16];
	char path[128], *line, *save = NULL;

	snprintf(path, sizeof(path), DEBUGFS "%s", name);
	read_file(path, text, sizeof(text));
	result[0] = '\0';
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		strcat(result, strchr(line, ' ') + 1);
		strcat(result, "\n");
	}
	return result;
}

static unsigned long long counted(const char *key)
{
	char text[256], *at;

	read_file(DEBUGFS "count", text, sizeof(text));
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : ~0ULL;
}

static uint64_t physical(const void *address)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)address / PAGE * sizeof(entry))) !=
		sizeof(entry))
		entry = 0;
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

/* Every page of memory at its iova must be in the books with its own physical address. */
static int books_are_true(const char *memory, uint64_t first, size_t size)
{
	char copy[1 << 16], *line, *save = NULL;
	uint64_t total = 0;

	strcpy(copy, without_domain("mappings"));
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t iova, phys, length, at;

		if (sscanf(line, "0x%" SCNx64 " 0x%" SCNx64 " 0x%" SCNx64, &iova, &phys, &length) !=
			3)
			return 0;
		if (iova < first || iova >= first + size)
			continue;
		/* The piece may go on in a mapping that happens to be next to this one. */
		if (length > first + size - iova)
			length = first + size - iova;
		for (at = 0; at < length; at += PAGE)
			if (physical(memory + (iova - first) + at) != phys + at)
				return 0;
		total += length;
	}
	return total == size;
}

static void test_mappings(struct results *r, int container)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *more =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t size;

	CHECK(r, !strcmp(without_domain("ranges"), ""));
	CHECK(r, map(container, memory, RAM, SIZE) == 0);
	CHECK(r, !strcmp(without_domain("ranges"), "0x40000000 0x400000 rwxc\n"));
	CHECK(r, books_are_true(memory, RAM, SIZE));
	CHECK(r, counted("bytes=") == SIZE);
	CHECK(r, map(container, more, HIGH, 16 * PAGE) == 0);
	CHECK(r,
		!strcmp(without_domain("ranges"),
			"0x40000000 0x400000 rwxc\n0x2000000000 0x10000 rwxc\n"));
	CHECK(r, books_are_true(more, HIGH, 16 * PAGE));
	/* A neighbour that goes on where the first one ends: one range. */
	CHECK(r, map(container, more, RAM + SIZE, PAGE) == 0);
	CHECK(r,
		!strcmp(without_domain("ranges"),
			"0x40000000 0x401000 rwxc\n0x2000000000 0x10000 rwxc\n"));
	/* What must not work, and must leave no trace. */
	CHECK(r, map(container, more, RAM + PAGE, PAGE) == EEXIST);
	CHECK(r, map(container, more, 1ULL << 48, PAGE) == EINVAL);
	CHECK(r, map(container, more, HIGH + 1, PAGE) == EINVAL);
	CHECK(r, unmap(container, RAM, PAGE, &size) == EINVAL); /* would cut a mapping */
	CHECK(r, counted("bytes=") == SIZE + 17 * PAGE);
	CHECK(r, unmap(container, RAM, SIZE, &size) == 0 && size == SIZE);
	CHECK(r,
		!strcmp(without_domain("ranges"),
			"0x40400000 0x1000 rwxc\n0x2000000000 0x10000 rwxc\n"));
	CHECK(r, unmap(container, 0x50000000, PAGE, &size) == 0 && size == 0);
	CHECK(r, map(container, memory, RAM, SIZE) == 0);
	CHECK(r, books_are_true(memory, RAM, SIZE));
	/* Left mapped: closing the container must end it. */
	munmap(memory, SIZE);
	munmap(more, 16 * PAGE);
}

static void test_device(struct results *r, const struct group *group)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, group->device);

	CHECK(r, fd >= 0);
	CHECK(r, ioctl(fd, VFIO_DEVICE_GET_INFO, &info) == 0);
	CHECK(r, info.flags & (VFIO_DEVICE_FLAGS_PLATFORM | VFIO_DEVICE_FLAGS_AMBA));
	CHECK(r, info.num_regions == 1 && info.num_irqs == 1);
	close(fd);
}

static void open_group(struct results *r, struct group *group, int container)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];

	group->number = find_group(group->device);
	CHECK(r, group->number >= 0);
	snprintf(path, sizeof(path), "/dev/vfio/%d", group->number);
	group->fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(r, group->fd >= 0);
	CHECK(r, ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status) == 0);
	CHECK(r, status.flags & VFIO_GROUP_FLAGS_VIABLE);
	CHECK(r, ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &container) == 0);
}

/* All devices in one container are attached to one domain. */
static void test_one_domain(struct results *r, const struct group *groups, int count)
{
	char text[4096], line[128], *at = NULL;
	int i, domain = -1;

	read_file(DEBUGFS "devices", text, sizeof(text));
	for (i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "%s stream=", groups[i].device);
		at = strstr(text, line);
		CHECK(r, at != NULL);
		snprintf(line, sizeof(line), "group=%d domain=", groups[i].number);
		at = at ? strstr(at, line) : NULL;
		CHECK(r, at != NULL);
		at = at ? at + strlen(line) : text;
		CHECK(r, *at >= '0' && *at <= '9' && (domain < 0 || domain == atoi(at)));
		domain = atoi(at);
	}
	CHECK(r, counted("domains=") == 1);
}

void test_iommu(struct results *r, char *const devices[], int count)
{
	struct group groups[4];
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	char text[4096];
	int i;

	if (count > 4)
		count = 4;
	for (i = 0; i < count; i++) {
		groups[i].device = devices[i];
		open_group(r, &groups[i], container);
		if (i == 0)
			CHECK(r, ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0);
	}
	CHECK(r, ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) == 1);
	for (i = 0; i < count; i++)
		test_device(r, &groups[i]);
	test_one_domain(r, groups, count);
	test_mappings(r, container);
	for (i = 0; i < count; i++)
		close(groups[i].fd);
	close(container);
	CHECK(r, counted("domains=") == 0 && counted("bytes=") == 0);
	read_file(DEBUGFS "devices", text, sizeof(text));
	CHECK(r, count == 0 || strstr(text, "domain=identity"));
	CHECK(r, !strstr(text, "domain=blocked"));
}
