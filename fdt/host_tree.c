/* SPDX-License-Identifier: Apache-2.0 */
/* The part of fdt/host_node.h that touches files. */
#include "fdt/host_limits.h"
#include "fdt/host_node.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct phandle_entry {
	uint32_t phandle;
	char *path;
	struct host_node *node; /* once it was asked for */
};

struct host_tree {
	char *base; /* real path, without a trailing slash */
	bool indexed;
	size_t entry_count;
	struct phandle_entry *entries;
};

int host_tree_open(const char *base, struct host_tree **tree)
{
	struct host_tree *opened = calloc(1, sizeof(*opened));

	if (opened == NULL)
		return -ENOMEM;
	opened->base = realpath(base, NULL);
	if (opened->base == NULL) {
		int error = -errno;

		log_error("%s: %s: assigned devices need a host that booted with a device tree",
			base, strerror(-error));
		free(opened);
		return error;
	}
	*tree = opened;
	return 0;
}

void host_tree_close(struct host_tree *tree)
{
	size_t i;

	if (tree == NULL)
		return;
	for (i = 0; i < tree->entry_count; i++) {
		free(tree->entries[i].path);
		host_node_free(tree->entries[i].node);
	}
	free(tree->entries);
	free(tree->base);
	free(tree);
}

void host_node_free(struct host_node *node)
{
	size_t i;

	if (node == NULL)
		return;
	for (i = 0; i < node->property_count; i++) {
		free(node->properties[i].name);
		free(node->properties[i].data);
	}
	for (i = 0; i < node->child_count; i++)
		host_node_free(node->children[i]);
	free(node->properties);
	free(node->children);
	free(node->name);
	free(node->path);
	free(node);
}

