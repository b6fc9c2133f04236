/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/vfio/device_check.h"

#include "devices/vfio/suggest.h"
#include "devices/vfio/vfio.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct bus {
	const char *name, *driver;
} buses[] = {
	{ "platform", "vfio-platform" },
	{ "amba", "vfio-amba" },
};

/* The last component of what the link `directory`/`name` points at. False: no such link. */
static bool link_target(const char *directory, const char *name, char *target, size_t target_size)
{
	char path[PATH_MAX], value[PATH_MAX];
	const char *last;
	ssize_t length;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return false;
	length = readlink(path, value, sizeof(value) - 1);
	if (length < 0)
		return false;
	value[length] = '\0';
	last = strrchr(value, '/');
	last = last == NULL ? value : last + 1;
	if (strlen(last) >= target_size)
		return false;
	memcpy(target, last, strlen(last) + 1);
	return true;
}

/* The first line of a small file, "" where it cannot be read. */
static void read_line(const char *directory, const char *name, char *line, size_t size)
{
	char path[PATH_MAX];
	ssize_t length;
	int fd;

	line[0] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	length = read(fd, line, size - 1);
	close(fd);
	line[length < 0 ? 0 : length] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

static bool exists(const char *directory, const char *name)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) < sizeof(path) &&
		access(path, F_OK) == 0;
}

bool vfio_reset_required(const struct vfio_host *host)
{
	char value[8];

	read_line(host->sysfs, "module/vfio_platform/parameters/reset_required", value,
		sizeof(value));
	return value[0] != 'N';
}

static int find_on_a_bus(const struct vfio_host *host, const char *device,
	struct vfio_location *location, const struct bus **bus)
{
	char names[2][PATH_MAX];

	/* The name becomes part of a path; "." and ".." would be directories that exist. */
	if (device[0] == '\0' || device[0] == '.' || strchr(device, '/') != NULL) {
		log_error("--passthrough '%s': give a name under %s/bus/platform/devices", device,
			host->sysfs);
		return -EINVAL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(buses); i++) {
		snprintf(names[i], sizeof(names[i]), "%s/bus/%s/devices", host->sysfs,
			buses[i].name);
		if (!exists(names[i], device))
			continue;
		if ((size_t)snprintf(location->directory, sizeof(location->directory), "%s/%s",
			    names[i], device) >= sizeof(location->directory))
			return -ENAMETOOLONG;
		*bus = &buses[i];
		return 0;
	}
	suggest_device(device, names[0], names[1]);
	return -ENODEV;
}

/* Why a device that was told to take the VFIO driver has none. */
static void log_bind_failure(
	const struct vfio_host *host, const char *device, const struct bus *bus, bool has_group)
{
	char noiommu[8];

	read_line(host->sysfs, "module/vfio/parameters/enable_unsafe_noiommu_mode", noiommu,
		sizeof(noiommu));
	if (!has_group && noiommu[0] != 'Y')
		log_error("%s: %s refused it: it is in no IOMMU group; give its node in the host's "
			  "tree an `iommus` property (an unused stream id will do for a device "
			  "without DMA)",
			device, bus->driver);
	else if (strcmp(bus->name, "platform") == 0 && vfio_reset_required(host))
		log_error("%s: %s refused it: no reset driver for it, and "
			  "vfio_platform.reset_required is on; set vfio_platform.reset_required=0 "
			  "on the host's command line or in /etc/modprobe.d",
			device, bus->driver);
	else
		log_error(
			"%s: %s did not take it; the host's kernel log says why (a clock or power "
			"supplier in its node without a driver: fw_devlink=off; an IOMMU in its "
			"node without a driver, or not coherent with its DMA: iommus, dma-coherent "
			"in its node)",
			device, bus->driver);
}

/* Writes the commands that hand the device to the VFIO driver. */
static void bind_commands(const struct vfio_host *host, const struct vfio_location *location,
	const char *device, const struct bus *bus, bool module, bool bound, char *text, size_t size)
{
	int used = 0;

	text[0] = '\0';
	if (!module)
		used = snprintf(text, size, "modprobe %s; ", bus->driver);
	used += snprintf(text + used, size - (size_t)used, "echo %s > %s/driver_override; ",
		bus->driver, location->directory);
	if (bound && (size_t)used < size)
		used += snprintf(text + used, size - (size_t)used, "echo %s > %s/driver/unbind; ",
			device, location->directory);
	if ((size_t)used < size)
		snprintf(text + used, size - (size_t)used, "echo %s > %s/bus/%s/drivers_probe",
			device, host->sysfs, bus->name);
}

