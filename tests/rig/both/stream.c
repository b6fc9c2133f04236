/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes over a socket, there and back, on host and guest alike.
 *
 *   rig-stream serve ADDRESS                 echoes what each connection sends, one after the other
 *   rig-stream call ADDRESS TOTAL CHUNK      sends TOTAL random bytes, CHUNK at a time, and waits
 * for each chunk to come back the same
 *
 * ADDRESS is vsock:CID:PORT or tcp:IPV4:PORT; serve takes any CID ("any") or 0.0.0.0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
	struct sockaddr any;
	struct sockaddr_vm vm;
	struct sockaddr_in in;
};

static void die(const char *what)
{
	fprintf(stderr, "rig-stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(const char *text, union address *address, socklen_t *size)
{
	char host[64];
	unsigned int port;
	int fd, one = 1;

	memset(address, 0, sizeof(*address));
	if (sscanf(text, "vsock:%63[^:]:%u", host, &port) == 2) {
		address->vm.svm_family = AF_VSOCK;
		address->vm.svm_cid =
			strcmp(host, "any") == 0 ? VMADDR_CID_ANY : (unsigned int)atoi(host);
		address->vm.svm_port = port;
		*size = sizeof(address->vm);
	} else if (sscanf(text, "tcp:%63[^:]:%u", host, &port) == 2) {
		address->in.sin_family = AF_INET;
		address->in.sin_port = htons((uint16_t)port);
		if (inet_pton(AF_INET, host, &address->in.sin_addr) != 1)
			die(host);
		*size = sizeof(address->in);
	} else {
		errno = EINVAL;
		die(text);
	}
	fd = socket(address->any.sa_family, SOCK_STREAM, 0);
	if (fd < 0)
		die("socket");
	if (address->any.sa_family == AF_INET) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	return fd;
}

static int send_all(int fd, const unsigned char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static void serve(const char *text)
{
	static unsigned char data[65536];
	union address address;
	socklen_t size;
	int fd = open_socket(text, &address, &size);

	if (bind(fd, &address.any, size) < 0 || listen(fd, 4) < 0)
		die(text);
	printf("serving\n");
	fflush(stdout);
	for (;;) {
		int client = accept(fd, NULL, NULL);
		ssize_t n;

		if (client < 0)
			die("accept");
		while ((n = recv(client, data, sizeof(data), 0)) > 0)
			if (send_all(client, data, (size_t)n) < 0)
				break;
		close(client);
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 24;
}

static void call(const char *text, unsigned long total, unsigned long chunk)
{
	unsigned char *sent = malloc(chunk), *back = malloc(chunk);
	uint32_t random = 12345;
	union address address;
	socklen_t size;
	int fd = open_socket(text, &address, &size);

	if (sent == NULL || back == NULL || chunk == 0)
		die("chunk");
	if (connect(fd, &address.any, size) < 0)
		die(text);
	for (unsigned long done = 0; done < total; done += chunk) {
		for (unsigned long i = 0; i < chunk; i++)
			sent[i] = (unsigned char)next_random(&random);
		if (send_all(fd, sent, chunk) < 0)
			die("send");
		for (unsigned long have = 0; have < chunk;) {
			ssize_t n = recv(fd, back + have, chunk - have, 0);

			if (n <= 0)
				die("recv");
			have += (unsigned long)n;
		}
		if (memcmp(sent, back, chunk) != 0) {
			fprintf(stderr, "rig-stream: chunk at %lu came back changed\n", done);
			exit(1);
		}
	}
	printf("%lu bytes came back the same\n", total);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	else if (argc == 5 && strcmp(argv[1], "call") == 0)
		call(argv[2], strtoul(argv[3], NULL, 0), strtoul(argv[4], NULL, 0));
	else
		fprintf(stderr, "usage: rig-stream serve ADDRESS | call ADDRESS TOTAL CHUNK\n");
	return argc == 5 ? 0 : 2;
}
