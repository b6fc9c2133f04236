// SPDX-License-Identifier: GPL-2.0
/*
 * The character device: /dev/bpmp-host, or the node's device-name for one of several VMs. A
 * request is one write() of a 48-byte header that points into the caller's memory; the answer is
 * copied back through the same header. The order of the checks and their errors is the ABI.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "rig_bpmp.h"

#define WIRE_MAX_DATA 512	 /* the proxy's limit; the BPMP's own is MSG_DATA_MIN_SZ */
#define CHANNELS      3		 /* tegra186_soc.channels.thread.count */
#define CHANNEL_WAIT  (600 * HZ) /* tegra186_soc.channels.thread.timeout */

struct wire_message {
	u32 mrq;
	u32 reserved0;
	struct {
		u64 data; /* the caller's address */
		u64 size;
	} tx;
	struct {
		u64 data;
		u64 size;
		s32 ret;
		u32 reserved;
	} rx;
};
static_assert(sizeof(struct wire_message) == 48);

struct proxy {
	struct miscdevice misc;
	struct rig_bpmp *bpmp;
	struct rig_allowed allowed;
};

static struct rig_bpmp bpmp;

/* What tegra_bpmp_transfer() would do and return. */
static int transfer(struct proxy *proxy, struct rig_mrq *mrq, size_t tx_size, size_t rx_size)
{
	bool execute;
	int error;

	if (tx_size > MSG_DATA_MIN_SZ || rx_size > MSG_DATA_MIN_SZ)
		return -EINVAL;
	if (down_timeout(&proxy->bpmp->channels, CHANNEL_WAIT))
		return -ETIME;
	error = rig_fault_apply(proxy->bpmp, mrq, &execute);
	if (execute)
		rig_firmware_request(proxy->bpmp, mrq);
	up(&proxy->bpmp->channels);
	return error;
}

/* From the header's checks to the answer in `rx`; 0 or -errno. */
static int serve(
	struct proxy *proxy, const struct wire_message *wire, struct rig_mrq *mrq, u8 *tx, u8 *rx)
{
	int error;

	if (wire->tx.size && copy_from_user(tx, u64_to_user_ptr(wire->tx.data), wire->tx.size))
		return -EFAULT;
	/* The deployed proxy copies the answer's buffer in as well: it must be readable, too. */
	if (copy_from_user(rx, u64_to_user_ptr(wire->rx.data), wire->rx.size))
		return -EFAULT;
	memcpy(mrq->tx, tx, min_t(size_t, wire->tx.size, sizeof(mrq->tx)));
	if (!proxy->bpmp->present)
		error = -ENODEV;
	else if (!rig_allowed_request(&proxy->allowed, mrq, wire->tx.size))
		error = -EPERM;
	else
		error = transfer(proxy, mrq, wire->tx.size, wire->rx.size);
	if (error)
		rig_firmware_decode(mrq);
	rig_log(proxy->bpmp, proxy->misc.name, mrq, -error);
	return error;
}

static ssize_t proxy_write(struct file *file, const char __user *buf, size_t len, loff_t *off)
{
	struct proxy *proxy = container_of(file->private_data, struct proxy, misc);
	struct rig_mrq *mrq;
	struct wire_message wire;
	u8 *tx, *rx;
	ssize_t ret;

	if (len != sizeof(wire))
		return -EINVAL;
	if (copy_from_user(&wire, buf, sizeof(wire)))
		return -EFAULT;
	if (wire.tx.size > WIRE_MAX_DATA || wire.rx.size > WIRE_MAX_DATA)
		return -EINVAL;
	tx = kzalloc(WIRE_MAX_DATA, GFP_KERNEL);
	rx = kzalloc(WIRE_MAX_DATA, GFP_KERNEL);
	mrq = kzalloc(sizeof(*mrq), GFP_KERNEL);
	ret = -ENOMEM;
	if (!tx || !rx || !mrq)
		goto out;
	mrq->mrq = wire.mrq;
	ret = serve(proxy, &wire, mrq, tx, rx);
	if (ret)
		goto out;
	wire.rx.ret = mrq->result;
	memcpy(rx, mrq->rx, wire.rx.size);
	ret = -EFAULT;
	if (copy_to_user(u64_to_user_ptr(wire.tx.data), tx, wire.tx.size) ||
		copy_to_user(u64_to_user_ptr(wire.rx.data), rx, wire.rx.size) ||
		copy_to_user((void __user *)buf, &wire, sizeof(wire)))
		goto out;
	ret = sizeof(wire);
out:
	kfree(mrq);
	kfree(rx);
	kfree(tx);
	return ret;
}

