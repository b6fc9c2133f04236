/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A runner in the place of Criterion's, which does not get along with the thread sanitizer's layout
 * of memory, and which starts the program anew for each test: tests/mutate has no time for that.
 *
 *     unit [--fail-fast] [PATTERN]...    tests of which SUITE/TEST matches, as fnmatch(3) has it
 *
 * Each test is a process, AT_ONCE run at a time. A test fails with an assertion, a race, a signal,
 * or after PATIENCE times its time. What the tests want of Criterion beside its text functions is
 * here.
 */
#if defined(__SANITIZE_THREAD__) || defined(PLAIN_RUNNER)

#include <criterion/criterion.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
#define AT_ONCE	 2
#define PATIENCE 10 /* times what a test may take: the sanitizer is slow */
#else
#define AT_ONCE	 1
#define PATIENCE 5
#endif

#define SKIPPED	      77
#define DEFAULT_LIMIT 60 /* seconds, of a test that names none */

/* Where Criterion's macros leave the tests and suites. */
extern struct criterion_test *const __start_cr_tst[], *const __stop_cr_tst[];
extern struct criterion_suite *const __start_cr_sts[], *const __stop_cr_sts[];

static int passed, failed, skipped;
static bool fail_fast;

/* --- in the place of Criterion's ---------------------------------------------------------------
 */

void criterion_internal_test_setup(void)
{
}

void criterion_internal_test_main(void (*test)(void))
{
	test();
}

void criterion_internal_test_teardown(void)
{
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
	if (!stats->passed)
		printf("%s:%u: %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void)
{
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

void criterion_continue_test(void)
{
	criterion_abort_test();
}

void criterion_skip_test(const char *format, ...)
{
	(void)format;
	_exit(SKIPPED);
}

/* --- one test --------------------------------------------------------------------------------- */

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *test)
{
	static const struct criterion_test_extra_data none;

	for (struct criterion_suite *const *suite = __start_cr_sts; suite < __stop_cr_sts; suite++)
		if (strcmp((*suite)->name, test->category) == 0)
			return (*suite)->data;
	return &none;
}

static void run(const struct criterion_test *test)
{
	const struct criterion_test_extra_data *suite = suite_of(test), *own = test->data;
	double limit = own->timeout > 0 ? own->timeout : suite->timeout;
	void (*init)(void) = own->init != NULL ? own->init : suite->init;
	void (*fini)(void) = own->fini != NULL ? own->fini : suite->fini;

	alarm(PATIENCE * (limit > 0 ? (unsigned int)limit : DEFAULT_LIMIT));
	if (init != NULL)
		init();
	test->test();
	if (fini != NULL)
		fini();
	exit(EXIT_SUCCESS);
}

/* --- all -------------------------------------------------------------------------------------- */

struct child {
	pid_t pid;
	const struct criterion_test *test;
};

static struct child children[AT_ONCE];

static void judge(const struct criterion_test *test, int status)
{
	int signal = test->data->signal, code = test->data->exit_code;

	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		skipped++;
	} else if (signal != 0 ? WIFSIGNALED(status) && WTERMSIG(status) == signal
			       : WIFEXITED(status) && WEXITSTATUS(status) == code) {
		passed++;
	} else {
		failed++;
		printf("FAILED: %s/%s: %s %d\n", test->category, test->name,
			WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	fflush(stdout);
}

/* Waits for one, and gives its place. */
static struct child *free_place(void)
{
	int status;
	pid_t pid;

	for (size_t i = 0; i < AT_ONCE; i++)
		if (children[i].pid == 0)
			return &children[i];
	pid = wait(&status);
	for (size_t i = 0; i < AT_ONCE; i++) {
		if (children[i].pid != pid)
			continue;
		judge(children[i].test, status);
		children[i].pid = 0;
		return &children[i];
	}
	abort();
}

static void start(const struct criterion_test *test)
{
	struct child *child = free_place();

	*child = (struct child){ .pid = fork(), .test = test };
	if (child->pid < 0)
		abort();
	if (child->pid == 0)
		run(test);
}

static bool is_wanted(const struct criterion_test *test, int count, char *const *patterns)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/%s", test->category, test->name);
	for (int i = 0; i < count; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return count == 0;
}

int main(int argc, char **argv)
{
	fail_fast = argc > 1 && strcmp(argv[1], "--fail-fast") == 0;
	argc -= fail_fast;
	argv += fail_fast;
	for (struct criterion_test *const *test = __start_cr_tst; test < __stop_cr_tst; test++)
		if (is_wanted(*test, argc - 1, argv + 1) && !(fail_fast && failed != 0))
			start(*test);
	for (size_t i = 0; i < AT_ONCE; i++) {
		int status;

		if (children[i].pid != 0 && waitpid(children[i].pid, &status, 0) > 0)
			judge(children[i].test, status);
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
