/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/builder.h"

#include "vmm/base/log.h"

#include <ctype.h>
#include <errno.h>
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 0x2000u

/* Documentation/arch/arm64/booting.rst: "The dtb must not exceed 2 megabytes in size". */
#define LARGEST_TREE   0x200000u

static void latch(struct fdt_builder *fdt, int error, const char *what, const char *name)
{
	if (fdt->error != 0)
		return;
	fdt->error = error;
	log_error("guest device tree: %s '%s': %s", what, name, strerror(-error));
}

/* True when a call that found no room is to be tried again in a larger buffer. */
static bool grow(struct fdt_builder *fdt, int libfdt_error, const char *what, const char *name)
{
	size_t capacity = fdt->capacity * 2;
	void *blob;

	if (libfdt_error == 0)
		return false;
	if (libfdt_error != -FDT_ERR_NOSPACE) {
		latch(fdt, -EINVAL, what, name);
		return false;
	}
	if (capacity > LARGEST_TREE) {
		latch(fdt, -E2BIG, what, name);
		return false;
	}
	blob = malloc(capacity);
	if (blob == NULL || fdt_resize(fdt->blob, blob, (int)capacity) != 0) {
		free(blob);
		latch(fdt, -ENOMEM, what, name);
		return false;
	}
	free(fdt->blob);
	fdt->blob = blob;
	fdt->capacity = capacity;
	return true;
}

void fdt_builder_start(struct fdt_builder *fdt)
{
	memset(fdt, 0, sizeof(*fdt));
	fdt->next_phandle = 1;
	fdt->capacity = FIRST_CAPACITY;
	fdt->blob = malloc(fdt->capacity);
	if (fdt->blob == NULL)
		latch(fdt, -ENOMEM, "start of", "/");
	else if (fdt_create(fdt->blob, (int)fdt->capacity) != 0 ||
		fdt_finish_reservemap(fdt->blob) != 0)
		latch(fdt, -EINVAL, "start of", "/");
	fdt_begin(fdt, "%s", "");
}

static void write_aliases(struct fdt_builder *fdt)
{
	size_t i;

	if (fdt->alias_count == 0)
		return;
	fdt_begin(fdt, "aliases");
	for (i = 0; i < fdt->alias_count; i++)
		fdt_str(fdt, fdt->aliases[i].name, fdt->aliases[i].path);
	fdt_end(fdt);
}

int fdt_builder_finish(struct fdt_builder *fdt, void **blob, size_t *size)
{
	int error;

	if (fdt->depth != 1)
		latch(fdt, -EINVAL, "end of", "/ with nodes left open");
	write_aliases(fdt);
	if (fdt->error == 0)
		do
			error = fdt_end_node(fdt->blob);
		while (grow(fdt, error, "end of", "/"));
	if (fdt->error == 0)
		do
			error = fdt_finish(fdt->blob);
		while (grow(fdt, error, "end of", "/"));
	error = fdt->error;
	if (error == 0) {
		*blob = fdt->blob;
		*size = fdt_totalsize(fdt->blob);
	} else {
		free(fdt->blob);
	}
	memset(fdt, 0, sizeof(*fdt));
	return error;
}

uint32_t fdt_new_phandle(struct fdt_builder *fdt)
{
	return fdt->next_phandle++;
}

void fdt_builder_alias(struct fdt_builder *fdt, const char *stem, const char *path)
{
	size_t stem_length = strlen(stem);
	struct fdt_alias *alias;
	unsigned int number = 0;
	size_t i;

	if (fdt->alias_count == FDT_MAX_ALIASES) {
		latch(fdt, -ENOSPC, "alias of", path);
		return;
	}
	for (i = 0; i < fdt->alias_count; i++)
		if (strncmp(fdt->aliases[i].name, stem, stem_length) == 0 &&
			isdigit((unsigned char)fdt->aliases[i].name[stem_length]))
			number++;
	alias = &fdt->aliases[fdt->alias_count];
	if ((size_t)snprintf(alias->name, sizeof(alias->name), "%s%u", stem, number) >=
			sizeof(alias->name) ||
		strlen(path) >= sizeof(alias->path)) {
		latch(fdt, -ENOSPC, "alias of", path);
		return;
	}
	memcpy(alias->path, path, strlen(path) + 1);
	fdt->alias_count++;
}

uint32_t fdt_builder_imported(const struct fdt_builder *fdt, uint32_t host_phandle)
{
	size_t i;

	for (i = 0; i < fdt->import_count; i++)
		if (fdt->imports[i].host == host_phandle)
			return fdt->imports[i].guest;
	return 0;
}

