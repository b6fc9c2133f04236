/* SPDX-License-Identifier: Apache-2.0 */
/* The window on the bus, the way to the worker, waits that end, and /bpmp in the guest's tree. */
#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/window_device.h"
#include "devices/bpmp/window_serve.h"
#include "devices/bpmp/worker.h"
#include "fdt/builder.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "vmm/base/kvm.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libfdt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

TestSuite(bpmp_window_device, .timeout = 60);

#define BASE	 0x090d0000ull

/* Longer than any of these tests: a wait that takes it has not been ended. */
#define NEVER_MS 50000

struct world {
	struct machine machine;
	struct mmio_bus bus;
	struct bpmp_window_device window;
	int worker; /* its end of the link */
};

static struct world *setup_done; /* for a fake that gets no argument */

static struct world *setup(void)
{
	static struct world world;
	int pair[2];

	fake_log_capture();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	world.machine.leave_fd = eventfd(0, EFD_NONBLOCK);
	bpmp_window_device_init(&world.window, &world.machine, BASE);
	world.window.link.fd = pair[0];
	world.window.link.deadline_ms = NEVER_MS;
	world.worker = pair[1];
	cr_assert_eq(mmio_bus_add(&world.bus, &world.window.region), 0);
	return &world;
}

static void store(struct world *world, uint64_t offset, unsigned int width, uint64_t value)
{
	uint8_t data[8];

	memcpy(data, &value, 8);
	cr_assert(mmio_bus_access(&world->bus, BASE + offset, data, width, true));
}

static uint64_t load(struct world *world, uint64_t offset, unsigned int width)
{
	uint8_t data[8];
	uint64_t value;

	cr_assert(mmio_bus_access(&world->bus, BASE + offset, data, width, false));
	memcpy(&value, data, 8);
	return value;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *trigger(void *argument)
{
	store(argument, BPMP_WINDOW_TRIGGER, 8, BPMP_MRQ_PING);
	return NULL;
}

/* A vCPU's trigger, for a test that is the worker; the request that arrived. */
static struct bpmp_window_request triggered(struct world *world, pthread_t *vcpu)
{
	struct bpmp_window_request request;

	cr_assert_eq(pthread_create(vcpu, NULL, trigger, world), 0);
	cr_assert_eq(recv(world->worker, &request, sizeof(request), 0), sizeof(request));
	return request;
}

static void answer(struct world *world, uint32_t sequence, uint32_t word)
{
	struct bpmp_window_answer packet = { .sequence = sequence, .size = 4 };

	memcpy(packet.data, &word, sizeof(word));
	cr_assert_eq(send(world->worker, &packet, sizeof(packet), 0), sizeof(packet));
}

static void leave(struct world *world)
{
	const uint64_t one = 1;

	cr_assert_eq(write(world->machine.leave_fd, &one, sizeof(one)), sizeof(one));
}

static void failed(struct world *world)
{
	cr_assert_eq((int32_t)load(world, BPMP_WINDOW_RETURN, 4), -5);
	cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), 0);
}

Test(bpmp_window_device, the_answer_is_in_place_when_the_store_retires)
{
	struct world *world = setup();
	struct bpmp_window_request request;
	pthread_t vcpu;

	store(world, BPMP_WINDOW_TX, 4, 0x1234);
	store(world, BPMP_WINDOW_TX_SIZE, 8, 4);
	store(world, BPMP_WINDOW_RX_SIZE, 8, 4);
	request = triggered(world, &vcpu);
	cr_assert_eq(request.mrq, 0);
	cr_assert_eq(request.size, 4);
	cr_assert_eq(request.data[0], 0x34);

	/* Another vCPU's plain accesses go on meanwhile, and change nothing of this request. */
	store(world, BPMP_WINDOW_TX, 8, ~0ull);
	store(world, BPMP_WINDOW_RX_SIZE, 8, 100);
	cr_assert_eq(load(world, BPMP_WINDOW_TX, 8), ~0ull);
	answer(world, request.sequence, 0x2468);
	pthread_join(vcpu, NULL);
	cr_assert_eq(load(world, BPMP_WINDOW_RX, 4), 0x2468);
	cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), 4);
	cr_assert_eq(load(world, BPMP_WINDOW_RETURN, 4), 0);
	cr_assert_eq(load(world, BPMP_WINDOW_CLAIM - 8, 8), 0);
}

