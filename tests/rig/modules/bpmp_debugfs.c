// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/bpmp:
 *
 *   log           one line per request:
 *                 NUMBER NODE mrq=M cmd=C id=I arg=A result=R out=O NAME
 *                 or, where write() failed, with errno=E in place of result= and out=; I is -1
 *                 for a request about no id
 *   log_clear     write 1: the log is emptied, its numbers go on
 *   state         clock ID NAME count=N host=N rate=HZ parent=ID
 *                 reset ID NAME asserted=0|1
 *                 power-domain ID NAME state=N
 *   state_reset   write 1: the firmware is as it was at load
 *   host_enable   a clock id: the host's own ENABLE (node "host" in the log)
 *   host_disable  the host's own DISABLE
 *   fault         off, or next|every [errno=N] [done] [ret=N] [hang=MS] [mrq=N]
 *   present       N: no driver of the host has the BPMP yet, write() fails with ENODEV
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>

#include "rig_bpmp.h"

static const char *const clock_commands[] = {
	[CMD_CLK_GET_RATE] = "clk.get_rate",
	[CMD_CLK_SET_RATE] = "clk.set_rate",
	[CMD_CLK_ROUND_RATE] = "clk.round_rate",
	[CMD_CLK_GET_PARENT] = "clk.get_parent",
	[CMD_CLK_SET_PARENT] = "clk.set_parent",
	[CMD_CLK_IS_ENABLED] = "clk.is_enabled",
	[CMD_CLK_ENABLE] = "clk.enable",
	[CMD_CLK_DISABLE] = "clk.disable",
	[CMD_CLK_GET_ALL_INFO] = "clk.get_all_info",
	[CMD_CLK_GET_MAX_CLK_ID] = "clk.get_max_clk_id",
	[CMD_CLK_GET_FMAX_AT_VMIN] = "clk.get_fmax_at_vmin",
};

static const char *const reset_commands[] = {
	[CMD_RESET_ASSERT] = "reset.assert",
	[CMD_RESET_DEASSERT] = "reset.deassert",
	[CMD_RESET_MODULE] = "reset.module",
	[CMD_RESET_GET_MAX_ID] = "reset.get_max_id",
};

static const char *const domain_commands[] = {
	[CMD_PG_QUERY_ABI] = "pg.query_abi",
	[CMD_PG_SET_STATE] = "pg.set_state",
	[CMD_PG_GET_STATE] = "pg.get_state",
	[CMD_PG_GET_NAME] = "pg.get_name",
	[CMD_PG_GET_MAX_ID] = "pg.get_max_id",
};

#define NAME_IN(names, index) ((index) < ARRAY_SIZE(names) ? names[index] : NULL)

static const char *request_name(const struct rig_log_entry *entry)
{
	const char *name = NULL;

	switch (entry->mrq) {
	case MRQ_PING:
		return "ping";
	case MRQ_THREADED_PING:
		return "threaded_ping";
	case MRQ_QUERY_ABI:
		return "query_abi";
	case MRQ_QUERY_FW_TAG:
		return "query_fw_tag";
	case MRQ_CLK:
		name = NAME_IN(clock_commands, entry->cmd);
		break;
	case MRQ_RESET:
		name = NAME_IN(reset_commands, entry->cmd);
		break;
	case MRQ_PG:
		name = NAME_IN(domain_commands, entry->cmd);
		break;
	}
	return name ?: "?";
}

void rig_log(struct rig_bpmp *bpmp, const char *node, const struct rig_mrq *mrq, int error)
{
	struct rig_log_entry *entry;

	mutex_lock(&bpmp->lock);
	entry = &bpmp->log[bpmp->log_next++ % RIG_LOG_ENTRIES];
	if (bpmp->log_next - bpmp->log_first > RIG_LOG_ENTRIES)
		bpmp->log_first = bpmp->log_next - RIG_LOG_ENTRIES;
	strscpy(entry->node, node, sizeof(entry->node));
	entry->mrq = mrq->mrq;
	entry->cmd = mrq->cmd;
	entry->id = mrq->id;
	entry->arg = mrq->arg;
	entry->out = mrq->out;
	entry->result = mrq->result;
	entry->error = error;
	mutex_unlock(&bpmp->lock);
}

