/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/utf8.h"

#include "vmm/base/util.h"

size_t utf8_length(const char *text)
{
	/* Unicode, table 3-7; of the first row without DEL. */
	static const struct {
		unsigned char first, last;     /* of the first byte */
		unsigned char lowest, highest; /* of the second */
		size_t length;
	} kinds[] = {
		{ 0x20, 0x7e, 0, 0xff, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const unsigned char *at = (const unsigned char *)text;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (at[0] < kinds[i].first || at[0] > kinds[i].last)
			continue;
		if (kinds[i].length > 1 && (at[1] < kinds[i].lowest || at[1] > kinds[i].highest))
			return 0;
		for (size_t j = 2; j < kinds[i].length; j++)
			if ((at[j] & 0xc0) != 0x80)
				return 0;
		return kinds[i].length;
	}
	return 0;
}

void utf8_clean(char *text)
{
	while (*text) {
		size_t length = utf8_length(text);

		if (length == 0)
			*text = '?';
		text += length ? length : 1;
	}
}