Test(bpmp_window_device, requests_of_two_vcpus_follow_each_other)
{
	struct world *world = setup();
	struct bpmp_window_request first, second;
	struct pollfd polled = { .fd = world->worker, .events = POLLIN };
	pthread_t vcpus[2];

	store(world, BPMP_WINDOW_RX_SIZE, 8, 4);
	first = triggered(world, &vcpus[0]);
	cr_assert_eq(pthread_create(&vcpus[1], NULL, trigger, world), 0);
	cr_assert_eq(poll(&polled, 1, 100), 0, "the second waits for the first");
	answer(world, first.sequence, 1);
	cr_assert_eq(recv(world->worker, &second, sizeof(second), 0), sizeof(second));
	answer(world, second.sequence, 2);
	pthread_join(vcpus[0], NULL);
	pthread_join(vcpus[1], NULL);
	cr_assert_neq(first.sequence, second.sequence);
	cr_assert_eq(load(world, BPMP_WINDOW_RX, 4), 2);
}

Test(bpmp_window_device, a_host_that_hangs_fails_requests_until_it_answers)
{
	struct world *world = setup();
	struct bpmp_window_request request, next;
	pthread_t vcpu;

	world->window.link.deadline_ms = 50;
	request = triggered(world, &vcpu);
	pthread_join(vcpu, NULL);
	failed(world);
	cr_assert_not_null(strstr(fake_log_text(), "no answer from the host's BPMP in time"));

	/* Nothing piles up behind it, and nobody waits again. */
	world->window.link.deadline_ms = NEVER_MS;
	for (int i = 0; i < 100; i++) {
		store(world, BPMP_WINDOW_RETURN, 4, 0);
		trigger(world);
		failed(world);
	}
	cr_assert_lt(recv(world->worker, &next, sizeof(next), MSG_DONTWAIT), 0);

	/* The late answer is nobody's; with it the host is back. */
	answer(world, request.sequence, 0x111);
	store(world, BPMP_WINDOW_RX_SIZE, 8, 4);
	next = triggered(world, &vcpu);
	answer(world, next.sequence, 0x222);
	pthread_join(vcpu, NULL);
	cr_assert_eq(load(world, BPMP_WINDOW_RX, 4), 0x222);
	cr_assert_eq(load(world, BPMP_WINDOW_RETURN, 4), 0);
}

Test(bpmp_window_device, a_vm_that_stops_does_not_wait_for_the_host)
{
	struct world *world = setup();
	int64_t began = now_ms();
	pthread_t vcpus[2];

	world->window.link.grace_ms = 100;
	triggered(world, &vcpus[0]);
	cr_assert_eq(pthread_create(&vcpus[1], NULL, trigger, world), 0);
	leave(world);
	pthread_join(vcpus[0], NULL);
	pthread_join(vcpus[1], NULL);
	failed(world);
	cr_assert_lt(now_ms() - began, NEVER_MS / 2);
}

/* A VM that is merely paused lets a request end that takes no longer than they do. */
Test(bpmp_window_device, a_request_under_way_may_end_while_vcpus_leave)
{
	struct world *world = setup();
	struct bpmp_window_request request;
	pthread_t vcpu;

	world->window.link.grace_ms = NEVER_MS;
	store(world, BPMP_WINDOW_RX_SIZE, 8, 4);
	leave(world);
	request = triggered(world, &vcpu);
	answer(world, request.sequence, 5);
	pthread_join(vcpu, NULL);
	cr_assert_eq(load(world, BPMP_WINDOW_RX, 4), 5);
}

Test(bpmp_window_device, what_is_no_answer_ends_the_vm)
{
	struct world *world = setup();
	struct bpmp_window_request request;
	pthread_t vcpu;

	request = triggered(world, &vcpu);
	answer(world, request.sequence + 1, 0);
	pthread_join(vcpu, NULL);
	failed(world);
	cr_assert_not_null(strstr(fake_trace_text(), "sent what is no answer"));
	fake_trace_clear();
	bpmp_window_link_reset(&world->window.link);
	triggered(world, &vcpu);
	cr_assert_eq(send(world->worker, &request, 7, 0), 7);
	pthread_join(vcpu, NULL);
	failed(world);
	cr_assert_not_null(strstr(fake_trace_text(), "sent what is no answer"));
}

/* Its death is the supervisor's to notice. */
Test(bpmp_window_device, a_worker_that_is_gone)
{
	struct world *world = setup();
	pthread_t vcpu;

	triggered(world, &vcpu);
	close(world->worker);
	pthread_join(vcpu, NULL);
	failed(world);
	store(world, BPMP_WINDOW_RETURN, 4, 0);
	trigger(world);
	failed(world);
	cr_assert_str_empty(fake_trace_text());
}

struct worker_world {
	struct bpmp_model model;
	struct bpmp_worker worker;
	int machine, requests;
};

static void *serve(void *argument)
{
	struct worker_world *world = argument;

	bpmp_worker_serve(&world->worker);
	close(world->worker.socket);
	close(world->worker.requests);
	return NULL;
}

