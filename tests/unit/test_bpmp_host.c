/* SPDX-License-Identifier: Apache-2.0 */
/* The 48-byte write(): its layout byte by byte, short writes, and every errno. */
#include "devices/bpmp/host.h"
#include "devices/bpmp/message.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

/* What the fake kernel saw, and what it does. One test, one process. */
static struct {
	size_t size;
	struct bpmp_host_wire wire;
	uint8_t tx[512], rx[512];
	int error;
	ssize_t result;
	uint64_t rx_size;
	int32_t rx_return;
} kernel;

/* As bpmp-host-proxy.c: copies in request and answer buffer, writes all of them back. */
static ssize_t fake_write(int fd, const void *data, size_t size)
{
	struct bpmp_host_wire *wire = (struct bpmp_host_wire *)(uintptr_t)data;

	cr_assert_eq(fd, 42);
	kernel.size = size;
	memcpy(&kernel.wire, wire, sizeof(kernel.wire));
	memcpy(kernel.tx, (void *)(uintptr_t)wire->tx_data, wire->tx_size);
	memcpy(kernel.rx, (void *)(uintptr_t)wire->rx_data, wire->rx_size);
	if (kernel.error) {
		errno = kernel.error;
		return -1;
	}
	memset((void *)(uintptr_t)wire->rx_data, 0x5a,
		kernel.rx_size < wire->rx_size ? kernel.rx_size : wire->rx_size);
	memset((void *)(uintptr_t)wire->tx_data, 0xee, wire->tx_size);
	wire->rx_size = kernel.rx_size;
	wire->rx_return = kernel.rx_return;
	return kernel.result;
}

static int transfer(const struct bpmp_request *request, struct bpmp_response *response)
{
	struct bpmp_host_node node;

	bpmp_host_node_init(&node, 42);
	node.write = fake_write;
	return node.host.transfer(&node.host, request, response);
}

Test(bpmp_host, one_transaction)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_RATE, 155), before = request;
	struct bpmp_response response = { .size = 8 };
	static const uint8_t zero[8];

	kernel.result = 48;
	kernel.rx_size = 8;
	kernel.rx_return = -13;
	cr_assert_eq(transfer(&request, &response), 0);
	cr_assert_eq(kernel.size, 48);
	cr_assert_eq(kernel.wire.mrq, 22);
	cr_assert_eq(kernel.wire.tx_size, 16);
	cr_assert_eq(kernel.wire.rx_size, 8);
	cr_assert_eq(memcmp(kernel.tx, request.data, 16), 0);
	cr_assert_eq(memcmp(kernel.rx, zero, 8), 0, "the answer's buffer goes in clean");
	cr_assert_neq(kernel.wire.tx_data, (uintptr_t)request.data, "a private buffer");
	cr_assert_eq(memcmp(&request, &before, sizeof(request)), 0);
	cr_assert_eq(response.error, -13);
	cr_assert_eq(response.size, 8);
	cr_assert_eq(response.data[7], 0x5a);
	cr_assert_eq(response.data[8], 0);
}

Test(bpmp_host, no_payload_either_way)
{
	struct bpmp_request request = { .mrq = BPMP_MRQ_QUERY_FW_TAG };
	struct bpmp_response response = { .size = 0 };

	kernel.result = 48;
	cr_assert_eq(transfer(&request, &response), 0);
	cr_assert_eq(kernel.wire.tx_size, 0);
	cr_assert_eq(response.size, 0);
}

Test(bpmp_host, what_a_kernel_must_not_do)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_RATE, 155);
	struct bpmp_response response = { .size = 8 };

	kernel.rx_size = 8;
	for (kernel.result = 0; kernel.result < 48; kernel.result++) {
		response.size = 8;
		cr_assert_eq(
			transfer(&request, &response), -EIO, "a write of %zd bytes", kernel.result);
	}
	kernel.result = 48;
	kernel.rx_size = 9;
	response.size = 8;
	cr_assert_eq(transfer(&request, &response), -EIO, "more than there was room for");
	kernel.rx_size = UINT64_MAX;
	cr_assert_eq(transfer(&request, &response), -EIO);
}

