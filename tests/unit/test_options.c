/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#include "tests/unit/options_bench.h"
#include "vmm/base/log.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

TestSuite(options, .init = fake_log_capture, .timeout = 20);

Test(options, defaults)
{
	cr_assert_eq(parse("--kernel Image"), OPTIONS_RUN);
	cr_assert_str_eq(options.kernel, "Image");
	cr_assert_null(options.initrd);
	cr_assert_null(options.cmdline);
	cr_assert_eq(options.memory.size, 512ull << 20);
	cr_assert_eq(options.memory.base, 0x40000000);
	cr_assert_eq(options.cpus.count, 1);
	cr_assert_eq(options.irqchip, 0);
	cr_assert_eq(options.console.kind, CONSOLE_STDIO);
	cr_assert_eq(options.passthrough_count, 0);
	cr_assert_eq(options.disk_count, 0);
	cr_assert(options.rng);
	cr_assert_eq(options.vsock_cid, 0);
	cr_assert_eq(options.bpmp.mode, BPMP_AUTO);
	cr_assert_str_eq(options.bpmp.host, "/dev/bpmp-host");
	cr_assert_eq(options.bpmp.clocks.count, 0);
	cr_assert_eq(options.platform.size, 0);
	cr_assert_null(options.dump_dtb);
	cr_assert_eq(options.on_reset, ON_EVENT_RESTART);
	cr_assert_eq(options.on_panic, ON_EVENT_RESTART);
	cr_assert_eq(options.grace, 30);
	cr_assert(options.sandbox);
	cr_assert_eq(options.log_level, LOG_INFO);
	cr_assert_null(options.name);
	cr_assert_str_eq(fake_log_text(), "");
}

Test(options, notify)
{
	assert_right("--notify started");
	cr_assert_eq(options.notify, NOTIFY_STARTED);
	assert_right("--notify off");
	cr_assert_eq(options.notify, NOTIFY_OFF);
	cr_assert_eq(parse("--kernel Image --notify guest"), OPTIONS_BAD);
	cr_assert(strstr(fake_log_text(), "no sound way"));
	cr_assert_eq(parse("--kernel Image --notify later"), OPTIONS_BAD);
}

Test(options, run_is_the_default_verb)
{
	cr_assert_eq(parse("run --kernel Image"), OPTIONS_RUN);
	cr_assert_eq(parse("--kernel Image run"), OPTIONS_BAD);
}

Test(options, serial)
{
	assert_right("");
	cr_assert_eq(options.serial.kind, CONSOLE_NONE);
	assert_right("--serial stdio --console none");
	cr_assert_eq(options.serial.kind, CONSOLE_STDIO);
	cr_assert_eq(options.console.kind, CONSOLE_NONE);
	assert_right("--serial unix=/tmp/a");
	cr_assert_eq(options.serial.kind, CONSOLE_UNIX);
	cr_assert_str_eq(options.serial.path, "/tmp/a");
	cr_assert_eq(options.console.kind, CONSOLE_STDIO);
}

Test(options, kernels)
{
	assert_right("");
	cr_assert(!options.kernel_raw);
	assert_right("--kernel a,b=c,raw");
	cr_assert_str_eq(options.kernel, "a,b=c");
	cr_assert(options.kernel_raw);
	assert_right("--kernel a,raw,b");
	cr_assert_str_eq(options.kernel, "a,raw,b", "a comma of the path's");
	cr_assert(!options.kernel_raw);
	assert_right("--kernel ,raw");
	cr_assert_str_eq(options.kernel, ",raw");
}

Test(options, values_stand_alone_or_behind_an_equals_sign)
{
	cr_assert_eq(parse("--kernel=a=b --cmdline=root=/dev/vda --name x"), OPTIONS_RUN);
	cr_assert_str_eq(options.kernel, "a=b");
	cr_assert_str_eq(options.cmdline, "root=/dev/vda");
	cr_assert_str_eq(options.name, "x");
}

Test(options, whole_strings_keep_their_commas)
{
	assert_right("--initrd a,b --cmdline console=hvc0~earlycon=pl011,0x9000000 --dump-dtb x,y");
	cr_assert_str_eq(options.initrd, "a,b");
	cr_assert_str_eq(options.cmdline, "console=hvc0 earlycon=pl011,0x9000000");
	cr_assert_str_eq(options.dump_dtb, "x,y");
}

