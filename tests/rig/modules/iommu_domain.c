// SPDX-License-Identifier: GPL-2.0
/* Domains and their mappings. */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "rig_iommu.h"

/*
 * A mapping is a range of the tree whose value says how far the physical address is from the iova,
 * in pages, and the protection. Cutting a range in two, as a partial unmap does, changes neither,
 * so that the tree can do it by itself.
 */
#define PROT_BITS 8
#define PROT_MASK (BIT(PROT_BITS) - 1)

static void *mapping_entry(unsigned long iova, phys_addr_t phys, int prot)
{
	unsigned long pages = (phys - iova) >> PAGE_SHIFT;

	pages &= GENMASK(BITS_PER_LONG - PAGE_SHIFT - 1, 0);
	return xa_mk_value(pages << PROT_BITS | (prot & PROT_MASK));
}

phys_addr_t rig_mapping_phys(const void *entry, unsigned long iova)
{
	return (xa_to_value(entry) >> PROT_BITS << PAGE_SHIFT) + iova;
}

int rig_mapping_prot(const void *entry)
{
	return xa_to_value(entry) & PROT_MASK;
}

struct rig_domain *to_rig_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct rig_domain, domain);
}

/* What every kind of domain does when a device is attached to it. */
static int attach_dev(struct iommu_domain *domain, struct device *dev)
{
	struct rig_master *master = dev_iommu_priv_get(dev);

	mutex_lock(&master->unit->lock);
	master->domain = domain;
	mutex_unlock(&master->unit->lock);
	return 0;
}

static int map_pages(struct iommu_domain *iommu_domain, unsigned long iova, phys_addr_t phys,
	size_t page_size, size_t count, int prot, gfp_t gfp, size_t *mapped)
{
	struct rig_domain *domain = to_rig_domain(iommu_domain);
	size_t size = page_size * count;
	int ret;

	mutex_lock(&domain->lock);
	domain->unit->maps++;
	/* -EEXIST if any of it is mapped: a real driver would warn, it is a caller's error. */
	ret = mtree_insert_range(
		&domain->mappings, iova, iova + size - 1, mapping_entry(iova, phys, prot), gfp);
	mutex_unlock(&domain->lock);
	if (!ret)
		*mapped = size;
	return ret;
}

/* Returns the number of bytes unmapped: fewer than asked for where a hole begins. */
static size_t unmap_pages(struct iommu_domain *iommu_domain, unsigned long iova, size_t page_size,
	size_t count, struct iommu_iotlb_gather *gather)
{
	struct rig_domain *domain = to_rig_domain(iommu_domain);
	unsigned long last = iova + page_size * count - 1;
	unsigned long end = iova; /* of what is mapped without a hole */
	MA_STATE(mas, &domain->mappings, iova, iova);

	mutex_lock(&domain->lock);
	domain->unit->unmaps++;
	mas_lock(&mas);
	while (end <= last && mas_find(&mas, last) && mas.index <= end)
		end = mas.last + 1;
	mas_unlock(&mas);
	end = min(end, last + 1);
	/* Cutting a range needs memory, and this call cannot fail. */
	if (end > iova)
		mtree_store_range(
			&domain->mappings, iova, end - 1, NULL, GFP_KERNEL | __GFP_NOFAIL);
	mutex_unlock(&domain->lock);
	return end - iova;
}

static phys_addr_t iova_to_phys(struct iommu_domain *iommu_domain, dma_addr_t iova)
{
	struct rig_domain *domain = to_rig_domain(iommu_domain);
	const void *entry = mtree_load(&domain->mappings, iova);

	return entry ? rig_mapping_phys(entry, iova) : 0;
}

static void domain_free(struct iommu_domain *iommu_domain)
{
	struct rig_domain *domain = to_rig_domain(iommu_domain);

	mutex_lock(&domain->unit->lock);
	list_del(&domain->list);
	mutex_unlock(&domain->unit->lock);
	mtree_destroy(&domain->mappings);
	kfree(domain);
}

const struct iommu_domain_ops rig_paging_ops = {
	.attach_dev = attach_dev,
	.map_pages = map_pages,
	.unmap_pages = unmap_pages,
	.iova_to_phys = iova_to_phys,
	.free = domain_free,
};

struct iommu_domain *rig_domain_alloc_paging(struct device *dev)
{
	struct rig_master *master = dev_iommu_priv_get(dev);
	struct rig_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->unit = master->unit;
	domain->domain.geometry = (struct iommu_domain_geometry){
		.aperture_end = DMA_BIT_MASK(48), /* as the Orin's SMMU has it */
		.force_aperture = true,
	};
	mutex_init(&domain->lock);
	mt_init(&domain->mappings);
	mutex_lock(&domain->unit->lock);
	domain->number = domain->unit->next_domain++;
	list_add_tail(&domain->list, &domain->unit->domains);
	mutex_unlock(&domain->unit->lock);
	return &domain->domain;
}

static const struct iommu_domain_ops passive_ops = { .attach_dev = attach_dev };

struct iommu_domain rig_identity_domain = { .type = IOMMU_DOMAIN_IDENTITY, .ops = &passive_ops };
struct iommu_domain rig_blocked_domain = { .type = IOMMU_DOMAIN_BLOCKED, .ops = &passive_ops };
