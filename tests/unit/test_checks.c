/* SPDX-License-Identifier: Apache-2.0 */
/* What `check` asks the parts: the answers of a start, and nothing is made, changed or kept. */
#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/journal_file.h"
#include "devices/device.h"
#include "devices/vfio/container.h"
#include "devices/vfio/vfio.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console_endpoint.h"
#include "devices/virtio/net.h"
#include "devices/virtio/vsock.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "tests/unit/vfio_fake.h"
#include "tests/unit/vhost_fake.h"
#include "vmm/base/unix_socket.h"
#include "vmm/control.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void begin(void)
{
	vfio_fake_create();
	fixture_directory("d");
	fake_log_capture();
	vhost_fake.features = UINT64_C(1) << VIRTIO_F_VERSION_1;
	vhost_fake.tap_name = "tap7";
	vhost_fake.is_tun = true;
}

TestSuite(checks, .init = begin, .fini = vfio_fake_remove, .timeout = 30);

static void said(const char *text)
{
	cr_assert_not_null(strstr(fake_log_text(), text), "%s", fake_log_text());
}

static bool there(const char *path)
{
	return access(fixture_path(path), F_OK) == 0;
}

/* Also a directory's permissions, which do not bind root. */
static void become_nobody(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	cr_assert_eq(syscall(SYS_capset, &header, none), 0);
}

static int end_of(enum console_kind kind, const char *path)
{
	const struct console_options options = { kind, path };

	return console_endpoint_check("serial", &options);
}

Test(checks, file_keeps_what_it_held)
{
	struct stat status;

	fixture_text("d/log", "kept");
	cr_assert_eq(end_of(CONSOLE_FILE, fixture_path("d/log")), 0);
	cr_assert_eq(stat(fixture_path("d/log"), &status), 0);
	cr_assert_eq(status.st_size, 4);
	cr_assert_eq(end_of(CONSOLE_FILE, fixture_path("d/new")), 0);
	cr_assert_not(there("d/new"));
	cr_assert_eq(end_of(CONSOLE_FILE, "here"), 0, "the working directory's");
	cr_assert_str_eq(fake_log_text(), "");
	cr_assert_eq(end_of(CONSOLE_FILE, "/none/log"), -ENOENT);
	said("--serial file=/none/log: cannot open it for writing: No such file");
	cr_assert_eq(end_of(CONSOLE_FILE, "/"), -EISDIR);
}

Test(checks, file_and_directory_without_permission)
{
	fixture_text("d/log", "kept");
	chmod(fixture_path("d/log"), 0400);
	chmod(fixture_path("d"), 0500);
	become_nobody();
	cr_assert_eq(end_of(CONSOLE_FILE, fixture_path("d/log")), -EACCES);
	cr_assert_eq(end_of(CONSOLE_FILE, fixture_path("d/new")), -EACCES);
	cr_assert_eq(end_of(CONSOLE_UNIX, fixture_path("d/new")), -EACCES);
	said("Permission denied");
	chmod(fixture_path("d"), 0700);
}

Test(checks, sockets_are_asked_and_left)
{
	char path[108];
	int listener;

	snprintf(path, sizeof(path), "%s", fixture_path("d/socket"));
	cr_assert_eq(end_of(CONSOLE_UNIX, path), 0);
	cr_assert_eq(control_check(path), 0);
	cr_assert_not(there("d/socket"));
	listener = unix_socket_listen(path, 1, 0600);
	cr_assert_geq(listener, 0);
	cr_assert_eq(end_of(CONSOLE_UNIX, path), -EADDRINUSE);
	cr_assert_eq(control_check(path), -EADDRINUSE);
	said("--control");
	said("another VM listens there");
	cr_assert_eq(unix_socket_check_peer(path), 0);
	/* Its listener is gone: a start would replace it, a check leaves it. */
	close(listener);
	cr_assert_eq(control_check(path), 0);
	cr_assert(there("d/socket"));
	fixture_text("d/file", "");
	cr_assert_eq(control_check(fixture_path("d/file")), -EADDRINUSE);
	cr_assert_eq(unix_socket_check_peer(fixture_path("d/file")), -ENOTSOCK);
	cr_assert_eq(control_check("/none/socket"), -ENOENT);
}

Test(checks, terminals)
{
	cr_assert_eq(end_of(CONSOLE_PTY, NULL), 0);
	cr_assert_eq(end_of(CONSOLE_STDIO, NULL), 0);
	cr_assert_eq(end_of(CONSOLE_NONE, NULL), 0);
	cr_assert_str_eq(fake_log_text(), "", "no path of a terminal that is gone again");
}

