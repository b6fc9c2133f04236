/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what bare_tree wants from a flattened device tree. The VMM wrote it: it is trusted. */
#include "bare.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4 };

/* One node's properties, as far as they are of interest. */
struct node {
	const uint8_t *compatible, *reg, *interrupts, *window, *words, *type;
	uint32_t compatible_size;
};

static uint32_t big32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t big64(const uint8_t *at)
{
	return (uint64_t)big32(at) << 32 | big32(at + 4);
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static uint32_t length(const char *text)
{
	uint32_t n = 0;

	while (text[n])
		n++;
	return n;
}

static bool is_compatible(const struct node *node, const char *wanted)
{
	uint32_t at = 0;

	while (node->compatible && at < node->compatible_size) {
		const char *name = (const char *)node->compatible + at;

		if (same(name, wanted))
			return true;
		at += length(name) + 1;
	}
	return false;
}

static void take(struct bare_tree *tree, const struct node *node)
{
	if (node->words)
		tree->words = (const char *)node->words;
	if (node->window)
		tree->window = big64(node->window);
	if (!node->reg)
		return;
	if (node->type && same((const char *)node->type, "memory")) {
		tree->ram = big64(node->reg);
		tree->ram_size = big64(node->reg + 8);
	}
	if (is_compatible(node, "virtio,mmio") && tree->virtio_count < BARE_VIRTIO)
		tree->virtio[tree->virtio_count++] = big64(node->reg);
	if (is_compatible(node, "ns16550a"))
		tree->early = big64(node->reg);
	if (is_compatible(node, "arm,pl011"))
		tree->uart = big64(node->reg);
	if (is_compatible(node, "arm,gic-v3"))
		tree->distributor = big64(node->reg);
	if (is_compatible(node, "mmio-sram")) {
		tree->shared = big64(node->reg);
		tree->shared_size = big64(node->reg + 8);
	}
	if (is_compatible(node, "nvidia,tegra234-hsp")) {
		tree->hsp = big64(node->reg);
		tree->hsp_size = big64(node->reg + 8);
		tree->doorbell = big32(node->interrupts + 4);
		tree->doorbell_edge = big32(node->interrupts + 8) == 1;
	}
}

static void note(struct node *node, const char *name, const uint8_t *value, uint32_t size)
{
	if (same(name, "compatible")) {
		node->compatible = value;
		node->compatible_size = size;
	} else if (same(name, "reg")) {
		node->reg = value;
	} else if (same(name, "interrupts")) {
		node->interrupts = value;
	} else if (same(name, "virtual-pa")) {
		node->window = value;
	} else if (same(name, "device_type")) {
		node->type = value;
	} else if (same(name, "bootargs")) {
		node->words = value;
	}
}

void bare_tree_read(struct bare_tree *tree, const uint8_t *blob)
{
	const uint8_t *at = blob + big32(blob + 8);
	const char *names = (const char *)blob + big32(blob + 12);
	struct node node = { 0 };

	tree->words = "";
	for (;;) {
		uint32_t token = big32(at), size;

		at += 4;
		switch (token) {
		case BEGIN_NODE:
			take(tree, &node); /* the parent's properties stand before its children */
			node = (struct node){ 0 };
			at += (length((const char *)at) + 4) & ~3u;
			break;
		case END_NODE:
			take(tree, &node);
			node = (struct node){ 0 };
			break;
		case PROPERTY:
			size = big32(at);
			note(&node, names + big32(at + 4), at + 8, size);
			at += 8 + ((size + 3) & ~3u);
			break;
		case NOP:
			break;
		default: /* the end */
			return;
		}
	}
}

/* Where `word` stands on the command line at the beginning of one, or NULL. */
static const char *find(const char *words, const char *word)
{
	uint32_t size = length(word);

	for (const char *at = words; *at; at++) {
		uint32_t n = 0;

		while (n < size && at[n] == word[n])
			n++;
		if (n == size && (at == words || at[-1] == ' '))
			return at;
	}
	return (const char *)0;
}

bool bare_has_word(const struct bare_tree *tree, const char *word)
{
	return find(tree->words, word);
}

uint64_t bare_word(const struct bare_tree *tree, const char *key)
{
	const char *at = find(tree->words, key);
	uint64_t value = 0;

	for (at = at ? at + length(key) : ""; *at; at++) {
		if (*at >= '0' && *at <= '9')
			value = value << 4 | (uint64_t)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			value = value << 4 | (uint64_t)(*at - 'a' + 10);
		else
			break;
	}
	return value;
}
