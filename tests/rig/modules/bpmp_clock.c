// SPDX-License-Identifier: GPL-2.0
/*
 * The firmware's clocks: a subset of Tegra234's, with its ids, and three invented ones for board A.
 * Rates follow the parents: a root or PLL has its own, a divider makes 2 * parent / n for n >= 2
 * (the chip's dividers count halves), anything else passes its parent's rate on.
 */
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "rig_bpmp.h"

#define MAX_PARENTS 3
#define MAX_DEPTH   8	    /* the table below has 3 */
#define MAX_HALVES  0x10001 /* a 16-bit divider register */

struct rig_clock_info {
	u32 id;
	const char *name;
	u32 flags;		  /* BPMP_CLK_*, as GET_ALL_INFO answers them */
	u64 rate;		  /* Hz, of a root or PLL; else 0 */
	u32 halves;		  /* at reset */
	u64 min, max;		  /* Hz, of a clock with HAS_SET_RATE */
	u32 parents[MAX_PARENTS]; /* the first one at reset; ids, ended by 0 */
	u32 host;		  /* ENABLEs of the host's own at reset */
};

#define ROOT	BPMP_CLK_IS_ROOT
#define DIVIDER BPMP_CLK_HAS_SET_RATE
#define MUXED	(BPMP_CLK_HAS_MUX | BPMP_CLK_HAS_SET_RATE)
#define KHZ	1000ULL

/* clang-format off */
static const struct rig_clock_info table[] = {
	/* id   name            flags          rate   halves    min           max  parents  host */
	{  14, "clk_m",         0,                0,     4,       0,            0, { 91 } },
	{  31, "emc",           DIVIDER,          0,     2, 204000 * KHZ, 3200000 * KHZ, { 93 }, 1 },
	/* Invented, with ids that Tegra234 leaves out: the second UART of board A. */
	{  43, "rig_uartclk",   0,                0,     2,       0,            0, { 45 } },
	{  44, "rig_apb_pclk",  0,                0,     2,       0,            0, { 45 } },
	{  45, "rig_osc",       ROOT,   24000 * KHZ,     2 },
	{  48, "i2c1",          MUXED,            0,     6,    9600,  136000 * KHZ, { 102, 14 } },
	{  91, "osc",           ROOT,   38400 * KHZ,     2 },
	{  93, "pllm",          0,    3200000 * KHZ,     2,       0,            0, { 91 } },
	{ 102, "pllp_out0",     0,     408000 * KHZ,     2,       0,            0, { 91 } },
	{ 155, "uarta",         MUXED,            0,     2,    9600,  408000 * KHZ, { 102, 14 } },
	{ 156, "uartb",         MUXED,            0,     2,    9600,  408000 * KHZ, { 102, 14 } },
	{ 157, "uartc",         MUXED,            0,     2,    9600,  408000 * KHZ, { 102, 14 } },
	{ 158, "uartd",         MUXED,            0,     2,    9600,  408000 * KHZ, { 102, 14 } },
	{ 167, "vic",           MUXED,            0,     2,    9600,  408000 * KHZ, { 102, 14 } },
	{ 188, "uarti_r",       0,                0,     2,       0,            0, { 14 } },
	{ 289, "clk_32k",       ROOT,         32768,     2 },
	{ 374, "mgbe0_tx",      0,                0,     2,       0,            0, { 102 } },
	{ 380, "mgbe0_app",     0,                0,     2,       0,            0, { 102 } },
};
/* clang-format on */
static_assert(ARRAY_SIZE(table) <= RIG_MAX_CLOCKS);

const char *rig_clock_name(const struct rig_clock *clock)
{
	return clock->info->name;
}

u32 rig_clock_id(const struct rig_clock *clock)
{
	return clock->info->id;
}

struct rig_clock *rig_clock_find(struct rig_bpmp *bpmp, u32 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].id == id)
			return &bpmp->clocks[i];
	return NULL;
}

/* `halves` of each divider on the way multiply up, so that nothing is rounded twice. */
u64 rig_clock_rate(struct rig_bpmp *bpmp, const struct rig_clock *clock)
{
	u64 twos = 1, halves = 1;
	unsigned int depth;

	for (depth = 0; clock && depth < MAX_DEPTH; depth++) {
		if (clock->info->rate)
			return div64_u64(clock->info->rate * twos, halves);
		twos *= 2;
		halves *= clock->halves;
		clock = rig_clock_find(bpmp, clock->parent);
	}
	return 0;
}

static unsigned int parent_count(const struct rig_clock *clock)
{
	unsigned int n = 0;

	while (n < MAX_PARENTS && clock->info->parents[n])
		n++;
	return n;
}