/* What was QEMU's command line: the guest would run unseen. */
Test(options, a_console_that_is_not_there_is_said)
{
	assert_right("--cmdline console=hvc0");
	cr_assert_null(strstr(fake_log_text(), "PL011"));
	assert_right("--cmdline root=/dev/vda,console=ttyAMA0");
	cr_assert_null(strstr(fake_log_text(), "PL011"));
	assert_right("--cmdline console=ttyAMA0");
	cr_assert_not_null(strstr(fake_log_text(), "console=ttyAMA0: there is no PL011 here"));
}

Test(options, later_options_win)
{
	assert_right("--memory 1G --kernel other --memory 2G,base=0x80000000");
	cr_assert_str_eq(options.kernel, "other");
	cr_assert_eq(options.memory.size, 2ull << 30);
	cr_assert_eq(options.memory.base, 0x80000000);
}

Test(options, machine)
{
	assert_right("--memory 1G,hugepages");
	cr_assert_eq(options.memory.huge_page, 2ull << 20);
	assert_right("--memory 1G,hugepages=1G,base=0x80000000");
	cr_assert_eq(options.memory.huge_page, 1ull << 30);
	assert_right("--pmu");
	cr_assert(options.pmu);
	cr_assert_not(options.balloon);
	assert_right("--balloon");
	cr_assert(options.balloon);
	assert_right("--cpus 5,affinity=0-3:6");
	cr_assert_eq(options.cpus.affinity_count, 5);
	cr_assert_eq(options.cpus.affinity[4], 6);
	assert_right("--cpus affinity=7 --cpus 1");
	cr_assert_eq(options.cpus.affinity_count, 1);
	assert_right("--cpus 123");
	assert_right("--cpus 8 --irqchip gicv2 --platform base=0x10000000,size=16M,first-spi=200");
	cr_assert_eq(options.cpus.count, 8);
	cr_assert_eq(options.irqchip, 2);
	cr_assert_eq(options.platform.base, 0x10000000);
	cr_assert_eq(options.platform.size, 16 << 20);
	cr_assert_eq(options.platform.first_spi, 200);
	assert_right("--pmu");
	cr_assert_eq(options.platform.first_spi, 112);
	assert_right("--platform first-spi=0");
	cr_assert_eq(options.platform.first_spi, 0);
	assert_right("--irqchip version=gicv3 --platform first-spi=32");
	cr_assert_eq(options.irqchip, 1);
	cr_assert_eq(options.platform.size, 0);
}

Test(options, consoles)
{
	static const struct {
		const char *text, *path;
		enum console_kind kind;
	} consoles[] = {
		{ "stdio", NULL, CONSOLE_STDIO },
		{ "pty", NULL, CONSOLE_PTY },
		{ "none", NULL, CONSOLE_NONE },
		{ "kind=pty", NULL, CONSOLE_PTY },
		{ "unix=/run/c", "/run/c", CONSOLE_UNIX },
		{ "file=log.txt", "log.txt", CONSOLE_FILE },
	};
	char line[64];

	for (size_t i = 0; i < sizeof(consoles) / sizeof(consoles[0]); i++) {
		snprintf(line, sizeof(line), "--console %s", consoles[i].text);
		assert_right(line);
		cr_assert_eq(options.console.kind, consoles[i].kind, "%s", line);
		if (consoles[i].path)
			cr_assert_str_eq(options.console.path, consoles[i].path);
		else
			cr_assert_null(options.console.path);
	}
}

