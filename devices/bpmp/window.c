/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/window.h"

#include "arch/aarch64/cache.h"

#include <string.h>

static uint32_t at_most(uint64_t value, uint32_t limit)
{
	return value < limit ? (uint32_t)value : limit;
}

static void put(struct bpmp_window *window, uint32_t offset, const void *data, uint32_t size)
{
	unsigned char *at = window->bytes + offset;

	/* Most stores of a guest's driver put zeroes where zeroes are. */
	if (memcmp(at, data, size) == 0)
		return;
	memcpy(at, data, size);
	if (window->shown)
		cache_clean(at, size);
}

static uint64_t size_at(const struct bpmp_window *window, uint32_t offset)
{
	return bpmp_window_load(window, offset, sizeof(uint64_t));
}

uint64_t bpmp_window_load(const struct bpmp_window *window, uint64_t offset, unsigned int width)
{
	uint64_t value = 0;

	if (offset < BPMP_WINDOW_SIZE)
		memcpy(&value, window->bytes + offset, at_most(BPMP_WINDOW_SIZE - offset, width));
	return value;
}

bool bpmp_window_store(
	struct bpmp_window *window, uint64_t offset, unsigned int width, uint64_t value)
{
	if (offset == BPMP_WINDOW_TRIGGER)
		return true;
	if (offset <= BPMP_WINDOW_SIZE - width)
		put(window, (uint32_t)offset, &value, width);
	return false;
}

uint32_t bpmp_window_take(
	const struct bpmp_window *window, uint64_t value, struct bpmp_window_request *request)
{
	memset(request, 0, sizeof(*request));
	request->mrq = (uint32_t)value;
	request->size = at_most(size_at(window, BPMP_WINDOW_TX_SIZE), BPMP_WINDOW_BUFFER);
	memcpy(request->data, window->bytes + BPMP_WINDOW_TX, request->size);
	return at_most(size_at(window, BPMP_WINDOW_RX_SIZE), BPMP_WINDOW_BUFFER);
}

static void finish(struct bpmp_window *window, uint64_t size, int32_t code)
{
	put(window, BPMP_WINDOW_RX_SIZE, &size, sizeof(size));
	put(window, BPMP_WINDOW_RETURN, &code, sizeof(code));
}

void bpmp_window_answer(
	struct bpmp_window *window, const struct bpmp_window_answer *answer, uint32_t room)
{
	uint32_t size = at_most(at_most(answer->size, BPMP_DATA_SIZE), room);

	put(window, BPMP_WINDOW_RX, answer->data, size);
	finish(window, size, answer->code);
}

void bpmp_window_fail(struct bpmp_window *window)
{
	finish(window, 0, BPMP_WINDOW_FAILED);
}

void bpmp_window_clear(struct bpmp_window *window)
{
	memset(window->bytes, 0, BPMP_WINDOW_SIZE);
	if (window->shown)
		cache_clean(window->bytes, BPMP_WINDOW_SIZE);
}
