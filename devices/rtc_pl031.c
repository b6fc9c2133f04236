/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/rtc_pl031.h"

#include "devices/primecell.h"
#include "fdt/builder.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

/* Offsets of DDI 0224B, table 3-1. */
#define RTCDR	0x00 /* the time, in seconds */
#define RTCMR	0x04 /* match */
#define RTCLR	0x08 /* load */
#define RTCCR	0x0c
#define RTCIMSC 0x10
#define RTCRIS	0x14
#define RTCMIS	0x18
#define RTCICR	0x1c

/* The only bit of RTCIMSC to RTCICR. */
#define MATCHED 1u

/* 3.3.4: counts from reset on, since it shows the host's time; writes change nothing then. */
#define RUNNING 1u

struct rtc {
	struct primecell cell;
	struct event_source match; /* timerfd of CLOCK_REALTIME: follows when the host's is set */

	/* Under the cell's lock. */
	uint32_t offset; /* the guest's time less the host's, modulo 2^32 */
	uint32_t match_time, loaded;
	uint32_t mask, raw; /* of MATCHED */
};

static uint32_t host_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint32_t)now.tv_sec;
}

static void update_line(struct rtc *rtc)
{
	primecell_set_line(&rtc->cell, (rtc->raw & rtc->mask) != 0);
}

/*
 * With the lock held: waits for the second in which the counter is what RTCMR says (3.3.2), which
 * is now or up to 2^32 seconds away.
 */
static void set_timer(struct rtc *rtc)
{
	struct itimerspec when = { 0 };
	struct timespec now;
	uint32_t left;

	clock_gettime(CLOCK_REALTIME, &now);
	left = rtc->match_time - ((uint32_t)now.tv_sec + rtc->offset);
	if (left == 0) {
		rtc->raw = MATCHED;
		update_line(rtc);
	} else {
		when.it_value.tv_sec = now.tv_sec + left;
	}
	if (timerfd_settime(rtc->match.fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		log_error("rtc: alarm: %s", strerror(errno));
}

static void on_match(struct event_source *source)
{
	struct rtc *rtc = container_of(source, struct rtc, match);

	pthread_mutex_lock(&rtc->cell.lock);
	/* Under the lock: none that a vCPU has just set anew is taken for the old one. */
	if (event_take(source->fd)) {
		rtc->raw = MATCHED;
		update_line(rtc);
	}
	pthread_mutex_unlock(&rtc->cell.lock);
}

static uint32_t rtc_read(struct primecell *cell, uint64_t offset)
{
	struct rtc *rtc = container_of(cell, struct rtc, cell);

	switch (offset) {
	case RTCDR:
		return host_seconds() + rtc->offset;
	case RTCMR:
		return rtc->match_time;
	case RTCLR:
		return rtc->loaded;
	case RTCCR:
		return RUNNING;
	case RTCIMSC:
		return rtc->mask;
	case RTCRIS:
		return rtc->raw;
	case RTCMIS:
		return rtc->raw & rtc->mask;
	default:
		return 0;
	}
}

static void rtc_write(struct primecell *cell, uint64_t offset, uint32_t value)
{
	struct rtc *rtc = container_of(cell, struct rtc, cell);

	switch (offset) {
	case RTCMR:
		rtc->match_time = value;
		set_timer(rtc);
		break;
	case RTCLR:
		rtc->loaded = value;
		rtc->offset = value - host_seconds();
		set_timer(rtc);
		break;
	case RTCIMSC:
		rtc->mask = value & MATCHED;
		break;
	case RTCICR:
		rtc->raw &= ~value;
		break;
	default:
		break;
	}
	update_line(rtc);
}

static int rtc_describe(struct device *device, struct fdt_builder *fdt)
{
	struct rtc *rtc = container_of(device, struct rtc, cell.device);

	primecell_begin_node(&rtc->cell, fdt);
	fdt_end(fdt);
	return 0;
}

/* Power-on state: the host's time, no alarm. */
static void rtc_quiesce(struct device *device)
{
	struct rtc *rtc = container_of(device, struct rtc, cell.device);
	const struct itimerspec never = { 0 };

	pthread_mutex_lock(&rtc->cell.lock);
	if (timerfd_settime(rtc->match.fd, 0, &never, NULL) < 0)
		log_error("rtc: alarm: %s", strerror(errno));
	rtc->offset = rtc->match_time = rtc->loaded = 0;
	rtc->mask = rtc->raw = 0;
	update_line(rtc);
	pthread_mutex_unlock(&rtc->cell.lock);
}

static void rtc_destroy(struct device *device)
{
	struct rtc *rtc = container_of(device, struct rtc, cell.device);

	event_loop_remove(device->machine->loop, &rtc->match);
	close_fd(&rtc->match.fd);
	primecell_destroy(&rtc->cell);
	free(rtc);
}

static const struct device_ops rtc_ops = {
	.describe = rtc_describe,
	.quiesce = rtc_quiesce,
	.destroy = rtc_destroy,
};

static const struct primecell_type pl031 = {
	.name = "rtc",
	.compatible = "arm,pl031\0arm,primecell",
	.compatible_size = sizeof("arm,pl031\0arm,primecell"),
	.base = 0x09010000,
	.spi = 2,
	.peripheral_id = { 0x31, 0x10, 0x04, 0x00 }, /* 3.3.9 */
	.read = rtc_read,
	.write = rtc_write,
	.register_width = 4,
};

int rtc_create(struct machine *machine, struct device **device)
{
	struct rtc *rtc = calloc(1, sizeof(*rtc));
	int error;

	if (!rtc)
		return -ENOMEM;
	rtc->match =
		(struct event_source){ timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
			on_match };
	error = rtc->match.fd < 0 ? -errno : event_loop_add(machine->loop, &rtc->match);
	if (error)
		log_error("rtc: cannot have a timer: %s", strerror(-error));
	else
		error = primecell_init(&rtc->cell, machine, &pl031, &rtc_ops);
	if (error) {
		close_fd(&rtc->match.fd); /* which takes it out of the event loop, too */
		free(rtc);
		return error;
	}
	*device = &rtc->cell.device;
	return 0;
}