static void tell(struct worker_world *world, uint32_t type)
{
	struct bpmp_message message = { .type = type, .ids = model_ids() };

	cr_assert_eq(send(world->machine, &message, sizeof(message), 0), sizeof(message));
}

static void heard(struct worker_world *world, uint32_t type)
{
	struct bpmp_message message;

	cr_assert_eq(recv(world->machine, &message, sizeof(message), 0), sizeof(message));
	cr_assert_eq(message.type, type);
}

static pthread_t start_worker(struct worker_world *world)
{
	int sockets[2], requests[2];
	pthread_t thread;

	fake_log_capture();
	memset(world, 0, sizeof(*world));
	model_init(&world->model);
	world->model.quiet = true;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, requests), 0);
	world->machine = sockets[0];
	world->requests = requests[0];
	world->worker.socket = sockets[1];
	world->worker.journal_fd = -1;
	world->worker.requests = requests[1];
	world->worker.doorbell = world->worker.answer = -1;
	world->worker.host = &world->model.host;
	cr_assert_eq(pthread_create(&thread, NULL, serve, world), 0);
	tell(world, BPMP_MESSAGE_CONFIGURE);
	heard(world, BPMP_MESSAGE_READY);
	tell(world, BPMP_MESSAGE_GUEST_STARTS);
	return thread;
}

static struct bpmp_window_request enable_155(uint32_t sequence)
{
	struct bpmp_request clk = bpmp_clk_request(BPMP_CLK_ENABLE, 155);
	struct bpmp_window_request request = {
		.sequence = sequence, .mrq = clk.mrq, .size = clk.size
	};

	memcpy(request.data, clk.data, clk.size);
	return request;
}

Test(bpmp_window_device, a_worker_serves_and_puts_back)
{
	struct worker_world world;
	struct bpmp_window_request request = enable_155(4);
	struct bpmp_window_answer reply;
	pthread_t thread = start_worker(&world);

	fake_trace_clear();
	for (int guest = 0; guest < 3; guest++) {
		cr_assert_eq(send(world.requests, &request, sizeof(request), 0), sizeof(request));
		cr_assert_eq(recv(world.requests, &reply, sizeof(reply), 0), sizeof(reply));
		cr_assert(reply.sequence == 4 && reply.code == 0 && reply.size == 0);
		cr_assert_eq(model_clock(&world.model, 155)->enables, 2);
		tell(&world, BPMP_MESSAGE_RESTORE);
		heard(&world, BPMP_MESSAGE_RESTORED);
		cr_assert_eq(model_clock(&world.model, 155)->enables, 1);
		tell(&world, BPMP_MESSAGE_GUEST_STARTS);
	}
	cr_assert_eq(send(world.requests, &request, sizeof(request), 0), sizeof(request));
	cr_assert_eq(recv(world.requests, &reply, sizeof(reply), 0), sizeof(reply));
	close(world.machine); /* the machine is gone */
	pthread_join(thread, NULL);
	cr_assert_eq(model_clock(&world.model, 155)->enables, 1);
}

Test(bpmp_window_device, a_packet_that_is_no_request_ends_the_worker)
{
	struct worker_world world;
	struct bpmp_window_request request = enable_155(4);
	pthread_t thread = start_worker(&world);

	cr_assert_eq(send(world.requests, &request, sizeof(request) - 1, 0), sizeof(request) - 1);
	pthread_join(thread, NULL);
	cr_assert_eq(model_clock(&world.model, 155)->enables, 1);
}

/* A guest that is gone had asked, and the worker had not got to it. */
Test(bpmp_window_device, old_requests_are_forgotten)
{
	struct world *world = setup();
	struct bpmp_window_request request = enable_155(9);

	cr_assert_eq(send(world->window.link.fd, &request, sizeof(request), 0), sizeof(request));
	cr_assert_eq(send(world->window.link.fd, &request, sizeof(request), 0), sizeof(request));
	bpmp_window_discard(world->worker);
	cr_assert_lt(recv(world->worker, &request, sizeof(request), MSG_DONTWAIT), 0);

	world->window.link.overdue = true;
	answer(world, 1, 2);
	answer(world, 3, 4);
	bpmp_window_link_reset(&world->window.link);
	cr_assert_not(world->window.link.overdue);
	cr_assert_lt(recv(world->window.link.fd, &request, sizeof(request), MSG_DONTWAIT), 0);
}