Test(checks, disk_is_free_again)
{
	const char *path = fixture_path("d/image");
	const struct block_options disk = { .path = path };

	fixture_bytes("d/image", (char[512]){ 0 }, 512);
	cr_assert_eq(block_check(&disk), 0);
	cr_assert_eq(block_check(&disk), 0, "the first one has let go of its lock");
	cr_assert_eq(block_check(&(struct block_options){ .path = "/none" }), -EINVAL);
	said("--disk /none: No such file");
	cr_assert_eq(block_check(&(struct block_options){ .vhost_user = "/none" }), -ENOENT);
	said("--disk vhost-user=/none: No such file or directory; start its back end first");
}

Test(checks, network_says_both_of_tap_and_vhost)
{
	struct net_options net = { .tap = "tap8", .fd = -1, .vhost = true };

	vhost_fake.open_vhost_error = -ENOENT;
	cr_assert_eq(net_check(&net), -ENODEV);
	said("ip tuntap add dev tap8");
	said("modprobe vhost_net");
	vhost_fake.open_vhost_error = 0;
	net.tap = "tap7";
	cr_assert_eq(net_check(&net), 0);
}

Test(checks, vsock_address_of_another)
{
	cr_assert_eq(vsock_check(42), 0);
	vhost_fake.refused = VHOST_VSOCK_SET_GUEST_CID;
	vhost_fake.refusal = -EADDRINUSE;
	cr_assert_eq(vsock_check(42), -EADDRINUSE);
	said("--vsock 42: another VM");
}

/* --- VFIO ------------------------------------------------------------------------------------- */

static struct machine machine;
static struct vfio_container *container;

static int check_device(void)
{
	const struct vfio_options options = { .device = "3100000.serial" };

	cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
	return vfio_platform_check(container, &options);
}

Test(checks, device_is_opened_and_nothing_is_mapped)
{
	cr_assert_eq(check_device(), 0);
	cr_assert_str_eq(fake_trace_text(),
		"vfio group joins\n"
		"vfio iommu type 3\n"
		"vfio device 3100000.serial\n");
	vfio_container_destroy(container);
}

Test(checks, group_of_another_vm)
{
	vfio_fake.viable = false;
	cr_assert_eq(check_device(), -EBUSY);
	said("shares IOMMU group 5");
	vfio_container_destroy(container);
}

Test(checks, locked_memory_is_compared_with_the_limit)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };

	cr_assert_eq(check_device(), 0);
	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	become_nobody();
	cr_assert_eq(vfio_container_check_memory(container, 1 << 20), 0);
	cr_assert_str_eq(fake_log_text(), "");
	cr_assert_eq(vfio_container_check_memory(container, 1 << 21), -ENOMEM);
	said("0x200000 bytes, and RLIMIT_MEMLOCK is less: set LimitMEMLOCK=infinity");
	container->noiommu = true;
	cr_assert_eq(vfio_container_check_memory(container, 1 << 21), 0, "nothing is pinned");
	vfio_container_destroy(container);
}

/* --- BPMP ------------------------------------------------------------------------------------- */

static int check_bpmp(const char *host, const char *audit)
{
	const struct bpmp_options options = { .host = host, .audit = audit, .name = "vm" };

	return bpmp_check(&options);
}

Test(checks, bpmp_says_all_that_it_lacks)
{
	setenv("RUNTIME_DIRECTORY", "/none/run", 1);
	cr_assert_eq(check_bpmp("/none/bpmp", "/none/audit"), -ENOENT);
	said("--bpmp host=/none/bpmp: No such file or directory; the host's kernel needs");
	said("cannot make /none/run, the directory of the VM's journal");
	said("--bpmp audit=/none/audit: No such file");
}

Test(checks, bpmp_makes_neither_journal_nor_audit_file)
{
	setenv("RUNTIME_DIRECTORY", fixture_path("d/run"), 1);
	cr_assert_eq(check_bpmp("/dev/null", fixture_path("d/audit")), 0, "%s", fake_log_text());
	cr_assert_not(there("d/run"));
	cr_assert_not(there("d/audit"));
	fixture_text("d/audit", "{}\n");
	cr_assert_eq(check_bpmp("/dev/null", fixture_path("d/audit")), 0);
}

Test(checks, bpmp_of_a_vm_that_runs)
{
	struct bpmp_journal_file file;

	setenv("RUNTIME_DIRECTORY", fixture_path("d"), 1);
	cr_assert_eq(bpmp_journal_open(&file, "vm", true, 0), 0);
	cr_assert_eq(bpmp_journal_begin(&file, "vm", "/dev/null"), 0);
	cr_assert_eq(check_bpmp("/dev/null", NULL), -EEXIST);
	said("a VM of the name vm is running");
	close(file.fd);
	cr_assert_eq(check_bpmp("/dev/null", NULL), 0, "%s", fake_log_text());
	fixture_text("d/vm.journal", "no journal");
	cr_assert_eq(check_bpmp("/dev/null", NULL), -EBADMSG);
}
