// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/rig_iommu; numbers are hexadecimal where they start with 0x:
 *
 *   mappings  DOMAIN IOVA PHYS SIZE PROT   physically contiguous pieces, by iova
 *   ranges    DOMAIN IOVA SIZE PROT        the same, joined where the iovas are
 *   devices   NAME stream=N group=N domain=identity|blocked|DOMAIN
 *   count     domains=N mappings=N bytes=N maps=N unmaps=N   (the last two: calls since load)
 *
 * PROT is of r, w, x, c (cached) and m (MMIO), - for a missing one of the first two.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "rig_iommu.h"

struct piece {
	unsigned long iova;
	phys_addr_t phys;
	unsigned long size;
	int prot;
};

typedef void (*piece_fn)(const struct rig_domain *domain, const struct piece *piece, void *arg);

/*
 * Calls `fn` for each piece of the domain in order of iova. With `by_phys` a piece is contiguous
 * in physical memory too, else in iovas only.
 */
static void for_each_piece(struct rig_domain *domain, bool by_phys, piece_fn fn, void *arg)
{
	struct piece piece = { .size = 0 };
	unsigned long index = 0;
	void *entry;

	MA_STATE(mas, &domain->mappings, index, index);

	mutex_lock(&domain->lock);
	mas_lock(&mas);
	mas_for_each (&mas, entry, ULONG_MAX) {
		phys_addr_t phys = rig_mapping_phys(entry, mas.index);
		int prot = rig_mapping_prot(entry);

		if (piece.size && mas.index == piece.iova + piece.size && prot == piece.prot &&
			(!by_phys || phys == piece.phys + piece.size)) {
			piece.size += mas.last - mas.index + 1;
			continue;
		}
		if (piece.size)
			fn(domain, &piece, arg);
		piece = (struct piece){ mas.index, phys, mas.last - mas.index + 1, prot };
	}
	if (piece.size)
		fn(domain, &piece, arg);
	mas_unlock(&mas);
	mutex_unlock(&domain->lock);
}

static void show_prot(struct seq_file *file, int prot)
{
	seq_printf(file, " %c%c%s%s%s\n", prot & IOMMU_READ ? 'r' : '-',
		prot & IOMMU_WRITE ? 'w' : '-', prot & IOMMU_NOEXEC ? "" : "x",
		prot & IOMMU_CACHE ? "c" : "", prot & IOMMU_MMIO ? "m" : "");
}

static void show_mapping(const struct rig_domain *domain, const struct piece *piece, void *arg)
{
	seq_printf(arg, "%u 0x%lx 0x%llx 0x%lx", domain->number, piece->iova, piece->phys,
		piece->size);
	show_prot(arg, piece->prot);
}

static void show_range(const struct rig_domain *domain, const struct piece *piece, void *arg)
{
	seq_printf(arg, "%u 0x%lx 0x%lx", domain->number, piece->iova, piece->size);
	show_prot(arg, piece->prot);
}

static int mappings_show(struct seq_file *file, void *unused)
{
	struct rig_iommu *unit = file->private;
	struct rig_domain *domain;

	mutex_lock(&unit->lock);
	list_for_each_entry (domain, &unit->domains, list)
		for_each_piece(domain, true, show_mapping, file);
	mutex_unlock(&unit->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mappings);

static int ranges_show(struct seq_file *file, void *unused)
{
	struct rig_iommu *unit = file->private;
	struct rig_domain *domain;

	mutex_lock(&unit->lock);
	list_for_each_entry (domain, &unit->domains, list)
		for_each_piece(domain, false, show_range, file);
	mutex_unlock(&unit->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ranges);

static int devices_show(struct seq_file *file, void *unused)
{
	struct rig_iommu *unit = file->private;
	struct rig_master *master;

	mutex_lock(&unit->lock);
	list_for_each_entry (master, &unit->devices, list) {
		struct iommu_group *group = iommu_group_get(master->dev);

		seq_printf(file, "%s stream=%u group=%d domain=", dev_name(master->dev),
			dev_iommu_fwspec_get(master->dev)->ids[0],
			group ? iommu_group_id(group) : -1);
		iommu_group_put(group);
		if (!master->domain || master->domain == &rig_identity_domain)
			seq_puts(file, "identity\n");
		else if (master->domain == &rig_blocked_domain)
			seq_puts(file, "blocked\n");
		else
			seq_printf(file, "%u\n", to_rig_domain(master->domain)->number);
	}
	mutex_unlock(&unit->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(devices);

struct total {
	unsigned long pieces;
	u64 bytes;
};

static void add_piece(const struct rig_domain *domain, const struct piece *piece, void *arg)
{
	struct total *total = arg;

	total->pieces++;
	total->bytes += piece->size;
}

static int count_show(struct seq_file *file, void *unused)
{
	struct rig_iommu *unit = file->private;
	struct total total = { 0 };
	struct rig_domain *domain;
	unsigned int domains = 0;

	mutex_lock(&unit->lock);
	list_for_each_entry (domain, &unit->domains, list) {
		domains++;
		for_each_piece(domain, true, add_piece, &total);
	}
	seq_printf(file, "domains=%u mappings=%lu bytes=%llu maps=%llu unmaps=%llu\n", domains,
		total.pieces, total.bytes, unit->maps, unit->unmaps);
	mutex_unlock(&unit->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(count);

void rig_iommu_debugfs_create(struct rig_iommu *unit)
{
	struct dentry *dir = debugfs_create_dir("rig_iommu", NULL);

	debugfs_create_file("mappings", 0444, dir, unit, &mappings_fops);
	debugfs_create_file("ranges", 0444, dir, unit, &ranges_fops);
	debugfs_create_file("devices", 0444, dir, unit, &devices_fops);
	debugfs_create_file("count", 0444, dir, unit, &count_fops);
}
