/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a flattened device tree from the root down. Errors are latched and logged once: after
 * the first, every call does nothing, and fdt_builder_finish() reports it. Values are host-endian
 * here. As the format demands, a node's properties come before its child nodes.
 */
#ifndef FDT_BUILDER_H
#define FDT_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FDT_MAX_ALIASES 16
#define FDT_MAX_IMPORTS 128

/* An alias that fdt_builder_finish() will write: "serial0" = "/serial@c000000". */
struct fdt_alias {
	char name[32];
	char path[128];
};

/* A node of the host's tree that was copied: which phandle it had, and which it has now. */
struct fdt_import {
	uint32_t host, guest;
};

struct fdt_builder {
	void *blob; /* libfdt sequential-write buffer, grown on demand */
	size_t capacity;
	int error; /* -errno, 0 while all went well */
	uint32_t next_phandle;
	unsigned int depth; /* of open nodes, the root among them */
	bool child_written; /* into the innermost open node: no more properties */
	size_t alias_count, import_count;
	struct fdt_alias aliases[FDT_MAX_ALIASES];
	struct fdt_import imports[FDT_MAX_IMPORTS];
};

/* Opens the root node. */
void fdt_builder_start(struct fdt_builder *fdt);

/*
 * Writes /aliases and closes the root node. Returns 0 with *blob (malloc'ed, the caller's) and
 * *size in bytes, or -errno: -ENOMEM, -EINVAL (nodes left open, a bad name), -E2BIG (larger than
 * the 2 MiB that arm64 kernels take), -ENOSPC (too many aliases or imports). The builder is empty
 * afterwards.
 */
int fdt_builder_finish(struct fdt_builder *fdt, void **blob, size_t *size);

/* A phandle value that no other node of this tree has. */
uint32_t fdt_new_phandle(struct fdt_builder *fdt);

/*
 * Names the node at `path` the next one of its kind: the first call with stem "serial" makes
 * alias serial0, the second serial1. Tegra's serial drivers refuse a port without an alias.
 */
void fdt_builder_alias(struct fdt_builder *fdt, const char *stem, const char *path);

/*
 * The phandle that the copy of the host's node `host_phandle` has in this tree, 0 if there is no
 * copy; fdt_builder_import() gives it one (and remembers it) if it has none.
 */
uint32_t fdt_builder_imported(const struct fdt_builder *fdt, uint32_t host_phandle);
uint32_t fdt_builder_import(struct fdt_builder *fdt, uint32_t host_phandle);

void fdt_begin(struct fdt_builder *fdt, const char *name_format, ...)
	__attribute__((format(printf, 2, 3)));
void fdt_end(struct fdt_builder *fdt);

void fdt_empty(struct fdt_builder *fdt, const char *name);
void fdt_bytes(struct fdt_builder *fdt, const char *name, const void *data, size_t size);
/* One string. (libfdt exports a function fdt_string: the name is taken.) */
void fdt_str(struct fdt_builder *fdt, const char *name, const char *value);
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
