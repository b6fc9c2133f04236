/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/bpmp.h"
#include "devices/serial/serial.h"
#include "devices/virtio/balloon.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console.h"
#include "devices/virtio/net.h"
#include "devices/virtio/net_control.h"
#include "devices/virtio/rng.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/check_main.h"
#include "vmm/control_client.h"
#include "vmm/kernel_unpack.h"
#include "vmm/layout_main.h"
#include "vmm/machine.h"
#include "vmm/options.h"
#include "vmm/options_check.h"
#include "vmm/restore.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* What this executable is when the machine starts it afresh as `bpmp-vmm worker KIND`. */
static const struct {
	const char *kind;
	int (*main)(int argc, char **argv);
} workers[] = {
	{ "console", console_worker_main },
	{ "rng", rng_worker_main },
	{ "balloon", balloon_worker_main },
	{ "block", block_worker_main },
	{ "net", net_worker_main },
	{ "net-control", net_control_worker_main },
	{ "bpmp", bpmp_worker_main },
	{ "bpmp-proxy", bpmp_proxy_worker_main },
	{ "guard", bpmp_guard_main },
	{ "unpack", unpack_worker_main },
	{ "serial", serial_worker_main },
};

/* The machine's log level and format, a digit each (vmm/base/worker.c). */
static void log_as_the_machine(const char *digits)
{
	if (digits[0] >= '0' && digits[0] <= '0' + LOG_DEBUG)
		log_set_level((enum log_level)(digits[0] - '0'));
	if (digits[0] && digits[1] >= '0' && digits[1] <= '0' + LOG_JOURNAL)
		log_set_format((enum log_format)(digits[1] - '0'));
}

static int run_worker(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		if (strcmp(workers[i].kind, argv[2]) == 0) {
			log_set_process(workers[i].kind);
			if (argc > 3)
				log_as_the_machine(argv[3]);
			return workers[i].main(argc, argv);
		}
	}
	log_error("no such worker: %s", argv[2]);
	return EXIT_USAGE;
}

/* A service may start us with 0, 1 or 2 closed; nothing else may then get these numbers. */
static bool have_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return fd >= 0;
}

static int run_main(int argc, char **argv)
{
	enum options_result result;
	struct options options;

	result = options_parse(&options, argc, argv);
	if (result != OPTIONS_RUN)
		return options_exit_status(result);
	options_take_effect(&options);
	if (options.json) {
		log_error("--json is for layout and status; a VM that runs prints nothing");
		return EXIT_USAGE;
	}
	return machine_run(&options);
}

/* What may stand before the options; without one it is run. argv[0] is the verb. */
static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} verbs[] = {
	{ "run", run_main },
	{ "check", check_main },
	{ "layout", layout_main },
	{ "status", control_client_main },
	{ "pause", control_client_main },
	{ "resume", control_client_main },
	{ "powerdown", control_client_main },
	{ "stop", control_client_main },
	{ "balloon", control_client_main },
	{ "resize", control_client_main },
	{ "restore", restore_main },
};

static int unknown_verb(const char *word)
{
	const char *names[ARRAY_SIZE(verbs)], *close;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	close = value_suggest(word, names, ARRAY_SIZE(names));
	if (close)
		log_error("unknown command '%.200s'; did you mean '%s'?", word, close);
	else
		log_error("'%.200s' is no command and no option; see bpmp-vmm --help", word);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "worker") == 0)
		return run_worker(argc, argv);
	if (!have_standard_descriptors()) {
		log_error("/dev/null cannot be opened");
		return EXIT_HOST;
	}
	/* Ignored, as a shell may pass it on, no child could be waited for. */
	signal(SIGCHLD, SIG_DFL);
	if (argc < 2 || argv[1][0] == '-')
		return run_main(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].main(argc - 1, argv + 1);
	return unknown_verb(argv[1]);
}
