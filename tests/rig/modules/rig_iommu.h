/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rig_iommu: an IOMMU in front of platform and amba devices, for boards that have none there. It
 * translates nothing, as nothing behind it does DMA; it keeps the books of a real one, so that a
 * test can compare what VFIO mapped with the guest's RAM.
 *
 *   iommu_driver.c   the unit, its devices, their groups
 *   iommu_domain.c   domains and their mappings
 *   iommu_debugfs.c  /sys/kernel/debug/rig_iommu
 */
#ifndef RIG_IOMMU_H
#define RIG_IOMMU_H

#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

/* The board has one unit. */
struct rig_iommu {
	struct iommu_device iommu;
	struct mutex lock;	  /* the lists, the groups, domain pointers and numbers below */
	struct list_head domains; /* struct rig_domain */
	struct list_head devices; /* struct rig_master */
	struct xarray groups;	  /* stream id -> struct iommu_group, one reference each */
	unsigned int next_domain;
	u64 maps, unmaps; /* calls, ever */
};

/* A paging domain. The identity and blocked ones keep no books and have no rig_domain. */
struct rig_domain {
	struct iommu_domain domain;
	struct rig_iommu *unit;
	struct list_head list;
	unsigned int number;	    /* in debugfs; never used twice */
	struct mutex lock;	    /* the tree */
	struct maple_tree mappings; /* by iova in bytes; entries by mapping_entry() */
};

/* A device behind the unit. */
struct rig_master {
	struct rig_iommu *unit;
	struct device *dev;
	struct list_head list;
	struct iommu_domain *domain; /* attached now */
};

extern const struct iommu_domain_ops rig_paging_ops;
extern struct iommu_domain rig_identity_domain, rig_blocked_domain;

/* iommu_domain.c */
struct iommu_domain *rig_domain_alloc_paging(struct device *dev);
struct rig_domain *to_rig_domain(struct iommu_domain *domain);
phys_addr_t rig_mapping_phys(const void *entry, unsigned long iova);
int rig_mapping_prot(const void *entry);

/* iommu_debugfs.c */
void rig_iommu_debugfs_create(struct rig_iommu *unit);

#endif
