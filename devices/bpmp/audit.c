/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/audit.h"

#include "devices/bpmp/message.h"
#include "devices/bpmp/opened.h"
#include "vmm/base/file_check.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Four payloads in hexadecimal digits and about 350 characters more; or the ids of one VM. */
struct line {
	size_t used;
	char text[3072];
};

static void put(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->used;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line->text + line->used, room, format, arguments);
	va_end(arguments);
	if (length > 0)
		line->used += (size_t)length < room ? (size_t)length : room - 1;
}

static void put_bytes(struct line *line, const char *key, const uint8_t *bytes, size_t size)
{
	put(line, ",\"%s\":\"", key);
	for (size_t i = 0; i < size; i++)
		put(line, "%02x", bytes[i]);
	put(line, "\"");
}

static void put_ids(struct line *line, const char *key, const struct bpmp_id_set *set)
{
	put(line, ",\"%s\":[", key);
	for (size_t i = 0; i < set->count; i++)
		put(line, "%s%u", i ? "," : "", set->ids[i]);
	put(line, "]");
}

static void stop(struct bpmp_audit *audit, const char *why)
{
	log_warning("--bpmp audit: %s; from here on nothing is recorded", why);
	audit->fd = -1;
}

static void write_line(struct bpmp_audit *audit, struct line *line)
{
	ssize_t written;

	put(line, "}\n");
	if (line->used > audit->left) {
		stop(audit, "the file has reached its limit of 64 MiB");
		return;
	}
	written = write(audit->fd, line->text, line->used);
	if (written != (ssize_t)line->used) {
		stop(audit, "the file cannot be written to; is the disk full?");
		return;
	}
	audit->left -= line->used;
}

int bpmp_audit_open(const char *path, uint64_t *left)
{
	/* A fifo or a terminal could keep the guest waiting. O_NONBLOCK: for open() itself. */
	int fd = open(path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK,
		0600);
	struct stat status;
	int error = 0;

	if (fd < 0) {
		error = -errno;
		log_error("--bpmp audit=%s: %s", path, strerror(-error));
		return error;
	}
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		log_error("--bpmp audit=%s: not a regular file", path);
		error = -EINVAL;
	} else if ((uint64_t)status.st_size >= BPMP_AUDIT_LIMIT) {
		log_error("--bpmp audit=%s: has 64 MiB already, which is its limit; move it away",
			path);
		error = -EFBIG;
	}
	if (error) {
		close(fd);
		return error;
	}
	*left = BPMP_AUDIT_LIMIT - (uint64_t)status.st_size;
	return fd;
}

int bpmp_audit_check(const char *path)
{
	uint64_t left;
	int fd, error;

	if (access(path, F_OK) == 0) {
		fd = bpmp_audit_open(path, &left);
		error = fd < 0 ? fd : 0;
		close_fd(&fd);
		return error;
	}
	error = file_check_directory_of(path);
	if (error)
		log_error("--bpmp audit=%s: %s", path, strerror(-error));
	return error;
}

static void put_clocks(
	struct line *line, const char *key, const struct bpmp_policy *policy, bool owned)
{
	const char *comma = "";

	put(line, ",\"%s\":[", key);
	for (size_t i = 0; i < policy->clock_count; i++) {
		if (policy->clocks[i].owned != owned)
			continue;
		put(line, "%s%u", comma, policy->clocks[i].id);
		comma = ",";
	}
	put(line, "]");
}

void bpmp_audit_start(struct bpmp_audit *audit, const struct bpmp_policy *policy)
{
	struct bpmp_id_set domains = { .count = policy->power_domain_count };
	struct line line = { 0 };
	char mrqs[BPMP_OPENED_TEXT_SIZE];

	if (!audit || audit->fd < 0)
		return;
	for (size_t i = 0; i < domains.count; i++)
		domains.ids[i] = policy->power_domains[i].id;
	put(&line, "{\"event\":\"start\"");
	put_clocks(&line, "clocks", policy, true);
	put_clocks(&line, "ancestors", policy, false);
	put_ids(&line, "resets", &policy->resets);
	put_ids(&line, "power-domains", &domains);
	put(&line, ",\"mrqs\":\"%s\"", bpmp_opened_text(policy->opened, mrqs));
	write_line(audit, &line);
}

void bpmp_audit_event(struct bpmp_audit *audit, const char *event)
{
	struct line line = { 0 };

	if (!audit || audit->fd < 0)
		return;
	put(&line, "{\"event\":\"%s\"", event);
	write_line(audit, &line);
}

void bpmp_audit_request(struct bpmp_audit *audit, const struct bpmp_policy *policy,
	const struct bpmp_audit_entry *entry)
{
	static const char *const verdicts[] = {
		[BPMP_ANSWERED] = "answered", [BPMP_REFUSED] = "refused", [BPMP_FORWARD] = "forward"
	};
	const struct bpmp_request *request = entry->request;
	struct bpmp_call call = bpmp_call_of(request);
	char text[BPMP_CALL_TEXT_SIZE];
	struct line line = { 0 };

	if (!audit || audit->fd < 0)
		return;
	put(&line, "{\"event\":\"request\",\"time\":%" PRIu64 ",\"took\":%" PRIu64, entry->began_ns,
		entry->took_ns);
	put(&line, ",\"what\":\"%s\",\"mrq\":%u,\"size\":%u",
		bpmp_policy_call_text(policy, &call, text), request->mrq, request->size);
	put_bytes(&line, "request", request->data,
		request->size < sizeof(request->data) ? request->size : sizeof(request->data));
	put(&line, ",\"verdict\":\"%s\"", verdicts[entry->verdict]);
	if (entry->verdict == BPMP_FORWARD) {
		put_bytes(&line, "sent", entry->to_host->data, entry->to_host->size);
		put(&line, ",\"host-errno\":%d,\"host-result\":%d", entry->host_errno,
			entry->from_host.error);
		put_bytes(&line, "host-answer", entry->from_host.data, entry->from_host.size);
	}
	put(&line, ",\"result\":%d", entry->response->error);
	put_bytes(&line, "answer", entry->response->data, entry->response->size);
	write_line(audit, &line);
}
