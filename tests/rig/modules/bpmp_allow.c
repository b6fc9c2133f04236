// SPDX-License-Identifier: GPL-2.0
/*
 * The allow-list, in the two generations that are deployed. They differ in what a VM may ask of
 * ids outside its lists, and in MRQ_DEBUG.
 */
#include <linux/module.h>
#include <linux/of.h>
#include <linux/unaligned.h>

#include "rig_bpmp.h"

static unsigned int generation = 3;
module_param(generation, uint, 0644);
MODULE_PARM_DESC(generation, "allow-list of the proxy: 3 (one node per VM, default) or 2");

/* Roots of the clock tree, shared by everybody: CLK_M, OSC, PLLP_OUT0 and further PLL outputs. */
static const u32 protected_roots[] = { 14, 91, 102, 103, 288, 292, 327 };

static bool contains(const u32 *ids, unsigned int count, u32 id)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

static bool clock_allowed(const struct rig_allowed *allowed, const struct rig_mrq *mrq)
{
	u32 word = get_unaligned_le32(mrq->tx);
	bool third = generation >= 3;
	u32 id = word & (third ? 0xffffff : 0xfff);
	u32 cmd = word >> 24 & (third ? 0xff : 0xf);
	bool root = contains(protected_roots, ARRAY_SIZE(protected_roots), id);

	switch (cmd) {
	case CMD_CLK_GET_MAX_CLK_ID:
	case CMD_CLK_GET_ALL_INFO:
	case CMD_CLK_GET_PARENT:
		return true;
	case CMD_CLK_GET_RATE:
	case CMD_CLK_IS_ENABLED:
	case CMD_CLK_PROPERTIES:
	case CMD_CLK_POSSIBLE_PARENTS:
	case CMD_CLK_NUM_POSSIBLE_PARENTS:
	case CMD_CLK_GET_POSSIBLE_PARENT:
	case CMD_CLK_GET_FMAX_AT_VMIN:
		if (third)
			return true;
		break;
	case CMD_CLK_ENABLE:
		if (third && root)
			return true;
		break;
	case CMD_CLK_DISABLE:
	case CMD_CLK_SET_RATE:
	case CMD_CLK_SET_PARENT:
		if (root)
			return false;
		break;
	}
	return contains(allowed->clocks, allowed->clock_count, id);
}

static bool domain_allowed(const struct rig_allowed *allowed, const struct rig_mrq *mrq)
{
	u32 cmd = get_unaligned_le32(mrq->tx);

	return contains(allowed->domains, allowed->domain_count, get_unaligned_le32(mrq->tx + 4)) ||
		cmd == CMD_PG_GET_STATE || cmd == CMD_PG_GET_NAME || cmd == CMD_PG_GET_MAX_ID;
}

static bool decide(const struct rig_allowed *allowed, const struct rig_mrq *mrq, size_t tx_size)
{
	switch (mrq->mrq) {
	case MRQ_PING:
	case MRQ_QUERY_TAG:
	case MRQ_THREADED_PING:
	case MRQ_QUERY_ABI:
	case MRQ_QUERY_FW_TAG:
	case MRQ_STRAP:
	case MRQ_EMC_DVFS_LATENCY:
	case MRQ_EMC_DVFS_EMCHUB:
	case MRQ_BWMGR:
	case MRQ_ISO_CLIENT:
		return true;
	case MRQ_DEBUG:
		return generation < 3;
	case MRQ_RESET:
		return tx_size >= 8 &&
			contains(allowed->resets, allowed->reset_count,
				get_unaligned_le32(mrq->tx + 4));
	case MRQ_CLK:
		return tx_size >= 4 && clock_allowed(allowed, mrq);
	case MRQ_PG:
		return tx_size >= 8 && domain_allowed(allowed, mrq);
	default:
		return false;
	}
}

bool rig_allowed_request(
	const struct rig_allowed *allowed, const struct rig_mrq *mrq, size_t tx_size)
{
	bool yes = decide(allowed, mrq, tx_size);

	if (!yes)
		pr_info_ratelimited("bpmp-host: REJECTED mrq=%u tx_size=%zu data0=%#x data1=%#x\n",
			mrq->mrq, tx_size, get_unaligned_le32(mrq->tx),
			get_unaligned_le32(mrq->tx + 4));
	return yes;
}

/* Returns the number of ids read, or -errno (-EINVAL: no such property, or an empty one). */
static int read_ids(const struct device_node *node, const char *property, u32 *ids)
{
	return of_property_read_variable_u32_array(node, property, ids, 1, RIG_MAX_ALLOWED);
}

int rig_allowed_read(struct rig_allowed *allowed, const struct device_node *node)
{
	int clocks = read_ids(node, "allowed-clocks", allowed->clocks);
	int resets = read_ids(node, "allowed-resets", allowed->resets);
	int domains = read_ids(node, "allowed-power-domains", allowed->domains);

	if (clocks < 0 || resets < 0)
		return -EINVAL;
	allowed->clock_count = clocks;
	allowed->reset_count = resets;
	allowed->domain_count = max(domains, 0);
	return 0;
}
