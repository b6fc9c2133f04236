/* SPDX-License-Identifier: Apache-2.0 */
/* A name server on the host's loopback, as systemd-resolved's: every name is 192.0.2.7. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) }, from;
	/* RFC 1035, 4.1.3: the question's name, A, IN, 60 s, 4 bytes. */
	static const unsigned char answer[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2,
		7 };
	unsigned char message[512 + sizeof(answer)];
	socklen_t size = sizeof(from);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	ssize_t length;

	inet_pton(AF_INET, "127.0.0.53", &address.sin_addr);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("127.0.0.53");
		return 1;
	}
	puts("serving");
	fflush(stdout);
	while ((length = recvfrom(fd, message, 512, 0, (struct sockaddr *)&from, &size)) > 16) {
		/* The last question is the message's end; one for an A is answered, others are
		 * empty. */
		int known = message[length - 3] == 1;

		message[2] |= 0x80;
		message[7] = (unsigned char)known;
		if (known)
			memcpy(message + length, answer, sizeof(answer));
		sendto(fd, message, (size_t)length + (known ? sizeof(answer) : 0), 0,
			(struct sockaddr *)&from, size);
	}
	return 1;
}
