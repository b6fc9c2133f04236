/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/gpio_pl061.h"

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

/* Offsets of DDI 0190B, table 3-1. GPIODATA takes its mask from address bits 9:2 (3.3.1). */
#define GPIODATA_LAST  0x3fc
#define GPIODIR	       0x400
#define GPIOIS	       0x404
#define GPIOIBE	       0x408
#define GPIOIEV	       0x40c
#define GPIOIE	       0x410
#define GPIORIS	       0x414
#define GPIOMIS	       0x418
#define GPIOIC	       0x41c
#define GPIOAFSEL      0x420

/* As QEMU's virt.c. */
#define POWER_KEY_LINE 3
#define POWER_KEY_BIT  (1u << POWER_KEY_LINE)
#define KEY_POWER      116 /* linux/input-event-codes.h */
#define ACTIVE_HIGH    0

/* How long the key is down, and how often is looked whether the guest has seen it. */
#define KEY_DOWN_MS    100

struct gpio {
	struct primecell cell;
	struct event_source release; /* timerfd: time to let the key go */

	/* Eight lines, a bit each; under the cell's lock. */
	uint8_t output, direction; /* GPIODATA of the outputs; 1: output */
	uint8_t input;		   /* from outside: the key */
	uint8_t sense, both_edges, event, enable, alternate;
	uint8_t edges; /* seen and not cleared yet */
	bool key_seen; /* the guest has read the key while it was down */
};

static uint8_t pins(const struct gpio *gpio)
{
	return (gpio->output & gpio->direction) | (uint8_t)(gpio->input & ~gpio->direction);
}

/* 3.3.3 to 3.3.8: a level that is there, or an edge that was. */
static uint8_t raw_interrupts(const struct gpio *gpio)
{
	uint8_t levels = (uint8_t) ~(pins(gpio) ^ gpio->event);

	return (uint8_t)((gpio->sense & levels) | (~gpio->sense & gpio->edges));
}

static void update_line(struct gpio *gpio)
{
	primecell_set_line(&gpio->cell, (raw_interrupts(gpio) & gpio->enable) != 0);
}

/* With the lock held. Only inputs make edges. */
static void set_input(struct gpio *gpio, uint8_t input)
{
	uint8_t changed = (uint8_t)((gpio->input ^ input) & ~gpio->direction);
	uint8_t wanted = (uint8_t)(gpio->both_edges | ~(input ^ gpio->event));

	gpio->input = input;
	gpio->edges |= (uint8_t)(changed & wanted & ~gpio->sense);
	update_line(gpio);
}

static struct gpio *to_gpio(struct primecell *cell)
{
	return container_of(cell, struct gpio, cell);
}

static uint32_t gpio_read(struct primecell *cell, uint64_t offset)
{
	struct gpio *gpio = to_gpio(cell);
	uint8_t mask = (uint8_t)(offset >> 2);

	if (offset <= GPIODATA_LAST) {
		if (mask & POWER_KEY_BIT & pins(gpio))
			gpio->key_seen = true;
		return pins(gpio) & mask;
	}
	switch (offset) {
	case GPIODIR:
		return gpio->direction;
	case GPIOIS:
		return gpio->sense;
	case GPIOIBE:
		return gpio->both_edges;
	case GPIOIEV:
		return gpio->event;
	case GPIOIE:
		return gpio->enable;
	case GPIORIS:
		return raw_interrupts(gpio);
	case GPIOMIS:
		return raw_interrupts(gpio) & gpio->enable;
	case GPIOAFSEL:
		return gpio->alternate;
	default:
		return 0;
	}
}

static void gpio_write(struct primecell *cell, uint64_t offset, uint32_t value)
{
	struct gpio *gpio = to_gpio(cell);
	uint8_t byte = (uint8_t)value, mask = (uint8_t)(offset >> 2);

	if (offset <= GPIODATA_LAST) {
		gpio->output = (uint8_t)((gpio->output & ~mask) | (byte & mask));
	} else {
		switch (offset) {
		case GPIODIR:
			gpio->direction = byte;
			break;
		case GPIOIS:
			gpio->sense = byte;
			break;
		case GPIOIBE:
			gpio->both_edges = byte;
			break;
		case GPIOIEV:
			gpio->event = byte;
			break;
		case GPIOIE:
			gpio->enable = byte;
			break;
		case GPIOIC:
			gpio->edges &= (uint8_t)~byte;
			break;
		case GPIOAFSEL:
			gpio->alternate = byte;
			break;
		default:
			break;
		}
	}
	update_line(gpio);
}

