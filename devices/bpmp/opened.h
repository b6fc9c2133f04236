/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds of requests that a guest is refused unless `--bpmp mrqs=NAME:NAME...` opens them, one by
 * one. They change what all of the chip shares (bandwidth, PCIe lanes, straps), or what they do
 * cannot be told from their content. So an opened one goes to the host as it is, once its length
 * is right, and what it changes is not put back.
 */
#ifndef DEVICES_BPMP_OPENED_H
#define DEVICES_BPMP_OPENED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpmp_openable {
	const char *name; /* as `--bpmp mrqs=` and the log call it */
	uint32_t mrq;
	uint32_t command; /* of MRQ_CLK; 0: the whole MRQ */
	uint32_t least,
		most;	 /* bytes of a request: fields that every command has, its whole struct */
	uint32_t answer; /* bytes of the longest answer */
};

/* NULL where no option can open such requests. */
const struct bpmp_openable *bpmp_openable_mrq(uint32_t mrq);
const struct bpmp_openable *bpmp_openable_clk_command(uint32_t command);

/* `opened` is a set of rows of that table, struct bpmp_ids' mrqs. */
bool bpmp_is_opened(uint32_t opened, const struct bpmp_openable *openable);

/*
 * Why nothing can open requests of that MRQ, for the log; NULL where there is no better reason than
 * that no guest needs them.
 */
const char *bpmp_why_never(uint32_t mrq);

/*
 * Reads names or MRQ numbers with colons between them. Returns 0, or -EINVAL with a line logged
 * that names the wrong one.
 */
int bpmp_open_mrqs(const char *list, uint32_t *opened);

/* The set as that option would write it, empty for none. Returns `text`. */
#define BPMP_OPENED_TEXT_SIZE 256
const char *bpmp_opened_text(uint32_t opened, char text[BPMP_OPENED_TEXT_SIZE]);

#endif
