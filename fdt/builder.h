/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a flattened device tree from the root down. Errors are latched: after the first, every
 * call does nothing, and fdt_builder_finish() reports it. Values are host-endian here.
 */
#ifndef FDT_BUILDER_H
#define FDT_BUILDER_H

#include <stddef.h>
#include <stdint.h>

struct fdt_builder {
	void *blob; /* libfdt sequential-write buffer, grown on demand */
	size_t capacity;
	int error; /* -errno, 0 while all went well */
	uint32_t next_phandle;
};

/* Opens the root node. */
void fdt_builder_start(struct fdt_builder *fdt);

/*
 * Closes the root node. Returns 0 with *blob (malloc'ed, the caller's) and *size in bytes, or
 * -errno: -ENOMEM, -EINVAL (nodes left open). The builder is empty afterwards.
 */
int fdt_builder_finish(struct fdt_builder *fdt, void **blob, size_t *size);

/* A phandle value that no other node of this tree has. */
uint32_t fdt_new_phandle(struct fdt_builder *fdt);

void fdt_begin(struct fdt_builder *fdt, const char *name_format, ...)
	__attribute__((format(printf, 2, 3)));
void fdt_end(struct fdt_builder *fdt);

void fdt_empty(struct fdt_builder *fdt, const char *name);
void fdt_bytes(struct fdt_builder *fdt, const char *name, const void *data, size_t size);
void fdt_string(struct fdt_builder *fdt, const char *name, const char *value);
/* `values` separated by single NULs, as in the tree: "a\0b", sizeof gives the size. */
void fdt_strings(struct fdt_builder *fdt, const char *name, const char *values, size_t size);
void fdt_u32(struct fdt_builder *fdt, const char *name, uint32_t value);
void fdt_u64(struct fdt_builder *fdt, const char *name, uint64_t value);
void fdt_cells(struct fdt_builder *fdt, const char *name, const uint32_t *cells, size_t count);

/* Variadic form: fdt_cell_list(fdt, "interrupts", 0, 176, 4). */
#define fdt_cell_list(fdt, name, ...)                                                              \
	fdt_cells(fdt, name, (const uint32_t[]){ __VA_ARGS__ },                                    \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* `reg` with two address and two size cells: pairs of u64. */
void fdt_reg(struct fdt_builder *fdt, const uint64_t (*address_size)[2], size_t count);

#endif