static ssize_t proxy_read(struct file *file, char __user *buf, size_t len, loff_t *off)
{
	return 0;
}

/* misc_open() has left the miscdevice in private_data: no state per descriptor. */
static int proxy_open(struct inode *inode, struct file *file)
{
	return 0;
}

static const struct file_operations proxy_fops = {
	.owner = THIS_MODULE,
	.open = proxy_open,
	.read = proxy_read,
	.write = proxy_write,
};

static int proxy_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	const char *name = "bpmp-host";
	struct proxy *proxy;
	int ret;

	proxy = devm_kzalloc(dev, sizeof(*proxy), GFP_KERNEL);
	if (!proxy)
		return -ENOMEM;
	proxy->bpmp = &bpmp;
	ret = rig_allowed_read(&proxy->allowed, dev->of_node);
	if (ret)
		return dev_err_probe(dev, ret, "allowed-clocks or allowed-resets\n");
	of_property_read_string(dev->of_node, "device-name", &name);
	proxy->misc.minor = MISC_DYNAMIC_MINOR;
	proxy->misc.name = name;
	proxy->misc.fops = &proxy_fops;
	proxy->misc.parent = dev;
	proxy->misc.mode = 0600;
	platform_set_drvdata(pdev, proxy);
	return misc_register(&proxy->misc);
}

static void proxy_remove(struct platform_device *pdev)
{
	struct proxy *proxy = platform_get_drvdata(pdev);

	misc_deregister(&proxy->misc);
}

static const struct of_device_id proxy_match[] = {
	{ .compatible = "nvidia,bpmp-host-proxy" },
	{},
};
MODULE_DEVICE_TABLE(of, proxy_match);

static struct platform_driver proxy_driver = {
	.probe = proxy_probe,
	.remove = proxy_remove,
	.driver = {
		.name = "bpmp_host_proxy",
		.of_match_table = proxy_match,
		/* Unbinding would free a proxy that a descriptor may still use. */
		.suppress_bind_attrs = true,
	},
};

/*
 * The host's BPMP node gets a driver, as it has on an Orin: else fw_devlink keeps the devices that
 * name it in their clocks from being bound to anything. It is no provider, so no host driver can
 * take a clock of a VM.
 */
static int node_probe(struct platform_device *pdev)
{
	return 0;
}

static const struct of_device_id node_match[] = {
	{ .compatible = "bpmp-vmm,rig-bpmp" },
	{},
};
MODULE_DEVICE_TABLE(of, node_match);

static struct platform_driver node_driver = {
	.probe = node_probe,
	.driver = { .name = "rig_bpmp", .of_match_table = node_match },
};

static struct platform_driver *const drivers[] = { &node_driver, &proxy_driver };

static int __init rig_bpmp_init(void)
{
	int ret;

	mutex_init(&bpmp.lock);
	sema_init(&bpmp.channels, CHANNELS);
	init_waitqueue_head(&bpmp.fault_changed);
	bpmp.present = true;
	bpmp.log = kvcalloc(RIG_LOG_ENTRIES, sizeof(*bpmp.log), GFP_KERNEL);
	if (!bpmp.log)
		return -ENOMEM;
	rig_firmware_reset(&bpmp);
	ret = platform_register_drivers(drivers, ARRAY_SIZE(drivers));
	if (ret) {
		kvfree(bpmp.log);
		return ret;
	}
	rig_debugfs_create(&bpmp);
	return 0;
}

static void __exit rig_bpmp_exit(void)
{
	debugfs_remove_recursive(bpmp.debugfs);
	platform_unregister_drivers(drivers, ARRAY_SIZE(drivers));
	kvfree(bpmp.log);
}

module_init(rig_bpmp_init);
module_exit(rig_bpmp_exit);
MODULE_DESCRIPTION("bpmp-vmm rig: host BPMP proxy over a model of the firmware");
MODULE_LICENSE("GPL");
