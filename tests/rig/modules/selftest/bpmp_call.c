/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bpmp_call.h"

void prepare(struct call *call, uint32_t mrq, unsigned int words, const uint32_t *tx,
	unsigned int answer)
{
	memset(call->rx, 0xee, sizeof(call->rx));
	memset(call->tx, 0, sizeof(call->tx));
	memcpy(call->tx, tx, words * sizeof(*tx));
	call->wire = (struct wire){
		.mrq = mrq,
		.tx_data = (uintptr_t)call->tx,
		.tx_size = words * sizeof(*tx),
		.rx_data = (uintptr_t)call->rx,
		.rx_size = answer,
		.ret = 12345,
	};
}

int submit(struct call *call)
{
	ssize_t done = write(call->fd, &call->wire, sizeof(call->wire));

	if (done < 0)
		return errno;
	return done == sizeof(call->wire) ? 0 : EINTR;
}

int request(struct call *call, uint32_t mrq, uint32_t w0, uint32_t w1, uint32_t w2)
{
	const uint32_t tx[] = { w0, w1, w2 };

	prepare(call, mrq, 3, tx, 120);
	return submit(call);
}

int clock_request(struct call *call, unsigned int command, uint32_t id, int64_t argument)
{
	uint32_t tx[4] = { command << 24 | id, 0, 0, 0 };

	if (command == SET_PARENT)
		tx[1] = (uint32_t)argument;
	else
		memcpy(&tx[2], &argument, sizeof(argument));
	prepare(call, CLK, 4, tx, 120);
	return submit(call);
}
