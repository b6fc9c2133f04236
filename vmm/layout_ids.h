/* SPDX-License-Identifier: Apache-2.0 */
/* The BPMP ids that a guest would see, and why. */
#ifndef VMM_LAYOUT_IDS_H
#define VMM_LAYOUT_IDS_H

struct bpmp_host;
struct bpmp_ids;
struct json_object;

/* Whom ids belong to: the nodes of assigned devices. */
struct layout_owner {
	const char *device;
	const struct bpmp_ids *ids;
};

struct layout_ids_request {
	const struct bpmp_ids *ids; /* all that the guest would own */
	struct bpmp_host *host;	    /* asked for names and ancestors; NULL: cannot be */
	const struct layout_owner *owners;
	unsigned int owner_count;
};

/*
 * {"clocks":[{"id":155,"name":"uarta","why":"owned","by":"3100000.serial"},
 *            {"id":102,"name":"pllp_out0","why":"ancestor","by":"clock 155"}],
 *  "resets":[...],"power_domains":[...]}; "why" is "shared root" where a node names a clock that
 * no guest may own; "by" is "--bpmp" for those of its lists.
 * The caller's; NULL without memory. What the host does not answer is logged and left out.
 */
struct json_object *layout_describe_ids(const struct layout_ids_request *request);

#endif