/*
 * The divider for the highest rate that is not above `rate`, within the clock's limits, as the
 * chip's dividers are set; 0 if the clock has none.
 */
static u32 halves_for(struct rig_bpmp *bpmp, const struct rig_clock *clock, s64 rate)
{
	const struct rig_clock *parent = rig_clock_find(bpmp, clock->parent);
	u64 from;

	if (!(clock->info->flags & BPMP_CLK_HAS_SET_RATE) || !parent || rate <= 0)
		return 0;
	from = 2 * rig_clock_rate(bpmp, parent);
	rate = clamp_t(u64, rate, clock->info->min, clock->info->max);
	return clamp_t(u64, DIV64_U64_ROUND_UP(from, (u64)rate), 2, MAX_HALVES);
}

static void answer_u64(struct rig_mrq *mrq, u64 value)
{
	put_unaligned_le64(value, mrq->rx);
	mrq->out = value;
}

static void answer_u32(struct rig_mrq *mrq, u32 value)
{
	put_unaligned_le32(value, mrq->rx);
	mrq->out = value;
}

/* SET_RATE, and with `keep` false ROUND_RATE. */
static void set_rate(struct rig_bpmp *bpmp, struct rig_mrq *mrq, struct rig_clock *clock, bool keep)
{
	u32 old = clock->halves;
	u32 halves = halves_for(bpmp, clock, mrq->arg);

	if (!halves) {
		mrq->result = -BPMP_EINVAL;
		return;
	}
	clock->halves = halves;
	answer_u64(mrq, rig_clock_rate(bpmp, clock));
	if (!keep)
		clock->halves = old;
}

static void set_parent(struct rig_mrq *mrq, struct rig_clock *clock)
{
	unsigned int i;

	for (i = 0; i < parent_count(clock); i++) {
		if ((clock->info->flags & BPMP_CLK_HAS_MUX) &&
			clock->info->parents[i] == mrq->arg) {
			clock->parent = mrq->arg;
			answer_u32(mrq, clock->parent);
			return;
		}
	}
	mrq->result = -BPMP_EINVAL;
}

static void all_info(struct rig_mrq *mrq, const struct rig_clock *clock)
{
	struct cmd_clk_get_all_info_response *info = (void *)mrq->rx;
	unsigned int i;

	put_unaligned_le32(clock->info->flags, &info->flags);
	put_unaligned_le32(clock->parent, &info->parent);
	info->num_parents = parent_count(clock);
	for (i = 0; i < info->num_parents; i++)
		put_unaligned_le32(clock->info->parents[i], &info->parents[i]);
	strscpy((char *)info->name, clock->info->name, sizeof(info->name));
}

void rig_clock_request(struct rig_bpmp *bpmp, struct rig_mrq *mrq)
{
	struct rig_clock *clock = rig_clock_find(bpmp, mrq->id);

	if (mrq->cmd == CMD_CLK_GET_MAX_CLK_ID) {
		answer_u32(mrq, table[ARRAY_SIZE(table) - 1].id);
		return;
	}
	if (!clock) {
		mrq->result = -BPMP_EINVAL;
		return;
	}
	switch (mrq->cmd) {
	case CMD_CLK_GET_RATE:
		answer_u64(mrq, rig_clock_rate(bpmp, clock));
		break;
	case CMD_CLK_SET_RATE:
	case CMD_CLK_ROUND_RATE:
		set_rate(bpmp, mrq, clock, mrq->cmd == CMD_CLK_SET_RATE);
		break;
	case CMD_CLK_GET_PARENT:
		answer_u32(mrq, clock->parent);
		break;
	case CMD_CLK_SET_PARENT:
		set_parent(mrq, clock);
		break;
	case CMD_CLK_IS_ENABLED:
		answer_u32(mrq, clock->count > 0);
		break;
	case CMD_CLK_ENABLE:
		clock->count++;
		break;
	case CMD_CLK_DISABLE:
		if (clock->count)
			clock->count--;
		break;
	case CMD_CLK_GET_ALL_INFO:
		all_info(mrq, clock);
		break;
	case CMD_CLK_GET_FMAX_AT_VMIN:
		answer_u64(mrq, clock->info->max ?: rig_clock_rate(bpmp, clock));
		break;
	default:
		mrq->result = -BPMP_EBADCMD;
	}
}

void rig_clocks_reset(struct rig_bpmp *bpmp)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		bpmp->clocks[i] = (struct rig_clock){
			.info = &table[i],
			.parent = table[i].parents[0],
			.halves = table[i].halves,
			.count = table[i].host,
			.host = table[i].host,
		};
	}
}