Test(options, disks)
{
	assert_right(
		"--disk a --disk path=/b,ro,serial=x-1 --disk /dev/c,direct,format=raw --rng off");
	cr_assert_eq(options.disk_count, 3);
	cr_assert_str_eq(options.disks[0].path, "a");
	cr_assert(!options.disks[0].read_only && !options.disks[0].direct);
	cr_assert_null(options.disks[0].serial);
	cr_assert_str_eq(options.disks[1].path, "/b");
	cr_assert(options.disks[1].read_only && !options.disks[1].direct);
	cr_assert_str_eq(options.disks[1].serial, "x-1");
	cr_assert(!options.disks[2].read_only && options.disks[2].direct);
	cr_assert_not(options.rng);
	assert_right("--disk vhost-user=/run/d");
	cr_assert_null(options.disks[0].path);
	cr_assert_str_eq(options.disks[0].vhost_user, "/run/d");
	assert_right("--disk a,serial=12345678901234567890");
	cr_assert(!options.disks[0].qcow2, "never guessed");
	assert_right("--disk a.qcow2,format=qcow2,ro,direct --disk b.qcow2");
	cr_assert(options.disks[0].qcow2 && options.disks[0].read_only && options.disks[0].direct);
	cr_assert(!options.disks[1].qcow2);
}

Test(options, shared_directories)
{
	assert_right("--fs vhost-user=/run/f,tag=home --fs tag=data,vhost-user=/run/d");
	cr_assert_eq(options.fs_count, 2);
	cr_assert_str_eq(options.fs[0].vhost_user, "/run/f");
	cr_assert_str_eq(options.fs[0].tag, "home");
	cr_assert_str_eq(options.fs[1].tag, "data");
	/* As an object of a file of --config comes. */
	assert_right("--fs ,vhost-user=/run/f,tag=home");
	cr_assert_str_eq(options.fs[0].vhost_user, "/run/f");
	assert_right("--net ,tap=t0");
	cr_assert_str_eq(options.nets[0].tap, "t0");
}

Test(options, at_most_sixteen_disks)
{
	static char line[512];

	for (int i = 0; i < MAX_DISKS; i++)
		strcat(line, "--disk a ");
	assert_right(line);
	cr_assert_eq(options.disk_count, MAX_DISKS);
	cr_assert_eq(parse(strcat(line, "--kernel x --disk a")), OPTIONS_BAD);
	cr_assert_not_null(strstr(fake_log_text(), "at most 16 disks"));
}

Test(options, events)
{
	assert_right("--on-reset exit");
	cr_assert_eq(options.on_reset, ON_EVENT_EXIT);
	cr_assert_eq(options.on_panic, ON_EVENT_RESTART);
	assert_right("--on-panic exit");
	cr_assert_eq(options.on_reset, ON_EVENT_RESTART);
	cr_assert_eq(options.on_panic, ON_EVENT_EXIT);
	assert_right("--no-reboot");
	cr_assert_eq(options.on_reset, ON_EVENT_EXIT);
	cr_assert_eq(options.on_panic, ON_EVENT_EXIT);
	assert_right("--no-reboot --on-panic restart");
	cr_assert_eq(options.on_panic, ON_EVENT_RESTART);
}

Test(options, the_path_without_exits)
{
	assert_right("--bpmp mailbox");
	cr_assert(options.fast_path && !options.bpmp.trap);
	assert_right("--fast-path off --bpmp mailbox,trap");
	cr_assert(!options.fast_path && options.bpmp.trap);
}

Test(options, sandbox_and_log)
{
	assert_right("--sandbox off --log-level debug");
	cr_assert_not(options.sandbox);
	cr_assert_eq(options.log_level, LOG_DEBUG);
	assert_right("--sandbox on --log-level error");
	cr_assert(options.sandbox);
	cr_assert_eq(options.log_level, LOG_ERROR);
}

Test(options, bpmp)
{
	assert_right("--bpmp mailbox,host=/dev/bpmp-host-a,clocks=155:102,resets=100,"
		     "power-domains=0x23");
	cr_assert_eq(options.bpmp.mode, BPMP_MAILBOX);
	cr_assert_str_eq(options.bpmp.host, "/dev/bpmp-host-a");
	cr_assert_eq(options.bpmp.clocks.count, 2);
	cr_assert_eq(options.bpmp.clocks.items[1], 102);
	cr_assert_eq(options.bpmp.resets.items[0], 100);
	cr_assert_eq(options.bpmp.power_domains.items[0], 0x23);
	cr_assert_eq(options.bpmp.base, 0);
	assert_right("--bpmp proxy");
	cr_assert_eq(options.bpmp.mode, BPMP_PROXY);
	assert_right("--bpmp proxy,base=0x090c0000");
	cr_assert_eq(options.bpmp.base, 0x090c0000);
	assert_right("--bpmp mrqs=thermal:i2c,audit=/var/log/a");
	cr_assert_str_eq(options.bpmp.mrqs, "thermal:i2c");
	cr_assert_str_eq(options.bpmp.audit, "/var/log/a");
	assert_right("--bpmp off");
	cr_assert_null(options.bpmp.mrqs);
	cr_assert_null(options.bpmp.audit);
	cr_assert_eq(options.bpmp.mode, BPMP_OFF);
	assert_right("--bpmp host=/dev/other");
	cr_assert_eq(options.bpmp.mode, BPMP_AUTO);
}

