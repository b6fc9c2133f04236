/* SPDX-License-Identifier: Apache-2.0 */
/* --net and --vsock on the command line. */
#include "tests/unit/options_bench.h"

TestSuite(options_net, .init = fake_log_capture, .timeout = 20);

Test(options_net, network_interfaces_add_up)
{
	assert_right(
		"--net tap=t0 --net fd=5,mac=52:54:00:12:34:5F --net mac=2:0:0:0:0:1,tap=br.1");
	cr_assert_eq(options.net_count, 3);
	cr_assert_str_eq(options.nets[0].tap, "t0");
	cr_assert_not(options.nets[0].mac_given);
	cr_assert_null(options.nets[1].tap);
	cr_assert_eq(options.nets[1].fd, 5);
	cr_assert(options.nets[1].mac_given);
	cr_assert_arr_eq(options.nets[1].mac, ((uint8_t[]){ 0x52, 0x54, 0, 0x12, 0x34, 0x5f }), 6);
	cr_assert_arr_eq(options.nets[2].mac, ((uint8_t[]){ 2, 0, 0, 0, 0, 1 }), 6);
	cr_assert(options.nets[0].vhost);
	assert_right("--net tap=t,vhost=off");
	cr_assert_not(options.nets[0].vhost);
	assert_right("--net tap=t --net tap=t --net tap=t --net tap=t --net tap=t --net tap=t "
		     "--net tap=t --net tap=t");
	cr_assert_eq(options.net_count, 8);
}

Test(options_net, user_networks_and_their_ports)
{
	assert_right("--net user --net user,mac=52:54:00:12:34:56,hostfwd=tcp::2222-:22,"
		     "hostfwd=udp:127.0.0.1:53-:5353");
	cr_assert_eq(options.net_count, 2);
	cr_assert(options.nets[0].user && !options.nets[0].vhost);
	cr_assert_eq(options.nets[0].forward_count, 0);
	cr_assert(options.nets[1].user && options.nets[1].mac_given);
	cr_assert_eq(options.nets[1].forward_count, 2);
	cr_assert(!options.nets[1].forwards[0].udp);
	cr_assert_str_eq(options.nets[1].forwards[0].address, "");
	cr_assert_eq(options.nets[1].forwards[0].host_port, 2222);
	cr_assert_eq(options.nets[1].forwards[0].guest_port, 22);
	cr_assert(options.nets[1].forwards[1].udp);
	cr_assert_str_eq(options.nets[1].forwards[1].address, "127.0.0.1");
	cr_assert_eq(options.nets[1].forwards[1].guest_port, 5353);
	/* As a list of --config's is written. */
	assert_right("--net ,user=on,hostfwd=tcp::1-:2:udp::65535-:4");
	cr_assert_eq(options.nets[0].forward_count, 2);
	cr_assert_eq(options.nets[0].forwards[1].host_port, 65535);
	/* As in a line for QEMU: without the protocol, and with an address of its network's. */
	assert_right("--net user,hostfwd=::2222-:22,hostfwd=:127.0.0.1:80-10.0.2.15:8080,"
		     "hostfwd=udp::53-10.0.2.15:5353");
	cr_assert_eq(options.nets[0].forward_count, 3);
	cr_assert(!options.nets[0].forwards[0].udp);
	cr_assert_eq(options.nets[0].forwards[0].host_port, 2222);
	cr_assert(!options.nets[0].forwards[1].udp);
	cr_assert_str_eq(options.nets[0].forwards[1].address, "127.0.0.1");
	cr_assert_eq(options.nets[0].forwards[1].guest_port, 8080);
	cr_assert(options.nets[0].forwards[2].udp);
	cr_assert_eq(options.nets[0].forwards[2].guest_port, 5353);
	assert_right("--net tap=t");
	cr_assert(!options.nets[0].user);
}

