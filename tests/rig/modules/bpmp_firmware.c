// SPDX-License-Identifier: GPL-2.0
/* The firmware: answers MRQs as include/soc/tegra/bpmp-abi.h says, from the state in rig_bpmp. */
#include <linux/string.h>
#include <linux/unaligned.h>

#include "rig_bpmp.h"

/* As Tegra234 numbers them; 180 is invented, for the second UART of board A. */
static const struct rig_reset reset_table[] = {
	{ 24, "i2c1", true },
	{ 46, "mgbe0_mac", true },
	{ 99, "uarti", true },
	{ 100, "uarta", true },
	{ 101, "uartb", true },
	{ 102, "uartc", true },
	{ 103, "uartd", true },
	{ 113, "vic", true },
	{ 180, "rig_pl011", true },
};

static const struct rig_domain domain_table[] = {
	{ 3, "disp", PG_STATE_ON },
	{ 18, "mgbeb", PG_STATE_OFF },
	{ 29, "vic", PG_STATE_OFF },
	{ 35, "gpu", PG_STATE_OFF },
};
static_assert(ARRAY_SIZE(reset_table) <= RIG_MAX_RESETS);
static_assert(ARRAY_SIZE(domain_table) <= RIG_MAX_DOMAINS);

static void answer_u32(struct rig_mrq *mrq, u32 value)
{
	put_unaligned_le32(value, mrq->rx);
	mrq->out = value;
}

static void reset_request(struct rig_bpmp *bpmp, struct rig_mrq *mrq)
{
	struct rig_reset *reset = NULL;
	unsigned int i;

	if (mrq->cmd == CMD_RESET_GET_MAX_ID) {
		answer_u32(mrq, reset_table[ARRAY_SIZE(reset_table) - 1].id);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(reset_table); i++)
		if (bpmp->resets[i].id == mrq->id)
			reset = &bpmp->resets[i];
	if (!reset) {
		mrq->result = -BPMP_EINVAL;
		return;
	}
	switch (mrq->cmd) {
	case CMD_RESET_ASSERT:
		reset->asserted = true;
		break;
	case CMD_RESET_DEASSERT:
	case CMD_RESET_MODULE: /* asserted and deasserted */
		reset->asserted = false;
		break;
	default:
		mrq->result = -BPMP_EBADCMD;
	}
}

static void domain_request(struct rig_bpmp *bpmp, struct rig_mrq *mrq)
{
	struct rig_domain *domain = NULL;
	unsigned int i;

	if (mrq->cmd == CMD_PG_GET_MAX_ID) {
		answer_u32(mrq, domain_table[ARRAY_SIZE(domain_table) - 1].id);
		return;
	}
	if (mrq->cmd == CMD_PG_QUERY_ABI) {
		if (mrq->arg < CMD_PG_SET_STATE || mrq->arg > CMD_PG_GET_MAX_ID)
			mrq->result = -BPMP_ENODEV;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(domain_table); i++)
		if (bpmp->domains[i].id == mrq->id)
			domain = &bpmp->domains[i];
	if (!domain) {
		mrq->result = -BPMP_EINVAL;
		return;
	}
	switch (mrq->cmd) {
	case CMD_PG_SET_STATE:
		if (mrq->arg != PG_STATE_OFF && mrq->arg != PG_STATE_ON)
			mrq->result = -BPMP_EINVAL;
		else
			domain->state = mrq->arg;
		break;
	case CMD_PG_GET_STATE:
		answer_u32(mrq, domain->state);
		break;
	case CMD_PG_GET_NAME:
		strscpy((char *)mrq->rx, domain->name, MRQ_PG_NAME_MAXLEN);
		break;
	default:
		mrq->result = -BPMP_EBADCMD;
	}
}

static void query_abi(struct rig_mrq *mrq)
{
	switch (mrq->arg) {
	case MRQ_PING:
	case MRQ_THREADED_PING:
	case MRQ_RESET:
	case MRQ_CLK:
	case MRQ_QUERY_ABI:
	case MRQ_PG:
	case MRQ_QUERY_FW_TAG:
		return; /* status 0 */
	}
	put_unaligned_le32(-BPMP_ENODEV, mrq->rx);
	mrq->out = -BPMP_ENODEV;
}

void rig_firmware_decode(struct rig_mrq *mrq)
{
	u32 first = get_unaligned_le32(mrq->tx);

	mrq->cmd = 0;
	mrq->id = RIG_ANY;
	mrq->arg = 0;
	switch (mrq->mrq) {
	case MRQ_CLK:
		mrq->cmd = first >> 24;
		mrq->id = first & 0xffffff;
		if (mrq->cmd == CMD_CLK_SET_RATE || mrq->cmd == CMD_CLK_ROUND_RATE)
			mrq->arg = get_unaligned_le64(mrq->tx + 8);
		else if (mrq->cmd == CMD_CLK_SET_PARENT)
			mrq->arg = get_unaligned_le32(mrq->tx + 4);
		break;
	case MRQ_RESET:
		mrq->cmd = first;
		mrq->id = get_unaligned_le32(mrq->tx + 4);
		break;
	case MRQ_PG:
		mrq->cmd = first;
		mrq->id = get_unaligned_le32(mrq->tx + 4);
		if (first == CMD_PG_QUERY_ABI || first == CMD_PG_SET_STATE)
			mrq->arg = get_unaligned_le32(mrq->tx + 8);
		break;
	default: /* one number: what is asked for, or what to do with it */
		mrq->arg = first;
	}
}

void rig_firmware_request(struct rig_bpmp *bpmp, struct rig_mrq *mrq)
{
	rig_firmware_decode(mrq);
	mutex_lock(&bpmp->lock);
	switch (mrq->mrq) {
	case MRQ_PING:
	case MRQ_THREADED_PING:
		answer_u32(mrq, (u32)mrq->arg << 1);
		break;
	case MRQ_QUERY_ABI:
		query_abi(mrq);
		break;
	case MRQ_QUERY_FW_TAG:
		strscpy((char *)mrq->rx, "bpmp-vmm rig firmware", 32);
		break;
	case MRQ_RESET:
		reset_request(bpmp, mrq);
		break;
	case MRQ_CLK:
		rig_clock_request(bpmp, mrq);
		break;
	case MRQ_PG:
		domain_request(bpmp, mrq);
		break;
	default:
		mrq->result = -BPMP_ENOHANDLER;
	}
	mutex_unlock(&bpmp->lock);
}

void rig_firmware_reset(struct rig_bpmp *bpmp)
{
	mutex_lock(&bpmp->lock);
	memcpy(bpmp->resets, reset_table, sizeof(reset_table));
	memcpy(bpmp->domains, domain_table, sizeof(domain_table));
	rig_clocks_reset(bpmp);
	mutex_unlock(&bpmp->lock);
}