Test(options, passthrough)
{
	const struct vfio_options *device = options.passthrough;

	assert_right("--passthrough 3100000.serial "
		     "--passthrough 9040000.pl011,compatible=arm,pl011,address=host "
		     "--passthrough device=x,address=0xc000000:0xc010000,unsafe-noiommu");
	cr_assert_eq(options.passthrough_count, 3);

	cr_assert_str_eq(device[0].device, "3100000.serial");
	cr_assert_null(device[0].compatible);
	cr_assert_not(device[0].address_host);
	cr_assert_eq(device[0].address_count, 0);
	cr_assert_not(device[0].unsafe_noiommu);

	cr_assert_str_eq(device[1].device, "9040000.pl011");
	cr_assert_str_eq(device[1].compatible, "arm,pl011");
	cr_assert(device[1].address_host);
	cr_assert_eq(device[1].address_count, 0);

	cr_assert_str_eq(device[2].device, "x");
	cr_assert_not(device[2].address_host);
	cr_assert_eq(device[2].address_count, 2);
	cr_assert_eq(device[2].addresses[0], 0xc000000);
	cr_assert_eq(device[2].addresses[1], 0xc010000);
	cr_assert(device[2].unsafe_noiommu);
}

Test(options, at_most_16_devices_of_16_regions)
{
	char line[2048];
	size_t used = 0;

	for (int i = 0; i < MAX_PASSTHROUGH; i++)
		used += (size_t)snprintf(
			line + used, sizeof(line) - used, "--passthrough device%d ", i);
	assert_right(line);
	cr_assert_eq(options.passthrough_count, MAX_PASSTHROUGH);
	snprintf(line + used, sizeof(line) - used, "--passthrough another");
	cr_assert_eq(parse(line), OPTIONS_BAD);
	cr_assert_not_null(strstr(fake_log_text(), "another: at most 16 devices"));

	assert_right("--passthrough x,address=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16");
	cr_assert_eq(options.passthrough[0].address_count, 16);
	cr_assert_eq(options.passthrough[0].addresses[15], 16);
	cr_assert_eq(parse("--kernel x --passthrough "
			   "x,address=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17"),
		OPTIONS_BAD);
}

Test(options, limits_themselves_are_right)
{
	char cmdline[2100];

	assert_right("--memory 64K");
	assert_right("--cpus 1");
	assert_right("--grace 0");
	assert_right("--grace 86400");
	assert_right("--memory 512M,base=0");
	assert_right("--platform first-spi=65535");
	snprintf(cmdline, sizeof(cmdline), "--cmdline %02047d", 0);
	assert_right(cmdline);
	snprintf(cmdline, sizeof(cmdline), "--kernel x --cmdline %02048d", 0);
	cr_assert_eq(parse(cmdline), OPTIONS_BAD);
	cr_assert_not_null(strstr(fake_log_text(), "--cmdline"));
}

