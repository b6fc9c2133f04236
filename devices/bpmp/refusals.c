/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/refusals.h"

#include "vmm/base/log.h"

bool bpmp_refusals_count(struct bpmp_refusals *refusals, bool by_host, uint32_t mrq,
	uint32_t command, uint32_t id, int error)
{
	struct bpmp_refusal *kind;

	for (size_t i = 0; i < refusals->kind_count; i++) {
		kind = &refusals->kinds[i];
		if (kind->by_host == by_host && kind->mrq == mrq && kind->command == command &&
			kind->id == id && kind->error == error) {
			kind->count++;
			return false;
		}
	}
	if (refusals->kind_count == BPMP_REFUSAL_KINDS) {
		if (refusals->unlisted++ == 0)
			log_warning("the guest asked for more than %d different things that it may "
				    "not have; further ones are counted, not logged",
				BPMP_REFUSAL_KINDS);
		return false;
	}
	kind = &refusals->kinds[refusals->kind_count++];
	*kind = (struct bpmp_refusal){ by_host, mrq, command, id, error, 1 };
	return true;
}

uint64_t bpmp_refusals_total(const struct bpmp_refusals *refusals)
{
	uint64_t total = refusals->unlisted;

	for (size_t i = 0; i < refusals->kind_count; i++)
		total += refusals->kinds[i].count;
	return total;
}