static int check_driver(const struct vfio_host *host, const char *device,
	const struct vfio_location *location, const struct bus *bus)
{
	char driver[128] = "", override[128], drivers[PATH_MAX], commands[2048];
	bool bound = link_target(location->directory, "driver", driver, sizeof(driver));
	bool module;

	if (bound && strcmp(driver, bus->driver) == 0)
		return 0;
	snprintf(drivers, sizeof(drivers), "%s/bus/%s/drivers", host->sysfs, bus->name);
	module = exists(drivers, bus->driver);
	read_line(location->directory, "driver_override", override, sizeof(override));
	if (!bound && module && strcmp(override, bus->driver) == 0) {
		log_bind_failure(host, device, bus, exists(location->directory, "iommu_group"));
		return -ECONNREFUSED;
	}
	bind_commands(host, location, device, bus, module, bound, commands, sizeof(commands));
	log_error("%s %s%s; to give it away, run as root: %s", device,
		bound ? "is bound to the host's driver " : "is bound to no driver", driver,
		commands);
	return bound ? -EBUSY : -ENXIO;
}

static int check_group(const struct vfio_options *options, struct vfio_location *location)
{
	char group[32], name[64], *end;
	unsigned long number;

	if (!link_target(location->directory, "iommu_group", group, sizeof(group))) {
		log_error("%s is in no IOMMU group; give its node in the host's tree an `iommus` "
			  "property (an unused stream id will do for a device without DMA)",
			options->device);
		return -ENXIO;
	}
	errno = 0;
	number = strtoul(group, &end, 10);
	if (errno != 0 || end == group || *end != '\0' || number > INT_MAX) {
		log_error("%s: IOMMU group '%s' is no number", options->device, group);
		return -ENXIO;
	}
	location->group = (unsigned int)number;
	read_line(location->directory, "iommu_group/name", name, sizeof(name));
	location->noiommu = strcmp(name, "vfio-noiommu") == 0;
	if (location->noiommu && !options->unsafe_noiommu) {
		log_error("%s is behind no IOMMU: whoever controls the guest could read and write "
			  "all of the host's memory by the device's DMA; give its node in the "
			  "host's tree an `iommus` property, or, for a device without DMA, add "
			  "unsafe-noiommu to --passthrough %s",
			options->device, options->device);
		return -EPERM;
	}
	if (!location->noiommu && options->unsafe_noiommu)
		log_info("%s is behind an IOMMU, which is used in spite of unsafe-noiommu",
			options->device);
	return 0;
}

static int find_device(const struct vfio_host *host, const struct vfio_options *options,
	struct vfio_location *location, const struct bus **bus)
{
	int error;

	memset(location, 0, sizeof(*location));
	error = find_on_a_bus(host, options->device, location, bus);
	if (error != 0)
		return error;
	if (!exists(location->directory, "of_node")) {
		log_error("%s has no device-tree node (%s/of_node), from which the guest's could "
			  "be made",
			options->device, location->directory);
		return -ENODEV;
	}
	return 0;
}

int vfio_find_device(const struct vfio_host *host, const struct vfio_options *options,
	struct vfio_location *location)
{
	const struct bus *bus;

	return find_device(host, options, location, &bus);
}

int vfio_locate_device(const struct vfio_host *host, const struct vfio_options *options,
	struct vfio_location *location)
{
	const struct bus *bus = NULL;
	int error = find_device(host, options, location, &bus);

	if (error != 0)
		return error;
	error = check_driver(host, options->device, location, bus);
	if (error != 0)
		return error;
	return check_group(options, location);
}

int vfio_check_device(const struct vfio_host *host, const struct vfio_options *options,
	struct vfio_location *location)
{
	const struct bus *bus = NULL;
	int error = find_device(host, options, location, &bus), second;

	if (error != 0)
		return error;
	error = check_driver(host, options->device, location, bus);
	if (error == -ECONNREFUSED)
		return error; /* for want of a group, perhaps: said already */
	second = check_group(options, location);
	return error != 0 ? error : second;
}

void vfio_list_group(const struct vfio_host *host, unsigned int group, const char *except,
	char *text, size_t size)
{
	char path[PATH_MAX], device[PATH_MAX], driver[128];
	struct dirent *entry;
	size_t used = 0;
	DIR *directory;

	snprintf(text, size, "none that sysfs shows");
	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%u/devices", host->sysfs, group);
	directory = opendir(path);
	if (directory == NULL)
		return;
	while (used < size && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, except) == 0)
			continue;
		if ((size_t)snprintf(device, sizeof(device), "%s/%s", path, entry->d_name) >=
			sizeof(device))
			continue;
		if (!link_target(device, "driver", driver, sizeof(driver)))
			snprintf(driver, sizeof(driver), "none");
		used += (size_t)snprintf(text + used, size - used, "%s%s (driver %s)",
			used == 0 ? "" : ", ", entry->d_name, driver);
	}
	closedir(directory);
}