Test(bpmp_window_device, the_nodes_that_patched_guests_want)
{
	struct machine machine = { .bpmp_phandle = 77 };
	static const char *const cells[] = { "#clock-cells", "#reset-cells",
		"#power-domain-cells" };
	struct bpmp_window_device window;
	struct fdt_builder fdt;
	const void *value;
	int node, length;
	size_t size;
	void *blob;

	bpmp_window_device_init(&window, &machine, 0x1090c0000);
	fdt_builder_start(&fdt);
	cr_assert_eq(bpmp_window_describe(&window.device, &fdt), 0);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), 0);
	node = fdt_path_offset(blob, "/bpmp");
	cr_assert_geq(node, 0);
	value = fdt_getprop(blob, node, "virtual-pa", &length);
	cr_assert_eq(length, 8);
	cr_assert_eq(memcmp(value, "\0\0\0\1\x09\x0c\0\0", 8), 0);
	value = fdt_getprop(blob, node, "compatible", &length);
	cr_assert_eq(length, sizeof("nvidia,tegra234-bpmp") + sizeof("nvidia,tegra186-bpmp"));
	cr_assert_str_eq(value, "nvidia,tegra234-bpmp");
	cr_assert_eq(fdt_node_check_compatible(blob, node, "nvidia,tegra186-bpmp"), 0);
	for (int i = 0; i < 3; i++) {
		value = fdt_getprop(blob, node, cells[i], &length);
		cr_assert_eq(length, 4);
		cr_assert_eq(memcmp(value, "\0\0\0\1", 4), 0);
	}
	cr_assert_eq(fdt_get_phandle(blob, node), 77);
	cr_assert_null(fdt_getprop(blob, node, "mboxes", NULL));
	cr_assert_null(fdt_getprop(blob, node, "shmem", NULL));
	node = fdt_path_offset(blob, "/__symbols__");
	cr_assert_str_eq(fdt_getprop(blob, node, "bpmp", &length), "/bpmp");
	free(blob);
}

static void note_clean(uintptr_t at, size_t size, bool invalidate)
{
	struct world *world = setup_done;

	fake_trace("%s %zx %zu", invalidate ? "invalidate" : "clean",
		(size_t)(at - (uintptr_t)world->window.window.bytes), size);
}

/* Loads from a memory slot, stores but for the trigger's through KVM's ring, again in each VM; and
 * each change is cleaned to where the guest looks, the size and the code after the payload. */
Test(bpmp_window_device, the_fast_path)
{
	struct world *world = setup();
	struct bpmp_window_request request;
	struct kvm_vm kvm = { .fd = -1 };
	pthread_t vcpu;

	world->machine.kvm = &kvm;
	cr_assert_eq(bpmp_window_attach(&world->window.device), 0);
	cr_assert_str_empty(fake_trace_text(), "not on the trapping path");
	cr_assert_eq(bpmp_window_make_fast(&world->window), 0);
	world->window.page.size = 0x1000; /* whatever this host's is */
	for (int boot = 0; boot < 2; boot++) {
		fake_trace_clear();
		cr_assert_eq(bpmp_window_attach(&world->window.device), 0);
		cr_assert_str_eq(fake_trace_text(),
			"kvm map 0x90d0000 0x1000 ro\n"
			"kvm coalesce 0x90d0000 0x500\n"
			"kvm coalesce 0x90d0508 0xf8\n");
	}

	setup_done = world;
	fake_cache = note_clean;
	fake_trace_clear();
	store(world, BPMP_WINDOW_TX_SIZE, 8, 4);
	store(world, BPMP_WINDOW_TX + 8, 8, 0); /* as it was: nothing to clean */
	store(world, BPMP_WINDOW_RX_SIZE, 8, 100);
	store(world, BPMP_WINDOW_RETURN, 4, 1);
	request = triggered(world, &vcpu);
	answer(world, request.sequence, 0x222);
	pthread_join(vcpu, NULL);
	cr_assert_str_eq(fake_trace_text(),
		"clean 400 8\nclean 408 8\nclean 410 4\n"
		"clean 200 4\nclean 408 8\nclean 410 4\n");
	cr_assert_eq(world->window.page.bytes[BPMP_WINDOW_RX + 1], 2, "where the guest reads");
}

Test(bpmp_window_device, a_kvm_that_does_not_coalesce)
{
	struct world *world = setup();
	struct kvm_vm kvm = { .fd = -1 };

	world->machine.kvm = &kvm;
	cr_assert_eq(bpmp_window_make_fast(&world->window), 0);
	fake_kvm_results.coalesce = -EOPNOTSUPP;
	cr_assert_eq(bpmp_window_attach(&world->window.device), 0);
	fake_kvm_results.coalesce = -EINVAL;
	cr_assert_eq(bpmp_window_attach(&world->window.device), -EINVAL);
	fake_kvm_results.coalesce = 0;
	fake_kvm_results.map = -ENOSPC;
	cr_assert_eq(bpmp_window_attach(&world->window.device), -ENOSPC);
}
