/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/references.h"

#include <errno.h>
#include <string.h>

int reference_next(struct reference_list *list, struct reference *reference)
{
	uint32_t count;
	size_t i;

	memset(reference, 0, sizeof(*reference));
	if (list->next * sizeof(uint32_t) == list->property->size)
		return 0;
	if (!host_property_cell(list->property, list->next++, &reference->phandle))
		return -EINVAL;
	if (reference->phandle == 0)
		return 1;
	reference->node = host_tree_by_phandle(list->tree, reference->phandle);
	if (reference->node == NULL || !host_node_u32(reference->node, list->cells_name, &count))
		return -ENOENT;
	if (count > REFERENCE_MAX_CELLS)
		return -EINVAL;
	for (i = 0; i < count; i++)
		if (!host_property_cell(list->property, list->next++, &reference->cells[i]))
			return -EINVAL;
	reference->cell_count = count;
	return 1;
}
