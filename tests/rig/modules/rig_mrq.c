// SPDX-License-Identifier: GPL-2.0
/*
 * For the guest: sends requests of a test's choice through the guest's own BPMP driver.
 *
 * /sys/kernel/debug/rig_mrq: write "MRQ WORD...", numbers as C writes them, the words being the
 * request's 32-bit ones; read "ERROR RET WORD...", the errno of the transfer, the firmware's code
 * and the answer's 30 words. Writers do not wait for one another, so that as many requests are
 * under way as the driver has channels; the answer read is the last that came back.
 *
 * "repeat=N MRQ WORD..." sends it N times and tells the kernel's log how long that took.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <soc/tegra/bpmp.h>

#define WORDS (MSG_DATA_MIN_SZ / 4)

static struct {
	struct mutex lock;
	struct device *bpmp;
	struct dentry *file;
	int error, ret;
	u32 answer[WORDS];
} rig = { .lock = __MUTEX_INITIALIZER(rig.lock) };

static int rig_mrq_show(struct seq_file *file, void *unused)
{
	unsigned int i;

	mutex_lock(&rig.lock);
	seq_printf(file, "%d %d", rig.error, rig.ret);
	for (i = 0; i < WORDS; i++)
		seq_printf(file, " 0x%x", rig.answer[i]);
	seq_putc(file, '\n');
	mutex_unlock(&rig.lock);
	return 0;
}

static ssize_t rig_mrq_write(struct file *file, const char __user *user, size_t size, loff_t *at)
{
	struct tegra_bpmp *bpmp = dev_get_drvdata(rig.bpmp);
	u32 request[1 + WORDS] = { 0 };
	u32 answer[WORDS] = { 0 };
	struct tegra_bpmp_message message = { .rx.data = answer, .rx.size = sizeof(answer) };
	unsigned int count = 0, repeat = 1, i;
	ktime_t began;
	int error = 0;
	char text[512], *next = text, *word;

	if (size >= sizeof(text) || copy_from_user(text, user, size))
		return -EINVAL;
	text[size] = 0;
	while ((word = strsep(&next, " \n"))) {
		if (!*word || sscanf(word, "repeat=%u", &repeat) == 1)
			continue;
		if (count == ARRAY_SIZE(request) || kstrtou32(word, 0, &request[count]))
			return -EINVAL;
		count++;
	}
	if (!count || !bpmp)
		return -EINVAL;
	message.mrq = request[0];
	message.tx.data = request + 1;
	message.tx.size = (count - 1) * 4;

	began = ktime_get();
	for (i = 0; i < repeat && !error; i++) {
		message.rx.ret = 0;
		error = tegra_bpmp_transfer(bpmp, &message);
	}
	if (repeat > 1)
		pr_info("rig_mrq: %u requests in %lld ns\n", i, ktime_to_ns(ktime_get() - began));
	mutex_lock(&rig.lock);
	memcpy(rig.answer, answer, sizeof(rig.answer));
	rig.error = error;
	rig.ret = message.rx.ret;
	mutex_unlock(&rig.lock);
	return size;
}

static int rig_mrq_open(struct inode *inode, struct file *file)
{
	return single_open(file, rig_mrq_show, NULL);
}

static const struct file_operations rig_mrq_fops = {
	.owner = THIS_MODULE,
	.open = rig_mrq_open,
	.read = seq_read,
	.write = rig_mrq_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int is_bpmp(struct device *device, const void *unused)
{
	return device->driver && !strcmp(device->driver->name, "tegra-bpmp");
}

static int __init rig_mrq_init(void)
{
	rig.bpmp = bus_find_device(&platform_bus_type, NULL, NULL, is_bpmp);
	if (!rig.bpmp)
		return -ENODEV;
	rig.file = debugfs_create_file("rig_mrq", 0600, NULL, NULL, &rig_mrq_fops);
	return 0;
}

static void __exit rig_mrq_exit(void)
{
	debugfs_remove(rig.file);
	put_device(rig.bpmp);
}

module_init(rig_mrq_init);
module_exit(rig_mrq_exit);
MODULE_DESCRIPTION("Requests of a test's choice to the guest's BPMP");
MODULE_LICENSE("GPL");
