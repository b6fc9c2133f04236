/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig's hand on the host: runs several shell commands at once, each with its own pseudo
 * terminal or pipes, over one character device (a virtio-serial port or a UART).
 *
 *   agent DEVICE
 *
 * Frames both ways: type, session, length (two bytes, low one first), payload. mux.py is the other
 * end. Bytes are never lost: the rig keeps at most WINDOW bytes of a session unacknowledged.
 *
 *   to the host    S command (first byte: 't' pseudo terminal, 'p' pipes), I input, E end of input
 *                  (pipes), K signal number for the session's process group
 *   from the host  H hello, O output, A number of input bytes taken (u32), X wait status (u32)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define SESSIONS 32
#define WINDOW	 8192
#define CHUNK	 4096
#define HEADER	 4
#define FRAME	 (HEADER + WINDOW)

struct session {
	pid_t pid; /* 0: free */
	int in, out;
	size_t pending; /* of `input`, not yet taken by the command */
	int end_of_input;
	unsigned char input[WINDOW];
};

struct agent {
	int channel;
	size_t received;
	unsigned char frame[FRAME];
	struct session sessions[SESSIONS];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void send_frame(const struct agent *agent, char type, int id, const void *data, size_t size)
{
	unsigned char frame[HEADER + CHUNK] = { (unsigned char)type, (unsigned char)id,
		(unsigned char)size, (unsigned char)(size >> 8) };
	size_t sent = 0;

	memcpy(frame + HEADER, data, size);
	while (sent < HEADER + size) {
		ssize_t n = write(agent->channel, frame + sent, HEADER + size - sent);

		if (n > 0) {
			sent += (size_t)n;
		} else if (errno == EAGAIN || errno == EINTR) {
			struct pollfd writable = { .fd = agent->channel, .events = POLLOUT };

			poll(&writable, 1, -1);
		} else {
			die("agent: write");
		}
	}
}

static void start(struct session *session, const unsigned char *payload, size_t size)
{
	static const int defaults[] = { SIGPIPE, SIGINT, SIGQUIT };
	char command[FRAME];
	int in[2], out[2];

	memcpy(command, payload + 1, size - 1);
	command[size - 1] = 0;
	if (payload[0] == 't') {
		struct winsize window = { .ws_row = 24, .ws_col = 80 };

		session->pid = forkpty(&session->in, NULL, NULL, &window);
		session->out = session->in;
	} else {
		if (pipe(in) || pipe(out))
			die("agent: pipe");
		session->pid = fork();
		if (session->pid == 0) {
			setsid();
			dup2(in[0], 0);
			dup2(out[1], 1);
			dup2(out[1], 2);
		} else {
			close(in[0]);
			close(out[1]);
			session->in = in[1];
			session->out = out[0];
		}
	}
	if (session->pid < 0)
		die("agent: fork");
	if (session->pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* Ours, and what a shell ignores in a program that it starts in the background. */
		for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
			signal(defaults[i], SIG_DFL);
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		die("agent: /bin/sh");
	}
	session->pending = 0;
	session->end_of_input = 0;
	fcntl(session->in, F_SETFL, O_NONBLOCK);
	fcntl(session->out, F_SETFL, O_NONBLOCK);
}

static void handle_frame(struct agent *agent, const unsigned char *frame, size_t size)
{
	struct session *session = &agent->sessions[frame[1] % SESSIONS];
	const unsigned char *payload = frame + HEADER;

	if (frame[0] == 'S' && !session->pid && size) {
		start(session, payload, size);
	} else if (frame[0] == 'I' && session->pid && size <= WINDOW - session->pending) {
		memcpy(session->input + session->pending, payload, size);
		session->pending += size;
	} else if (frame[0] == 'E' && session->pid) {
		session->end_of_input = 1;
	} else if (frame[0] == 'K' && session->pid && size) {
		kill(-session->pid, payload[0]);
	}
}

static void read_channel(struct agent *agent)
{
	ssize_t n = read(agent->channel, agent->frame + agent->received, FRAME - agent->received);
	size_t at = 0;

	if (n <= 0) {
		if (n < 0 && errno != EAGAIN)
			die("agent: read");
		usleep(10000); /* the rig is not connected: poll() returns at once */
		return;
	}
	agent->received += (size_t)n;
	while (agent->received - at >= HEADER) {
		unsigned char *frame = agent->frame + at;
		size_t size = (size_t)frame[2] | (size_t)frame[3] << 8;

		if (size > WINDOW) {
			fprintf(stderr, "agent: a frame of %zu bytes\n", size);
			exit(1);
		}
		if (agent->received - at < HEADER + size)
			break;
		handle_frame(agent, frame, size);
		at += HEADER + size;
	}
	memmove(agent->frame, agent->frame + at, agent->received - at);
	agent->received -= at;
}

static void feed(struct agent *agent, int id)
{
	struct session *session = &agent->sessions[id];
	ssize_t n = 0;
	uint32_t taken;

	if (session->in < 0)
		return;
	if (session->pending)
		n = write(session->in, session->input, session->pending);
	if (n < 0 && errno != EAGAIN)
		n = (ssize_t)session->pending; /* nobody will read it */
	if (n > 0) {
		session->pending -= (size_t)n;
		memmove(session->input, session->input + n, session->pending);
		taken = (uint32_t)n;
		send_frame(agent, 'A', id, &taken, sizeof(taken));
	}
	if (session->end_of_input && !session->pending && session->in != session->out) {
		close(session->in);
		session->in = -1;
	}
}

/* Passes on one chunk of output. Returns 0 when there is none now. */
static int pass_on(const struct agent *agent, int id)
{
	unsigned char chunk[CHUNK];
	ssize_t n = read(agent->sessions[id].out, chunk, sizeof(chunk));

	if (n <= 0)
		return 0;
	send_frame(agent, 'O', id, chunk, (size_t)n);
	return 1;
}

static void reap(struct agent *agent)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int id = 0; id < SESSIONS; id++) {
			struct session *session = &agent->sessions[id];
			uint32_t reported = (uint32_t)status;

			if (session->pid != pid)
				continue;
			while (pass_on(agent, id))
				;
			if (session->in >= 0)
				close(session->in);
			if (session->out != session->in)
				close(session->out);
			session->pid = 0;
			send_frame(agent, 'X', id, &reported, sizeof(reported));
		}
	}
}