uint32_t fdt_builder_import(struct fdt_builder *fdt, uint32_t host_phandle)
{
	uint32_t phandle = fdt_builder_imported(fdt, host_phandle);

	if (phandle != 0)
		return phandle;
	phandle = fdt_new_phandle(fdt);
	if (fdt->import_count == FDT_MAX_IMPORTS) {
		latch(fdt, -ENOSPC, "import of", "one more node of the host");
		return phandle;
	}
	fdt->imports[fdt->import_count].host = host_phandle;
	fdt->imports[fdt->import_count].guest = phandle;
	fdt->import_count++;
	return phandle;
}

void fdt_begin(struct fdt_builder *fdt, const char *name_format, ...)
{
	char name[128];
	va_list arguments;
	int length, error;

	if (fdt->error != 0)
		return;
	va_start(arguments, name_format);
	length = vsnprintf(name, sizeof(name), name_format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(name)) {
		latch(fdt, -EINVAL, "name too long:", name);
		return;
	}
	do
		error = fdt_begin_node(fdt->blob, name);
	while (grow(fdt, error, "node", name));
	fdt->depth++;
	fdt->child_written = false;
}

void fdt_end(struct fdt_builder *fdt)
{
	int error;

	if (fdt->error != 0)
		return;
	/* The root is fdt_builder_finish()'s to close. */
	if (fdt->depth <= 1) {
		latch(fdt, -EINVAL, "end of a node that was not begun in", "/");
		return;
	}
	do
		error = fdt_end_node(fdt->blob);
	while (grow(fdt, error, "end of", "a node"));
	fdt->depth--;
	fdt->child_written = true;
}

void fdt_bytes(struct fdt_builder *fdt, const char *name, const void *data, size_t size)
{
	int error;

	if (fdt->error != 0)
		return;
	if (size > LARGEST_TREE) {
		latch(fdt, -E2BIG, "property", name);
		return;
	}
	/* libfdt writes it; the kernel's unflattener would silently not see it. */
	if (fdt->child_written) {
		latch(fdt, -EINVAL, "property written after a child node:", name);
		return;
	}
	do
		error = fdt_property(fdt->blob, name, data, (int)size);
	while (grow(fdt, error, "property", name));
}

void fdt_empty(struct fdt_builder *fdt, const char *name)
{
	fdt_bytes(fdt, name, "", 0);
}

void fdt_str(struct fdt_builder *fdt, const char *name, const char *value)
{
	fdt_bytes(fdt, name, value, strlen(value) + 1);
}

void fdt_strings(struct fdt_builder *fdt, const char *name, const char *values, size_t size)
{
	fdt_bytes(fdt, name, values, size);
}

void fdt_u32(struct fdt_builder *fdt, const char *name, uint32_t value)
{
	fdt_cells(fdt, name, &value, 1);
}

void fdt_u64(struct fdt_builder *fdt, const char *name, uint64_t value)
{
	fdt64_t big_endian = cpu_to_fdt64(value);

	fdt_bytes(fdt, name, &big_endian, sizeof(big_endian));
}

/* Room for `count` values of `size` bytes in one property, or NULL with the error latched. */
static void *value_buffer(struct fdt_builder *fdt, const char *name, size_t count, size_t size)
{
	void *buffer;

	if (fdt->error != 0)
		return NULL;
	buffer = calloc(count == 0 ? 1 : count, size);
	if (buffer == NULL)
		latch(fdt, -ENOMEM, "property", name);
	return buffer;
}

void fdt_cells(struct fdt_builder *fdt, const char *name, const uint32_t *cells, size_t count)
{
	fdt32_t *big_endian = value_buffer(fdt, name, count, sizeof(*big_endian));
	size_t i;

	if (big_endian == NULL)
		return;
	for (i = 0; i < count; i++)
		big_endian[i] = cpu_to_fdt32(cells[i]);
	fdt_bytes(fdt, name, big_endian, count * sizeof(*big_endian));
	free(big_endian);
}

void fdt_reg(struct fdt_builder *fdt, const uint64_t (*address_size)[2], size_t count)
{
	fdt64_t *big_endian = value_buffer(fdt, "reg", count, 2 * sizeof(*big_endian));
	size_t i;

	if (big_endian == NULL)
		return;
	for (i = 0; i < count; i++) {
		big_endian[2 * i] = cpu_to_fdt64(address_size[i][0]);
		big_endian[2 * i + 1] = cpu_to_fdt64(address_size[i][1]);
	}
	fdt_bytes(fdt, "reg", big_endian, count * 2 * sizeof(*big_endian));
	free(big_endian);
}