Test(bpmp_host, sizes_beyond_a_message_go_nowhere)
{
	struct bpmp_request request = { .mrq = 0, .size = BPMP_DATA_SIZE + 1 };
	struct bpmp_response response = { .size = 0 };

	cr_assert_eq(transfer(&request, &response), -EINVAL);
	request.size = 4;
	response.size = BPMP_DATA_SIZE + 1;
	cr_assert_eq(transfer(&request, &response), -EINVAL);
	cr_assert_eq(kernel.size, 0, "write() was not called");
}

/*
 * `say`: what the log must name. Generations of the node (docs/architecture.md): those since July
 * 2026 tell causes apart; older ones say EINVAL for everything but a missing BPMP, which is EFAULT.
 */
Test(bpmp_host, every_errno_has_its_meaning_for_the_guest)
{
	static const struct {
		int error, bpmp;
		bool doubt;
		const char *say;
	} table[] = {
		{ EPERM, BPMP_EACCES, false, "add 155 to allowed-clocks" },
		{ EACCES, BPMP_EACCES, false, "add 155 to allowed-clocks" },
		{ EINVAL, BPMP_EINVAL, true, "older one" },
		{ ENODEV, BPMP_ENODEV, false, "no BPMP at hand" },
		{ ENXIO, BPMP_ENODEV, false, "no BPMP at hand" },
		{ EFAULT, BPMP_ENODEV, true, "no BPMP at hand" },
		{ ETIMEDOUT, BPMP_ETIMEDOUT, true, "does not answer" },
		{ ETIME, BPMP_ETIMEDOUT, true, "does not answer" },
		{ EAGAIN, BPMP_EAGAIN, false, "suspended" },
		{ EINTR, BPMP_EAGAIN, true, "error 4" },
		{ EBUSY, BPMP_EBUSY, false, "no free channel" },
		{ ENOMEM, BPMP_ENOMEM, false, "out of memory" },
		{ EOVERFLOW, BPMP_EIO, true, "an answer that is none" },
		{ EIO, BPMP_EIO, true, "an answer that is none" },
		{ EBADF, BPMP_EIO, false, "error 9" },
		{ ENOSPC, BPMP_EIO, true, "error 28" },
	};
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_RATE, 155);
	struct bpmp_call call = bpmp_call_of(&request);
	struct bpmp_response response = { .size = 8 };
	char text[160];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		kernel.error = table[i].error;
		response.size = 8;
		cr_assert_eq(transfer(&request, &response), -table[i].error);
		cr_assert_eq(bpmp_error_of_errno(table[i].error), table[i].bpmp, "errno %d",
			table[i].error);
		cr_assert_eq(bpmp_errno_leaves_doubt(table[i].error), table[i].doubt, "errno %d",
			table[i].error);
		bpmp_host_failure(&call, table[i].error, text, sizeof(text));
		cr_assert_not_null(
			strstr(text, table[i].say), "errno %d: %s", table[i].error, text);
	}
	/* Whatever it is, the guest's driver gets an error and never a success. */
	for (int error = 1; error < 4096; error++)
		cr_assert_gt(bpmp_error_of_errno(error), 0);
}

Test(bpmp_host, a_denial_names_the_list_that_it_is_about)
{
	static const struct {
		struct bpmp_call call;
		const char *say;
	} table[] = {
		{ { BPMP_MRQ_CLK, BPMP_CLK_ENABLE, 91 }, "add 91 to allowed-clocks" },
		{ { BPMP_MRQ_RESET, BPMP_RESET_ASSERT, 7 }, "add 7 to allowed-resets" },
		{ { BPMP_MRQ_PG, BPMP_PG_SET_STATE, 3 }, "add 3 to allowed-power-domains" },
		{ { BPMP_MRQ_DEBUG, 0, 0 }, "lets no VM send such requests" },
	};
	char text[160];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		cr_assert_not_null(
			strstr(bpmp_host_failure(&table[i].call, EPERM, text, sizeof(text)),
				table[i].say),
			"%s", text);
}