Test(options_net, networks_of_another_program)
{
	assert_right("--net vhost-user=/run/switch,mac=52:54:00:12:34:56");
	cr_assert_str_eq(options.nets[0].vhost_user, "/run/switch");
	cr_assert(!options.nets[0].vhost && !options.nets[0].user && options.nets[0].tap == NULL);
	cr_assert_eq(parse("--kernel x --net vhost-user=,mac=52:54:00:12:34:56"), OPTIONS_BAD);
	cr_assert_eq(parse("--kernel x --net vhost-user=/run/switch,tap=t"), OPTIONS_BAD);
	cr_assert_eq(
		parse("--kernel x --net vhost-user=/run/switch,hostfwd=tcp::1-:1"), OPTIONS_BAD);
	cr_assert_not_null(strstr(fake_log_text(), "hostfwd is for user"));
}

Test(options_net, wrong_forwarded_ports)
{
	static const char *const values[] = { "tcp", "tcp:", "tcp::", "tcp::22", "tcp::22-",
		"tcp::22-:", "tcp::22-22", "tcp::0-:22", "tcp::22-:0", "tcp::65536-:22",
		"tcp::22-:65536", "tcp::022222-:1", "sctp::22-:22", "tcp:localhost:22-:22",
		"tcp:1.2.3.256:22-:22", "tcp::22-10.0.2:22", "tcp::22-:22x", "tcp::22-guest:22",
		"tcp::22-10.0.2.15", ":22-:22", ":::22-:22", "tcp::22-:22:", "tcp::-1-:22",
		"tcp:[::1]:22-:22", "tcp:1.2.3.4.5.6.7.8.9:22-:22" };
	char line[128];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		fake_log_capture();
		snprintf(line, sizeof(line), "--kernel x --net user,hostfwd=%s", values[i]);
		cr_assert_eq(parse(line), OPTIONS_BAD, "%s", line);
		cr_assert_not_null(strstr(fake_log_text(), "tcp:127.0.0.1:2222-:22"), "%s", line);
	}
	cr_assert_eq(parse("--kernel x --net tap=t,hostfwd=tcp::1-:1"), OPTIONS_BAD);
	cr_assert_not_null(strstr(fake_log_text(), "hostfwd is for user"));
	cr_assert_eq(parse("--kernel x --net user,tap=t"), OPTIONS_BAD);
	cr_assert_eq(parse("--kernel x --net users"), OPTIONS_BAD);
	cr_assert_not_null(strstr(fake_log_text(), "tap=NAME, fd=N, user and vhost-user=SOCKET"));
}

Test(options_net, wrong_network_interfaces)
{
	static const char *const values[] = {
		"tap=",
		"fd=2",
		"fd=4294967296",
		"fd=-1",
		"mac=52:54:00:12:34:56",
		"t0",
		"tap=t,fd=5",
		"tap=a/b",
		"tap=t%d",
		"tap=..",
		"tap=abcdefghijklmnop",
		"tap=t,mac=52:54:00:12:34",
		"tap=t,mac=52:54:00:12:34:56:78",
		"tap=t,mac=53:54:00:12:34:56",
		"tap=t,mac=00:00:00:00:00:00",
		"tap=t,mac=52:54:00:12:34:5g",
		"tap=t,mac=+2:0:0:0:0:1",
		"tap=t,mac=52-54-00-12-34-56",
	};
	char line[96];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(line, sizeof(line), "--kernel Image --net %s", values[i]);
		cr_assert_eq(parse(line), OPTIONS_BAD, "%s", line);
	}
	cr_assert_eq(parse("--kernel I --net fd=3 --net fd=3 --net fd=3 --net fd=3 --net fd=3 "
			   "--net fd=3 --net fd=3 --net fd=3 --net fd=3"),
		OPTIONS_BAD);
}

Test(options_net, vsock_takes_every_address_that_a_guest_may_have)
{
	assert_right("--vsock 3");
	cr_assert_eq(options.vsock_cid, 3);
	assert_right("--vsock cid=0xfffffffe");
	cr_assert_eq(options.vsock_cid, 0xfffffffe);
	cr_assert_eq(parse("--kernel Image --vsock 2"), OPTIONS_BAD);
	cr_assert_eq(parse("--kernel Image --vsock 0xffffffff"), OPTIONS_BAD);
	cr_assert_eq(parse("--kernel Image --vsock 0x100000003"), OPTIONS_BAD);
	cr_assert_eq(parse("--kernel Image --vsock"), OPTIONS_BAD);
}