static void serve(struct agent *agent)
{
	struct pollfd polls[1 + SESSIONS];
	sigset_t none;

	sigemptyset(&none);
	for (int id = 0; id < SESSIONS; id++) {
		struct session *session = &agent->sessions[id];

		polls[1 + id] =
			(struct pollfd){ .fd = session->pid ? session->out : -1, .events = POLLIN };
	}
	polls[0] = (struct pollfd){ .fd = agent->channel, .events = POLLIN };
	/* Input that a full pipe or terminal refused is offered again every 10 ms. */
	struct timespec wait = { .tv_nsec = 10000000 };
	int waiting = 0;

	for (int id = 0; id < SESSIONS; id++)
		waiting |= agent->sessions[id].pid && agent->sessions[id].pending;
	ppoll(polls, 1 + SESSIONS, waiting ? &wait : NULL, &none);

	if (polls[0].revents)
		read_channel(agent);
	for (int id = 0; id < SESSIONS; id++) {
		if (!agent->sessions[id].pid)
			continue;
		feed(agent, id);
		/* A terminal hangs up before its command is reaped: leave the CPU to others. */
		if (polls[1 + id].revents && !pass_on(agent, id))
			usleep(1000);
	}
	reap(agent);
}

static void on_child(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	static struct agent agent;
	struct sigaction action = { .sa_handler = on_child };
	struct termios raw;
	sigset_t child;

	if (argc != 2)
		return 2;
	agent.channel = open(argv[1], O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (agent.channel < 0)
		die(argv[1]);
	if (!tcgetattr(agent.channel, &raw)) {
		cfmakeraw(&raw);
		cfsetspeed(&raw, B1500000);
		raw.c_cflag |= CLOCAL | CREAD;
		tcsetattr(agent.channel, TCSANOW, &raw);
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	send_frame(&agent, 'H', 0, "agent", 5);
	for (;;)
		serve(&agent);
}
