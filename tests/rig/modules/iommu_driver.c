// SPDX-License-Identifier: GPL-2.0
/*
 * The unit, a node compatible with "bpmp-vmm,rig-iommu", and its devices: those whose node says
 * iommus = <&unit STREAM>. One group per stream id, as devices that share one share their fate.
 *
 * The default domain is identity, so that a driver of the host that binds to such a device is not
 * aware of any of this. Interrupts are not isolated: VFIO wants allow_unsafe_interrupts=1.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "rig_iommu.h"

static bool coherent = true;
module_param(coherent, bool, 0644);
MODULE_PARM_DESC(coherent, "claim cache coherency (default); without it VFIO refuses the devices");

static bool iommu_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY && coherent;
}

static struct iommu_device *probe_device(struct device *dev)
{
	struct iommu_fwspec *fwspec = dev_iommu_fwspec_get(dev);
	struct rig_master *master = dev_iommu_priv_get(dev);

	if (!master || !fwspec || fwspec->num_ids != 1)
		return ERR_PTR(-ENODEV);
	mutex_lock(&master->unit->lock);
	list_add_tail(&master->list, &master->unit->devices);
	mutex_unlock(&master->unit->lock);
	return &master->unit->iommu;
}

static void release_device(struct device *dev)
{
	struct rig_master *master = dev_iommu_priv_get(dev);

	mutex_lock(&master->unit->lock);
	list_del(&master->list);
	mutex_unlock(&master->unit->lock);
	dev_iommu_priv_set(dev, NULL);
	kfree(master);
}

static struct iommu_group *device_group(struct device *dev)
{
	struct rig_master *master = dev_iommu_priv_get(dev);
	u32 stream = dev_iommu_fwspec_get(dev)->ids[0];
	struct iommu_group *group;
	int ret;

	mutex_lock(&master->unit->lock);
	group = xa_load(&master->unit->groups, stream);
	if (!group) {
		group = iommu_group_alloc();
		if (!IS_ERR(group)) {
			ret = xa_err(xa_store(&master->unit->groups, stream, group, GFP_KERNEL));
			if (ret) {
				iommu_group_put(group);
				group = ERR_PTR(ret);
			}
		}
	}
	/* The table keeps the reference it got; this one is the device's. */
	if (!IS_ERR(group))
		iommu_group_ref_get(group);
	mutex_unlock(&master->unit->lock);
	return group;
}

static int of_xlate(struct device *dev, const struct of_phandle_args *args)
{
	struct platform_device *pdev = of_find_device_by_node(args->np);
	struct rig_iommu *unit = pdev ? platform_get_drvdata(pdev) : NULL;
	struct rig_master *master = dev_iommu_priv_get(dev);

	if (pdev)
		put_device(&pdev->dev);
	if (!unit)
		return -ENODEV;
	if (!master) {
		master = kzalloc(sizeof(*master), GFP_KERNEL);
		if (!master)
			return -ENOMEM;
		master->unit = unit;
		master->dev = dev;
		dev_iommu_priv_set(dev, master);
	}
	return iommu_fwspec_add_ids(dev, args->args, 1);
}

static int def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static const struct iommu_ops rig_iommu_ops = {
	.owner = THIS_MODULE,
	.capable = iommu_capable,
	.probe_device = probe_device,
	.release_device = release_device,
	.device_group = device_group,
	.of_xlate = of_xlate,
	.def_domain_type = def_domain_type,
	.domain_alloc_paging = rig_domain_alloc_paging,
	.identity_domain = &rig_identity_domain,
	.blocked_domain = &rig_blocked_domain,
	.default_domain_ops = &rig_paging_ops,
	/* Larger pages only make for fewer calls: VFIO counts on none of them. */
	.pgsize_bitmap = PAGE_SIZE | SZ_2M,
};

static int rig_iommu_probe(struct platform_device *pdev)
{
	struct rig_iommu *unit = devm_kzalloc(&pdev->dev, sizeof(*unit), GFP_KERNEL);
	int ret;

	if (!unit)
		return -ENOMEM;
	mutex_init(&unit->lock);
	INIT_LIST_HEAD(&unit->domains);
	INIT_LIST_HEAD(&unit->devices);
	xa_init(&unit->groups);
	platform_set_drvdata(pdev, unit);
	ret = iommu_device_sysfs_add(&unit->iommu, &pdev->dev, NULL, "%s", dev_name(&pdev->dev));
	if (ret)
		return ret;
	ret = iommu_device_register(&unit->iommu, &rig_iommu_ops, &pdev->dev);
	if (ret) {
		iommu_device_sysfs_remove(&unit->iommu);
		return ret;
	}
	rig_iommu_debugfs_create(unit);
	return 0;
}

static const struct of_device_id rig_iommu_match[] = {
	{ .compatible = "bpmp-vmm,rig-iommu" },
	{},
};
MODULE_DEVICE_TABLE(of, rig_iommu_match);

/* No remove: devices cannot leave an IOMMU, and each holds the module. */
static struct platform_driver rig_iommu_driver = {
	.probe = rig_iommu_probe,
	.driver = {
		.name = "rig_iommu",
		.of_match_table = rig_iommu_match,
		.suppress_bind_attrs = true,
	},
};

static int __init rig_iommu_init(void)
{
	return platform_driver_register(&rig_iommu_driver);
}
module_init(rig_iommu_init);
MODULE_DESCRIPTION("bpmp-vmm rig: an IOMMU that keeps the books");
MODULE_LICENSE("GPL");