/* 0 ms: never. */
static void set_timer(struct gpio *gpio, long ms)
{
	const struct itimerspec when = { .it_value.tv_nsec = ms * 1000000 };

	if (timerfd_settime(gpio->release.fd, 0, &when, NULL) < 0)
		log_error("power key: timer: %s", strerror(errno));
}

static void on_release(struct event_source *source)
{
	struct gpio *gpio = container_of(source, struct gpio, release);
	bool seen;

	if (!event_take(source->fd))
		return;
	pthread_mutex_lock(&gpio->cell.lock);
	seen = gpio->key_seen;
	if (seen)
		set_input(gpio, 0);
	pthread_mutex_unlock(&gpio->cell.lock);
	if (!seen)
		set_timer(gpio, KEY_DOWN_MS);
}

void gpio_press_power_key(struct device *device)
{
	struct gpio *gpio = container_of(device, struct gpio, cell.device);

	pthread_mutex_lock(&gpio->cell.lock);
	gpio->key_seen = false;
	set_input(gpio, POWER_KEY_BIT);
	pthread_mutex_unlock(&gpio->cell.lock);
	set_timer(gpio, KEY_DOWN_MS);
}

static int gpio_describe(struct device *device, struct fdt_builder *fdt)
{
	struct gpio *gpio = container_of(device, struct gpio, cell.device);
	uint32_t phandle = fdt_new_phandle(fdt);

	primecell_begin_node(&gpio->cell, fdt);
	fdt_empty(fdt, "gpio-controller");
	fdt_u32(fdt, "#gpio-cells", 2);
	fdt_u32(fdt, "phandle", phandle);
	fdt_end(fdt);

	fdt_begin(fdt, "gpio-keys");
	fdt_str(fdt, "compatible", "gpio-keys");
	fdt_begin(fdt, "poweroff");
	fdt_str(fdt, "label", "Power Key");
	fdt_u32(fdt, "linux,code", KEY_POWER);
	fdt_cell_list(fdt, "gpios", phandle, POWER_KEY_LINE, ACTIVE_HIGH);
	fdt_end(fdt);
	fdt_end(fdt);
	return 0;
}

/* Power-on state (table 3-1: every register is 0), the key up. */
static void gpio_quiesce(struct device *device)
{
	struct gpio *gpio = container_of(device, struct gpio, cell.device);

	set_timer(gpio, 0);
	pthread_mutex_lock(&gpio->cell.lock);
	gpio->output = gpio->direction = gpio->input = 0;
	gpio->sense = gpio->both_edges = gpio->event = gpio->enable = gpio->alternate = 0;
	gpio->edges = 0;
	gpio->key_seen = false;
	update_line(gpio);
	pthread_mutex_unlock(&gpio->cell.lock);
}

static void gpio_destroy(struct device *device)
{
	struct gpio *gpio = container_of(device, struct gpio, cell.device);

	event_loop_remove(device->machine->loop, &gpio->release);
	close_fd(&gpio->release.fd);
	primecell_destroy(&gpio->cell);
	free(gpio);
}

static const struct device_ops gpio_ops = {
	.describe = gpio_describe,
	.quiesce = gpio_quiesce,
	.destroy = gpio_destroy,
};

static const struct primecell_type pl061 = {
	.name = "gpio",
	.compatible = "arm,pl061\0arm,primecell",
	.compatible_size = sizeof("arm,pl061\0arm,primecell"),
	.base = 0x09030000,
	.spi = 7,
	.peripheral_id = { 0x61, 0x10, 0x04, 0x00 }, /* 3.3.12 */
	.read = gpio_read,
	.write = gpio_write,
	.register_width = 1,
};

int gpio_create(struct machine *machine, struct device **device)
{
	struct gpio *gpio = calloc(1, sizeof(*gpio));
	int error;

	if (!gpio)
		return -ENOMEM;
	gpio->release =
		(struct event_source){ timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
			on_release };
	error = gpio->release.fd < 0 ? -errno : event_loop_add(machine->loop, &gpio->release);
	if (error)
		log_error("power key: cannot have a timer: %s", strerror(-error));
	else
		error = primecell_init(&gpio->cell, machine, &pl061, &gpio_ops);
	if (error) {
		close_fd(&gpio->release.fd); /* which takes it out of the event loop, too */
		free(gpio);
		return error;
	}
	*device = &gpio->cell.device;
	return 0;
}
