/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/server.h"

#include "devices/bpmp/discovery.h"
#include "devices/bpmp/host.h"
#include "devices/bpmp/journal.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/restore.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int bpmp_server_start(
	struct bpmp_server *server, struct bpmp_host *host, const struct bpmp_ids *ids)
{
	int error;

	server->host = host;
	server->audit = NULL;
	server->journal = NULL;
	server->guest_ran = false;
	memset(&server->statistics, 0, sizeof(server->statistics));
	bpmp_policy_init(&server->policy, ids);
	bpmp_undo_init(&server->undo, ids);
	error = bpmp_discover(host, &server->policy, &server->undo);
	server->statistics.clock_count = (uint32_t)server->policy.clock_count;
	return error;
}

void bpmp_server_record(struct bpmp_server *server, struct bpmp_audit *audit)
{
	server->audit = audit;
	bpmp_audit_start(audit, &server->policy);
}

int bpmp_server_keep_journal(struct bpmp_server *server, struct bpmp_journal *journal)
{
	server->journal = journal;
	return bpmp_journal_store(journal, &server->undo);
}

void bpmp_server_guest_starts(struct bpmp_server *server)
{
	server->guest_ran = true;
	bpmp_audit_event(server->audit, "guest");
	bpmp_undo_guest_starts(&server->undo);
	(void)bpmp_journal_store(server->journal, &server->undo);
}

/* The host or its firmware said no: said once per kind, as with the policy's own refusals. */
static void note_host_refusal(
	struct bpmp_server *server, const struct bpmp_request *request, int error, int firmware)
{
	struct bpmp_call call = bpmp_call_of(request);
	char text[BPMP_CALL_TEXT_SIZE], reason[160];

	if (!bpmp_refusals_count(&server->policy.refusals, true, call.mrq, call.command, call.id,
		    error ? error : firmware))
		return;
	bpmp_policy_call_text(&server->policy, &call, text);
	if (error)
		log_warning("the guest's %s failed: %s", text,
			bpmp_host_failure(&call, error, reason, sizeof(reason)));
	else
		log_warning("the guest's %s failed: the firmware answered %d", text, firmware);
}

/* Returns the host's errno, 0 when the firmware answered: *from_host is its word. */
static int forward(struct bpmp_server *server, const struct bpmp_request *to_host,
	struct bpmp_response *response, struct bpmp_response *from_host)
{
	uint64_t revision = server->undo.revision;
	struct bpmp_undo_mark before = bpmp_undo_before(&server->undo, to_host);
	bool changes = server->undo.revision != revision;
	enum bpmp_outcome outcome = BPMP_DONE;
	int error;

	if (changes && bpmp_journal_store(server->journal, &server->undo) < 0) {
		/* What cannot be put back after our death is not done. */
		bpmp_undo_after(&server->undo, to_host, before, BPMP_NOT_DONE);
		bpmp_respond_error(response, BPMP_EIO);
		memset(from_host, 0, sizeof(*from_host));
		return EIO;
	}
	error = bpmp_host_ask(server->host, to_host, response);
	*from_host = *response;
	if (error < 0) {
		memset(from_host, 0, sizeof(*from_host));
		outcome = bpmp_errno_leaves_doubt(-error) ? BPMP_DOUBTFUL : BPMP_NOT_DONE;
		note_host_refusal(server, to_host, -error, 0);
		bpmp_respond_error(response, bpmp_error_of_errno(-error));
	} else if (response->error != 0) {
		outcome = BPMP_NOT_DONE;
		note_host_refusal(server, to_host, 0, response->error);
	}
	bpmp_undo_after(&server->undo, to_host, before, outcome);
	(void)bpmp_journal_store(server->journal, &server->undo);
	bpmp_policy_finish(&server->policy, to_host, response);
	return -error;
}

bool bpmp_server_serve(struct bpmp_server *server, const struct bpmp_request *request,
	struct bpmp_response *response)
{
	struct bpmp_call call = bpmp_call_of(request);
	enum bpmp_outcome_kind outcome = BPMP_WAS_SERVED;
	struct bpmp_request to_host;
	struct bpmp_audit_entry entry = { .began_ns = (uint64_t)clock_ns(),
		.request = request,
		.to_host = &to_host,
		.response = response };

	entry.verdict = bpmp_policy_decide(&server->policy, request, &to_host, response);
	if (entry.verdict == BPMP_FORWARD) {
		entry.host_errno = forward(server, &to_host, response, &entry.from_host);
		if (response->error)
			outcome = BPMP_HAS_FAILED;
	} else if (entry.verdict == BPMP_REFUSED) {
		outcome = BPMP_WAS_REFUSED;
	}
	entry.took_ns = (uint64_t)clock_ns() - entry.began_ns;
	bpmp_statistics_count(&server->statistics, call.mrq,
		bpmp_policy_sees(&server->policy, &call) ? call.id : BPMP_STATISTICS_OTHER, outcome,
		entry.took_ns);
	bpmp_audit_request(server->audit, &server->policy, &entry);
	return entry.verdict != BPMP_REFUSED && entry.host_errno == 0;
}

static unsigned int put_back(struct bpmp_server *server, bool end)
{
	struct bpmp_restored restored =
		bpmp_restore(server->host, &server->undo, end, server->journal);

	bpmp_policy_reset(&server->policy);
	bpmp_audit_event(server->audit, "restore");
	if (server->guest_ran || restored.steps) {
		log_info("put back what the guest changed at the host's BPMP: %u requests, %u "
			 "failed; %llu of the guest's were refused so far",
			restored.steps, restored.failed,
			(unsigned long long)bpmp_refusals_total(&server->policy.refusals));
		bpmp_restore_log_kept(&server->undo);
	}
	server->guest_ran = false;
	return restored.failed;
}

unsigned int bpmp_server_restore(struct bpmp_server *server)
{
	return put_back(server, false);
}

unsigned int bpmp_server_end(struct bpmp_server *server)
{
	return put_back(server, true);
}
