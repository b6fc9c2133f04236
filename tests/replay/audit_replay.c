/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/replay/audit_replay.h"

#include "devices/bpmp/host.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/opened.h"
#include "vmm/base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdicts[] = {
	[BPMP_ANSWERED] = "answered", [BPMP_REFUSED] = "refused", [BPMP_FORWARD] = "forward"
};

/* Where the value of `key` begins, or NULL. No value of these files holds a quoted key. */
static const char *value_of(const char *line, const char *key)
{
	char quoted[32];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(line, quoted);
	return at ? at + strlen(quoted) : NULL;
}

static bool number(const char *line, const char *key, long long *value)
{
	const char *at = value_of(line, key);
	char *end;

	if (!at)
		return false;
	*value = strtoll(at, &end, 10);
	return end != at;
}

static bool word(const char *line, const char *key, char *text, size_t size)
{
	const char *at = value_of(line, key);
	size_t length;

	if (!at || *at != '"')
		return false;
	length = strcspn(at + 1, "\"");
	if (length >= size || at[1 + length] != '"')
		return false;
	memcpy(text, at + 1, length);
	text[length] = '\0';
	return true;
}

static bool bytes(const char *line, const char *key, uint8_t data[BPMP_DATA_SIZE], uint32_t *size)
{
	char text[2 * BPMP_DATA_SIZE + 1];

	memset(data, 0, BPMP_DATA_SIZE);
	if (!word(line, key, text, sizeof(text)) || strlen(text) % 2)
		return false;
	*size = (uint32_t)strlen(text) / 2;
	for (uint32_t i = 0; i < *size; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1], '\0' }, *end;

		data[i] = (uint8_t)strtoul(digits, &end, 16);
		if (end != digits + 2)
			return false;
	}
	return true;
}

/* Calls `add` with each number of a list. */
static bool list(const char *line, const char *key, int (*add)(void *, uint32_t), void *argument)
{
	const char *at = value_of(line, key);
	char *end;

	if (!at || *at++ != '[')
		return false;
	while (*at != ']') {
		unsigned long id = strtoul(at, &end, 10);

		if (end == at || id > UINT32_MAX || add(argument, (uint32_t)id) != 0)
			return false;
		at = *end == ',' ? end + 1 : end;
	}
	return true;
}

static int add_id(void *set, uint32_t id)
{
	return bpmp_id_set_add(set, id);
}

static int add_ancestor(void *policy, uint32_t id)
{
	return bpmp_policy_add_ancestor(policy, id);
}

static bool start(struct audit_replay *replay, const char *line)
{
	struct bpmp_ids ids = { .mrqs = 0 };
	char mrqs[BPMP_OPENED_TEXT_SIZE];

	if (!list(line, "clocks", add_id, &ids.clocks) ||
		!list(line, "resets", add_id, &ids.resets) ||
		!list(line, "power-domains", add_id, &ids.power_domains) ||
		!word(line, "mrqs", mrqs, sizeof(mrqs)) ||
		(mrqs[0] && bpmp_open_mrqs(mrqs, &ids.mrqs) != 0))
		return false;
	bpmp_policy_init(&replay->policy, &ids);
	replay->started = true;
	return list(line, "ancestors", add_ancestor, &replay->policy);
}

/* The host's answer, as it was then, through the policy. */
static bool finish(struct audit_replay *replay, const char *line,
	const struct bpmp_request *to_host, struct bpmp_response *response)
{
	long long host_errno, result;

	if (!number(line, "host-errno", &host_errno) || !number(line, "host-result", &result) ||
		!bytes(line, "host-answer", response->data, &response->size))
		return false;
	response->error = (int32_t)result;
	if (host_errno)
		bpmp_respond_error(response, bpmp_error_of_errno((int)host_errno));
	bpmp_policy_finish(&replay->policy, to_host, response);
	return true;
}

static enum replayed replay_request(
	struct audit_replay *replay, const char *line, char *text, size_t size)
{
	struct bpmp_request request = { .mrq = 0 }, to_host = { .mrq = 0 };
	struct bpmp_response response, then = { .error = 0 };
	uint8_t sent[BPMP_DATA_SIZE] = { 0 };
	long long mrq, length, result;
	uint32_t sent_size = 0;
	enum bpmp_verdict verdict;
	char said[16];

	snprintf(text, size, "keys are missing, or a value is none");
	if (!replay->started || !number(line, "mrq", &mrq) || !number(line, "size", &length) ||
		!bytes(line, "request", request.data, &request.size) ||
		!word(line, "verdict", said, sizeof(said)) || !number(line, "result", &result) ||
		!bytes(line, "answer", then.data, &then.size))
		return REPLAY_BAD;
	request.mrq = (uint32_t)mrq;
	request.size = (uint32_t)length;
	verdict = bpmp_policy_decide(&replay->policy, &request, &to_host, &response);
	replay->requests++;
	if (strcmp(said, verdicts[verdict]) != 0) {
		snprintf(text, size, "was %s, is %s", said, verdicts[verdict]);
		return REPLAY_DIFFERS;
	}
	if (verdict == BPMP_FORWARD) {
		if (!bytes(line, "sent", sent, &sent_size) ||
			!finish(replay, line, &to_host, &response))
			return REPLAY_BAD;
		if (sent_size != to_host.size || memcmp(sent, to_host.data, sizeof(sent)) != 0) {
			snprintf(text, size, "something else goes to the host");
			return REPLAY_DIFFERS;
		}
	}
	if (response.error != result) {
		snprintf(text, size, "result was %lld, is %d", result, response.error);
		return REPLAY_DIFFERS;
	}
	if (response.size != then.size ||
		memcmp(response.data, then.data, sizeof(then.data)) != 0) {
		snprintf(text, size, "another answer");
		return REPLAY_DIFFERS;
	}
	return REPLAY_SAME;
}

enum replayed audit_replay_line(
	struct audit_replay *replay, const char *line, char *text, size_t size)
{
	enum replayed replayed = REPLAY_SAME;
	char event[16] = "";

	replay->lines++;
	snprintf(text, size, "no such event");
	word(line, "event", event, sizeof(event));
	if (strcmp(event, "start") == 0)
		replayed = start(replay, line) ? REPLAY_SAME : REPLAY_BAD;
	else if (strcmp(event, "request") == 0)
		replayed = replay_request(replay, line, text, size);
	else if (strcmp(event, "restore") == 0 && replay->started)
		bpmp_policy_reset(&replay->policy);
	else if (strcmp(event, "guest") != 0 || !replay->started)
		replayed = REPLAY_BAD;
	replay->different += replayed == REPLAY_DIFFERS;
	return replayed;
}
