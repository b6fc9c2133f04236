/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/opened.h"

#include "devices/bpmp/abi.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Sizes of bpmp-abi.h (Linux 6.12): least is the smallest of its table of minimum payload lengths,
 * or 0 where Linux' own client sends less; most is the request's struct; answer the response's.
 */
static const struct bpmp_openable table[] = {
	{ "clk-reset-refcounts", BPMP_MRQ_CLK, BPMP_CLK_RESET_REFCOUNTS, 16, 16, 0 },
	{ "i2c", BPMP_MRQ_I2C, 0, 12, 120, 120 },
	{ "thermal", BPMP_MRQ_THERMAL, 0, 4, 20, 4 },
	{ "emc-dvfs-latency", BPMP_MRQ_EMC_DVFS_LATENCY, 0, 0, 8, 116 },
	{ "cpu-ndiv-limits", BPMP_MRQ_CPU_NDIV_LIMITS, 0, 4, 4, 12 },
	{ "strap", BPMP_MRQ_STRAP, 0, 12, 12, 0 },
	{ "uphy", BPMP_MRQ_UPHY, 0, 4, 24, 4 },
	{ "debug", BPMP_MRQ_DEBUG, 0, 4, 120, 120 },
	{ "emc-dvfs-emchub", BPMP_MRQ_EMC_DVFS_EMCHUB, 0, 0, 8, 116 },
	{ "bwmgr", BPMP_MRQ_BWMGR, 0, 8, 116, 8 },
	{ "iso-client", BPMP_MRQ_ISO_CLIENT, 0, 8, 16, 116 },
	{ "emc-disp-rfl", BPMP_MRQ_EMC_DISP_RFL, 0, 4, 4, 0 },
	/* 17 bytes of answer since Linux 7.2, 8 before. */
	{ "bwmgr-int", BPMP_MRQ_BWMGR_INT, 0, 8, 21, 17 },
};

static_assert(ARRAY_SIZE(table) <= 32, "a row is a bit of struct bpmp_ids' mrqs");

/* The requests carry addresses that the firmware, which no IOMMU of the VM's stops, uses. */
static const struct {
	const char *name;
	uint32_t mrq;
	const char *why;
} never[] = {
	{ "query-tag", BPMP_MRQ_QUERY_TAG,
		"the firmware would write to memory of the guest's choice" },
	{ "debugfs", BPMP_MRQ_DEBUGFS,
		"the firmware would read and write memory of the guest's choice" },
	{ "cpu-vhint", BPMP_MRQ_CPU_VHINT,
		"the firmware would write to memory of the guest's choice" },
};

const struct bpmp_openable *bpmp_openable_mrq(uint32_t mrq)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].mrq == mrq && table[i].command == 0)
			return &table[i];
	return NULL;
}

const struct bpmp_openable *bpmp_openable_clk_command(uint32_t command)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].command != 0 && table[i].command == command)
			return &table[i];
	return NULL;
}

bool bpmp_is_opened(uint32_t opened, const struct bpmp_openable *openable)
{
	return openable && (opened & 1u << (openable - table));
}

const char *bpmp_why_never(uint32_t mrq)
{
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (never[i].mrq == mrq)
			return never[i].why;
	return NULL;
}

static bool is_word(const char *word, size_t length, const char *name)
{
	return strlen(name) == length && strncmp(word, name, length) == 0;
}

/* The number that the word is, or UINT32_MAX. */
static uint32_t number_in(const char *word, size_t length)
{
	unsigned long number;
	char *end;

	if (word[0] < '0' || word[0] > '9')
		return UINT32_MAX;
	number = strtoul(word, &end, 0);
	return end == word + length && number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

/* Returns 0 or -EINVAL (logged). */
static int open_one(const char *word, size_t length, uint32_t *opened)
{
	uint32_t number = number_in(word, length);
	const int shown = length < 64 ? (int)length : 64;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (is_word(word, length, table[i].name) ||
			(table[i].command == 0 && table[i].mrq == number)) {
			*opened |= 1u << i;
			log_warning("--bpmp mrqs=%s: such requests go to the host's BPMP as the "
				    "guest makes them, and what they change is not put back",
				table[i].name);
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		if (is_word(word, length, never[i].name) || never[i].mrq == number) {
			log_error("--bpmp mrqs=%.*s: cannot be opened: %s", shown, word,
				never[i].why);
			return -EINVAL;
		}
	}
	log_error("--bpmp mrqs=%.*s: no kind of request that can be opened; bpmp-vmm(1) lists them",
		shown, word);
	return -EINVAL;
}

int bpmp_open_mrqs(const char *list, uint32_t *opened)
{
	int error = 0;

	while (!error) {
		size_t length = strcspn(list, ":");

		error = open_one(list, length, opened);
		if (list[length] == '\0')
			break;
		list += length + 1;
	}
	return error;
}

const char *bpmp_opened_text(uint32_t opened, char text[BPMP_OPENED_TEXT_SIZE])
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(table) && used < BPMP_OPENED_TEXT_SIZE; i++)
		if (opened & 1u << i)
			used += (size_t)snprintf(text + used, BPMP_OPENED_TEXT_SIZE - used, "%s%s",
				used ? ":" : "", table[i].name);
	return text;
}
