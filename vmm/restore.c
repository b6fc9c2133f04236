/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/restore.h"

#include "devices/bpmp/bpmp.h"
#include "vmm/base/log.h"
#include "vmm/base/worker.h"
#include "vmm/machine.h"
#include "vmm/options_check.h"

#include <stdlib.h>

int restore_main(int argc, char **argv)
{
	if (argc != 2 || !options_name_fits(argv[1])) {
		log_error("give the name of one VM, as its --name was: bpmp-vmm restore NAME");
		return EXIT_USAGE;
	}
	unsetenv(WORKER_UNJAILED_VARIABLE);
	return bpmp_restore_vm(argv[1]) < 0 ? EXIT_HOST : EXIT_POWERED_OFF;
}