static int log_show(struct seq_file *file, void *unused)
{
	struct rig_bpmp *bpmp = file->private;
	u64 number;

	mutex_lock(&bpmp->lock);
	for (number = bpmp->log_first; number < bpmp->log_next; number++) {
		const struct rig_log_entry *entry = &bpmp->log[number % RIG_LOG_ENTRIES];

		seq_printf(file, "%llu %s mrq=%u cmd=%u ", number, entry->node, entry->mrq,
			entry->cmd);
		seq_printf(file, "id=%lld arg=%lld ", entry->id == RIG_ANY ? -1LL : entry->id,
			entry->arg);
		if (entry->error)
			seq_printf(file, "errno=%d ", entry->error);
		else
			seq_printf(file, "result=%d out=%lld ", entry->result, entry->out);
		seq_printf(file, "%s\n", request_name(entry));
	}
	mutex_unlock(&bpmp->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(log);

static int state_show(struct seq_file *file, void *unused)
{
	struct rig_bpmp *bpmp = file->private;
	unsigned int i;

	mutex_lock(&bpmp->lock);
	for (i = 0; i < RIG_MAX_CLOCKS && bpmp->clocks[i].info; i++) {
		const struct rig_clock *clock = &bpmp->clocks[i];

		seq_printf(file, "clock %u %s count=%u host=%u rate=%llu parent=%u\n",
			rig_clock_id(clock), rig_clock_name(clock), clock->count, clock->host,
			rig_clock_rate(bpmp, clock), clock->parent);
	}
	for (i = 0; i < RIG_MAX_RESETS && bpmp->resets[i].name; i++)
		seq_printf(file, "reset %u %s asserted=%d\n", bpmp->resets[i].id,
			bpmp->resets[i].name, bpmp->resets[i].asserted);
	for (i = 0; i < RIG_MAX_DOMAINS && bpmp->domains[i].name; i++)
		seq_printf(file, "power-domain %u %s state=%u\n", bpmp->domains[i].id,
			bpmp->domains[i].name, bpmp->domains[i].state);
	mutex_unlock(&bpmp->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

/* The host's own driver takes or leaves a clock: the same request, from the same master. */
static int host_clock(struct rig_bpmp *bpmp, u32 id, u32 cmd)
{
	struct rig_mrq mrq = { .mrq = MRQ_CLK };
	struct rig_clock *clock;
	int error = -ENOENT;

	put_unaligned_le32(cmd << 24 | (id & 0xffffff), mrq.tx);
	mutex_lock(&bpmp->lock);
	clock = rig_clock_find(bpmp, id);
	if (clock && cmd == CMD_CLK_ENABLE) {
		clock->host++;
		error = 0;
	} else if (clock && clock->host) {
		clock->host--;
		error = 0;
	}
	mutex_unlock(&bpmp->lock);
	if (error)
		return error;
	rig_firmware_request(bpmp, &mrq);
	rig_log(bpmp, "host", &mrq, 0);
	return 0;
}

static int host_enable_set(void *data, u64 id)
{
	return host_clock(data, id, CMD_CLK_ENABLE);
}
DEFINE_DEBUGFS_ATTRIBUTE(host_enable_fops, NULL, host_enable_set, "%llu\n");

static int host_disable_set(void *data, u64 id)
{
	return host_clock(data, id, CMD_CLK_DISABLE);
}
DEFINE_DEBUGFS_ATTRIBUTE(host_disable_fops, NULL, host_disable_set, "%llu\n");

static int log_clear_set(void *data, u64 unused)
{
	struct rig_bpmp *bpmp = data;

	mutex_lock(&bpmp->lock);
	bpmp->log_first = bpmp->log_next;
	mutex_unlock(&bpmp->lock);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(log_clear_fops, NULL, log_clear_set, "%llu\n");

static int state_reset_set(void *data, u64 unused)
{
	rig_firmware_reset(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(state_reset_fops, NULL, state_reset_set, "%llu\n");

static int fault_show(struct seq_file *file, void *unused)
{
	static const char *const when[] = { "off", "next", "every" };
	struct rig_bpmp *bpmp = file->private;
	struct rig_fault fault;

	mutex_lock(&bpmp->lock);
	fault = bpmp->fault;
	mutex_unlock(&bpmp->lock);
	seq_puts(file, when[fault.when]);
	if (fault.when != RIG_FAULT_OFF) {
		seq_printf(file, " errno=%d%s ret=%d hang=%u", fault.error,
			fault.done ? " done" : "", fault.result, fault.hang_ms);
		if (fault.mrq != RIG_ANY)
			seq_printf(file, " mrq=%u", fault.mrq);
	}
	seq_putc(file, '\n');
	return 0;
}

static int fault_open(struct inode *inode, struct file *file)
{
	return single_open(file, fault_show, inode->i_private);
}

static ssize_t fault_write(struct file *file, const char __user *buf, size_t len, loff_t *off)
{
	struct rig_bpmp *bpmp = ((struct seq_file *)file->private_data)->private;
	struct rig_fault fault;
	char text[80];
	int error;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	text[len] = '\0';
	error = rig_fault_parse(&fault, text);
	if (error)
		return error;
	rig_fault_set(bpmp, &fault);
	return len;
}

static const struct file_operations fault_fops = {
	.owner = THIS_MODULE,
	.open = fault_open,
	.read = seq_read,
	.write = fault_write,
	.llseek = seq_lseek,
	.release = single_release,
};

void rig_debugfs_create(struct rig_bpmp *bpmp)
{
	struct dentry *dir = debugfs_create_dir("bpmp", NULL);

	bpmp->debugfs = dir;
	debugfs_create_file("log", 0444, dir, bpmp, &log_fops);
	debugfs_create_file("log_clear", 0200, dir, bpmp, &log_clear_fops);
	debugfs_create_file("state", 0444, dir, bpmp, &state_fops);
	debugfs_create_file("state_reset", 0200, dir, bpmp, &state_reset_fops);
	debugfs_create_file("host_enable", 0200, dir, bpmp, &host_enable_fops);
	debugfs_create_file("host_disable", 0200, dir, bpmp, &host_disable_fops);
	debugfs_create_file("fault", 0644, dir, bpmp, &fault_fops);
	debugfs_create_bool("present", 0644, dir, &bpmp->present);
}