/* Each one line that names the option at fault and the way out. */
static const struct {
	const char *line, *cause, *remedy;
} wrong[] = {
	{ "", "no kernel", "--kernel FILE" },
	{ "--kernel", "--kernel needs a value", "FILE" },
	{ "--kernel=", "--kernel", "empty" },
	{ "kernel", "'kernel' is not an option", "--help" },
	{ "-k x", "'-k' is not an option", "--help" },
	{ "--", "'--' is not an option", "--help" },
	{ "--=x", "unknown option --", "--help" },
	{ "--frobnicate", "unknown option --frobnicate", "--help" },
	{ "--kernl x", "unknown option --kernl", "did you mean --kernel?" },
	{ "--memroy 1G", "unknown option --memroy", "did you mean --memory?" },
	{ "--no-reboot=on", "--no-reboot", "takes no value" },
	{ "--kernel x --memory 0", "no memory at all", "--memory 512M" },
	{ "--kernel x --memory 1000", "--memory: not a multiple of 64K", "--memory 512M" },
	{ "--kernel x --memory lots", "--memory lots", "not a size" },
	{ "--kernel x --memory 16777216T", "--memory 16777216T", "below 16 EiB" },
	{ "--kernel x --memory -1", "--memory -1", "not a size" },
	{ "--kernel x --memory 1G,bas=0", "unknown key 'bas'", "did you mean 'base'?" },
	{ "--kernel x --memory 1G,base=0x100000", "--memory: base 0x100000", "multiple of 2M" },
	{ "--kernel x --memory 1G,base", "'base' needs a value", "base=" },
	{ "--kernel x --memory 3M,hugepages", "hugepages", "divides the size" },
	{ "--kernel x --memory 3M,hugepages=3M", "power of two", "hugepages=2M" },
	{ "--kernel x --memory 1G,hugepages=4K", "from 64K on", "hugepages=2M" },
	{ "--kernel x --balloon=on", "--balloon", "takes no value" },
	{ "--kernel x --balloon --memory 1G,hugepages", "--balloon", "hugepages away" },
	{ "--kernel x --passthrough 3100000.serial --balloon", "--balloon", "--passthrough away" },
	{ "--kernel x --memory 1G,", "--memory 1G,", "ends in a comma" },
	{ "--kernel x --cpus 0", "--cpus: 0", "between 1 and 123" },
	{ "--kernel x --cpus 124", "--cpus: 124", "with a GICv2 it is 8" },
	{ "--kernel x --cpus 2,affinity=0:1:2", "names 3", "name one for each" },
	{ "--kernel x --cpus 2,affinity=0,1", "unknown key '1'", "" },
	{ "--kernel x --cpus 2,affinity=3-0", "affinity '3-0'", "such as 0-3:6" },
	{ "--kernel x --cpus two", "--cpus two", "not a number" },
	{ "--kernel x --irqchip gicv4", "--irqchip gicv4", "auto, gicv3, gicv2" },
	{ "--kernel x --console tty", "--console tty", "none, stdio, pty" },
	{ "--kernel x --console pty,unix=/a", "--console pty,unix=/a", "give one of stdio" },
	{ "--kernel x --console unix=/a,file=/b", "--console", "give one of stdio" },
	{ "--kernel x --console unix=", "--console unix=", "empty" },
	{ "--kernel x --disk ro", "--disk ro: give the path", "vhost-user=SOCKET" },
	{ "--kernel x --disk a,format=qcow2,serial=x", "has no serials", "qemu-img convert" },
	{ "--kernel x --disk a,format=vmdk", "vmdk", "raw, qcow2" },
	{ "--kernel x --disk a,vhost-user=/s", "not both", "vhost-user=SOCKET" },
	{ "--kernel x --disk vhost-user=/s,ro", "--disk vhost-user=/s,ro", "back end" },
	{ "--kernel x --disk a,serial=123456789012345678901", "serial", "1 to 20" },
	{ "--kernel x --disk a,serial=a/b", "serial", "without spaces and slashes" },
	{ "--kernel x --fs /srv,tag=a", "--fs /srv,tag=a: give vhost-user=SOCKET", "tag=TAG" },
	{ "--kernel x --fs tag=a", "give vhost-user=SOCKET", "virtiofsd" },
	{ "--kernel x --fs vhost-user=/s", "give tag=TAG", "1 to 36 bytes" },
	{ "--kernel x --fs vhost-user=/s,tag=1234567890123456789012345678901234567", "tag=TAG",
		"1 to 36 bytes" },
	{ "--kernel x --fs vhost-user=/s,tag=a --fs vhost-user=/t,tag=a", "tag=a", "twice" },
	{ "--kernel x --disk a,raed-only", "raed-only", "unknown key" },
	{ "--kernel x --rng maybe", "--rng maybe", "'on' or 'off'" },
	{ "--kernel x --serial stdio", "--serial stdio", "--console none" },
	{ "--kernel x --serial tty", "--serial tty", "none, stdio, pty" },
	{ "--kernel x --serial pty,file=/a", "--serial pty,file=/a", "give one of stdio" },
	{ "--kernel x --passthrough /sys/a", "--passthrough /sys/a", "without a path" },
	{ "--kernel x --passthrough compatible=a", "--passthrough", "give the device's name" },
	{ "--kernel x --passthrough a --passthrough a", "--passthrough a", "given twice" },
	{ "--kernel x --passthrough a,address=here", "'here'", "not a list" },
	{ "--kernel x --passthrough a,adress=host", "'adress'", "did you mean 'address'?" },
	{ "--kernel x --bpmp maybe", "--bpmp maybe", "auto, mailbox, proxy, off" },
	{ "--kernel x --bpmp base=0x90c0000", "--bpmp: base", "proxy" },
	{ "--kernel x --bpmp proxy,base=0x90d1000", "0x90d1000", "0x090d0000" },
	{ "--kernel x --bpmp off,clocks=a", "clocks 'a'", "numbers with colons" },
	{ "--kernel x --platform base=0x10000000", "--platform", "base and size" },
	{ "--kernel x --platform size=1M", "--platform", "base and size" },
	{ "--kernel x --platform first-spi=65536", "--platform: first-spi 65536", "GIC" },
	{ "--kernel x --platform first-spi=18446744073709551615", "first-spi", "GIC" },
	{ "--kernel x --on-reset dance", "--on-reset dance", "restart, exit" },
	{ "--kernel x --on-panic", "--on-panic needs a value", "restart|exit" },
	{ "--kernel x --grace soon", "--grace soon", "not a number" },
	{ "--kernel x --grace 86401", "--grace: 86401", "at most 86400" },
	{ "--kernel x --sandbox maybe", "--sandbox maybe", "'on' or 'off'" },
	{ "--kernel x --log-level loud", "--log-level loud", "error, warning, info, debug" },
};

