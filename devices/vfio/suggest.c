/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/vfio/suggest.h"

#include "vmm/base/edit_distance.h"
#include "vmm/base/log.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Node paths and device-tree names turn the two halves around: serial@3100000 is the device
 * 3100000.serial, and that is the most frequent mistake.
 */
static size_t distance_from_node_name(const char *node, const char *device)
{
	const char *at = strchr(node, '@');
	char turned[EDIT_DISTANCE_LONGEST + 1];

	if (at == NULL ||
		(size_t)snprintf(turned, sizeof(turned), "%s.%.*s", at + 1, (int)(at - node),
			node) >= sizeof(turned))
		return SIZE_MAX;
	return edit_distance(turned, device);
}

static void search(const char *device, const char *path, char *best, size_t size, size_t *least)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	size_t how_far;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		how_far = smaller(edit_distance(device, entry->d_name),
			distance_from_node_name(device, entry->d_name));
		if (how_far >= *least)
			continue;
		*least = how_far;
		snprintf(best, size, "%s", entry->d_name);
	}
	closedir(directory);
}

void suggest_device(const char *device, const char *directory, const char *other_directory)
{
	char best[256] = "";
	size_t least = 4; /* farther names are no help */

	search(device, directory, best, sizeof(best), &least);
	search(device, other_directory, best, sizeof(best), &least);
	if (best[0] != '\0')
		log_error("--passthrough %s: no such device; did you mean %s?", device, best);
	else
		log_error("--passthrough %s: no such device in %s or %s", device, directory,
			other_directory);
}