/* Reads the file `name` of the directory `fd`. Returns 0 with *data (malloc'ed) or -errno. */
static int read_file(int fd, const char *name, unsigned char **data, size_t *size)
{
	int file = openat(fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	unsigned char *buffer, *fitted;
	size_t filled = 0;
	ssize_t got = 1;
	int error = 0;

	if (file < 0)
		return -errno;
	buffer = malloc(HOST_PROPERTY_MAX + 1);
	while (buffer != NULL && filled <= HOST_PROPERTY_MAX && got > 0) {
		got = read(file, buffer + filled, HOST_PROPERTY_MAX + 1 - filled);
		if (got > 0)
			filled += (size_t)got;
	}
	if (buffer == NULL)
		error = -ENOMEM;
	else if (got < 0)
		error = -errno;
	else if (filled > HOST_PROPERTY_MAX)
		error = -E2BIG;
	close(file);
	if (error != 0) {
		free(buffer);
		return error;
	}
	buffer[filled] = '\0';
	/* Properties are small and many; the page that each was read into is not kept. */
	fitted = malloc(filled + 1);
	if (fitted != NULL)
		memcpy(fitted, buffer, filled + 1);
	free(buffer);
	*data = fitted;
	*size = filled;
	return fitted != NULL ? 0 : -ENOMEM;
}

/* One reading of a node, with its children or without. */
struct reader {
	bool children;
	bool logged; /* the error, where most was known */
	unsigned int depth;
	size_t nodes;
};

static int read_node(struct reader *reader, int fd, const char *path, struct host_node **out);

static int add_property(int fd, const char *name, struct host_node *node)
{
	struct host_property *grown, *property;
	int error;

	grown = reallocarray(node->properties, node->property_count + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	node->properties = grown;
	property = &grown[node->property_count];
	error = read_file(fd, name, &property->data, &property->size);
	if (error != 0)
		return error;
	property->name = strdup(name);
	node->property_count++;
	return property->name == NULL ? -ENOMEM : 0;
}

static int add_child(struct reader *reader, int fd, const char *name, struct host_node *node)
{
	struct host_node **grown;
	char path[HOST_PATH_MAX];
	int child_fd, error;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", node->path, name) >= sizeof(path) ||
		reader->depth + 1 >= HOST_TREE_MAX_DEPTH)
		return -E2BIG;
	grown = reallocarray(node->children, node->child_count + 1, sizeof(struct host_node *));
	if (grown == NULL)
		return -ENOMEM;
	node->children = grown;
	child_fd = openat(fd, name, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
	if (child_fd < 0)
		return -errno;
	reader->depth++;
	error = read_node(reader, child_fd, path, &grown[node->child_count]);
	reader->depth--;
	if (error == 0)
		node->child_count++;
	return error;
}

static int add_entry(struct reader *reader, int fd, const char *name, struct host_node *node)
{
	struct stat status;
	int error;

	if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (node->property_count + node->child_count >= HOST_NODE_MAX_ENTRIES)
		return -E2BIG;
	if (S_ISDIR(status.st_mode))
		return reader->children ? add_child(reader, fd, name, node) : 0;
	if (!S_ISREG(status.st_mode))
		return 0;
	error = add_property(fd, name, node);
	/* What a node that is only looked up keeps for root does not matter here. */
	return error == -EACCES && !reader->children ? 0 : error;
}

/* Fills in what the directory holds. Takes `fd`. */
static int read_entries(struct reader *reader, int fd, struct host_node *node)
{
	DIR *directory = fdopendir(fd);
	struct dirent *entry;
	int error = 0;

	if (directory == NULL) {
		error = -errno;
		close(fd);
		return error;
	}
	while (error == 0 && (entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		error = add_entry(reader, fd, entry->d_name, node);
		if (error != 0 && !reader->logged) {
			log_error("host device tree: %s/%s: %s", node->path, entry->d_name,
				strerror(-error));
			reader->logged = true;
		}
	}
	closedir(directory);
	return error;
}

static int compare_properties(const void *a, const void *b)
{
	const struct host_property *first = a, *second = b;

	return strcmp(first->name, second->name);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct host_node *const *first = a, *const *second = b;

	return strcmp((*first)->name, (*second)->name);
}

/* Takes `fd`. */
static int read_node(struct reader *reader, int fd, const char *path, struct host_node **out)
{
	const char *slash = strrchr(path, '/');
	struct host_node *node;
	int error;

	if (++reader->nodes > HOST_NODE_MAX_NODES) {
		close(fd);
		return -E2BIG;
	}
	node = calloc(1, sizeof(*node));
	if (node != NULL) {
		node->path = strdup(path);
		node->name = strdup(slash == NULL ? path : slash + 1);
	}
	if (node == NULL || node->path == NULL || node->name == NULL) {
		close(fd);
		host_node_free(node);
		return -ENOMEM;
	}
	error = read_entries(reader, fd, node);
	if (error != 0) {
		host_node_free(node);
		return error;
	}
	if (node->property_count > 0)
		qsort(node->properties, node->property_count, sizeof(*node->properties),
			compare_properties);
	if (node->child_count > 0)
		qsort(node->children, node->child_count, sizeof(struct host_node *), compare_nodes);
	*out = node;
	return 0;
}

static int read_directory(
	const char *directory, const char *path, bool children, struct host_node **node)
{
	struct reader reader = { .children = children };
	int fd = open(directory, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	int error = fd < 0 ? -errno : read_node(&reader, fd, path, node);

	if (error != 0 && !reader.logged)
		log_error("host device tree: %s: %s", directory, strerror(-error));
	return error;
}

int host_tree_read(const struct host_tree *tree, const char *directory, struct host_node **node)
{
	size_t length = strlen(tree->base);
	char *real = realpath(directory, NULL);
	int error;

	if (real == NULL) {
		error = -errno;
		log_error("%s: %s", directory, strerror(-error));
		return error;
	}
	if (strncmp(real, tree->base, length) != 0 || real[length] != '/') {
		log_error("%s: leads to %s, which is not below %s", directory, real, tree->base);
		error = -EXDEV;
	} else {
		error = read_directory(real, real + length, true, node);
	}
	free(real);
	return error;
}

int host_tree_read_path(const struct host_tree *tree, const char *path, struct host_node **node)
{
	char *directory;
	int error;

	if (strcmp(path, "/") == 0)
		path = "";
	if (asprintf(&directory, "%s%s", tree->base, path) < 0)
		return -ENOMEM;
	error = read_directory(directory, path, false, node);
	free(directory);
	return error;
}

static void remember_phandle(struct host_tree *tree, int fd, const char *path)
{
	struct phandle_entry *grown;
	unsigned char *data = NULL;
	uint32_t phandle;
	size_t size = 0;

	if (tree->entry_count >= HOST_TREE_MAX_NODES || read_file(fd, "phandle", &data, &size) != 0)
		return;
	grown = reallocarray(tree->entries, tree->entry_count + 1, sizeof(*grown));
	if (grown != NULL)
		tree->entries = grown;
	if (grown != NULL && size == sizeof(phandle)) {
		memcpy(&phandle, data, sizeof(phandle));
		grown[tree->entry_count].phandle = be32toh(phandle);
		grown[tree->entry_count].node = NULL;
		grown[tree->entry_count].path = strdup(path);
		if (grown[tree->entry_count].path != NULL)
			tree->entry_count++;
	}
	free(data);
}

/* Takes `fd`. What cannot be read is left out: a look-up for it then says so. */
static void index_node(struct host_tree *tree, int fd, const char *path, unsigned int depth)
{
	char child_path[HOST_PATH_MAX];
	struct dirent *entry;
	DIR *directory;
	int child;

	remember_phandle(tree, fd, path);
	directory = fdopendir(fd);
	if (directory == NULL) {
		close(fd);
		return;
	}
	while (depth < HOST_TREE_MAX_DEPTH && (entry = readdir(directory)) != NULL) {
		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			(size_t)snprintf(child_path, sizeof(child_path), "%s/%s", path,
				entry->d_name) >= sizeof(child_path))
			continue;
		child = openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
		if (child >= 0)
			index_node(tree, child, child_path, depth + 1);
	}
	closedir(directory);
}

const struct host_node *host_tree_by_phandle(struct host_tree *tree, uint32_t phandle)
{
	struct phandle_entry *entry = NULL;
	size_t i;
	int fd;

	if (!tree->indexed) {
		fd = open(tree->base, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
		if (fd >= 0)
			index_node(tree, fd, "", 0);
		tree->indexed = true;
	}
	for (i = 0; i < tree->entry_count && entry == NULL; i++)
		if (tree->entries[i].phandle == phandle)
			entry = &tree->entries[i];
	if (entry == NULL)
		return NULL;
	if (entry->node == NULL && host_tree_read_path(tree, entry->path, &entry->node) != 0)
		return NULL;
	return entry->node;
}