Test(options, wrong_inputs)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t before = strlen(fake_log_text());
		const char *said;

		cr_assert_eq(parse(wrong[i].line), OPTIONS_BAD, "%s", wrong[i].line);
		said = fake_log_text() + before;
		cr_assert_not_null(strstr(said, wrong[i].cause), "%s: %s", wrong[i].line, said);
		cr_assert_not_null(strstr(said, wrong[i].remedy), "%s: %s", wrong[i].line, said);
		cr_assert_eq(strchr(said, '\n'), said + strlen(said) - 1, "one line: %s", said);
	}
}

Test(options, long_values_do_not_hide_the_cause)
{
	char line[4096];

	snprintf(line, sizeof(line), "--kernel x --memory %03000d,x", 0);
	cr_assert_eq(parse(line), OPTIONS_BAD);
	cr_assert_not_null(strstr(fake_log_text(), "unknown key 'x'"), "%s", fake_log_text());
}

Test(options, help_names_every_option, .init = cr_redirect_stdout)
{
	static const char *const names[] = { "kernel", "initrd", "cmdline", "memory", "cpus",
		"irqchip", "console", "passthrough", "bpmp", "platform", "dump-dtb", "on-reset",
		"on-panic", "no-reboot", "disk", "rng", "sandbox", "log-level", "name", "help",
		"version" };
	static char text[16384];
	char option[32];
	FILE *said = cr_get_redirected_stdout();

	cr_assert_eq(parse("--help"), OPTIONS_DONE);
	fflush(stdout);
	fclose(stdout);
	text[fread(text, 1, sizeof(text) - 1, said)] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(option, sizeof(option), "  --%s", names[i]);
		cr_assert_not_null(strstr(text, option), "%s", option);
	}
}

/* Also where something is wrong behind it. */
Test(options, version_is_printed, .init = cr_redirect_stdout)
{
	cr_assert_eq(parse("--version --frobnicate"), OPTIONS_DONE);
	fflush(stdout);
	cr_assert_stdout_eq_str("bpmp-vmm " BPMP_VMM_VERSION "\n");
}
