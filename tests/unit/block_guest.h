/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest with a disk, for tests: everything from the register file to the image is real, the
 * guest's driver is the test's. One at a time.
 */
#ifndef TESTS_UNIT_BLOCK_GUEST_H
#define TESTS_UNIT_BLOCK_GUEST_H

#include "devices/virtio/block_loop.h"
#include "tests/unit/device_guest.h"

#define DISK_SECTORS  256u /* of the image */
#define DISK_FEATURES (UINT64_C(1) << VIRTIO_BLK_F_FLUSH)

struct block_guest {
	int image; /* a memfd; byte i of it is block_guest_byte(i) at start */
	struct block_shape shape;
	struct block_file file;
	struct block_pool pool;
	struct block_worker worker;
	/* Instead of the C library's fdatasync() and fallocate(), which the pool's threads call. */
	_Atomic unsigned int syncs;
	_Atomic int sync_error;	     /* an errno; 0: none */
	_Atomic int fallocate_lacks; /* modes that the file system does not have */
};

extern struct block_guest block_guest;

uint8_t block_guest_byte(uint64_t offset);

/* The shape and alignments may be changed between the two. */
void block_guest_open(void);
void block_guest_start(uint64_t features);
void block_guest_end(void);

/* Where requests are put: header, data and status, each `i`'s its own. */
#define HEADER_GPA(i) (GUEST_BUFFERS + (i)*UINT64_C(0x40))
#define STATUS_GPA(i) (GUEST_BUFFERS + 0x8000 + (i)*UINT64_C(0x40))
#define DATA_GPA      (GUEST_BUFFERS + 0x10000)

/* Writes header `i` and fills its status byte with 0xff. */
void block_guest_header(uint32_t i, uint32_t type, uint64_t sector);

/*
 * Offers header, `length` bytes of data at DATA_GPA (0: none) and status as a chain, waits, and
 * returns the status byte. `*written` is what the used ring says; NULL: of no interest.
 */
uint8_t block_guest_do(
	uint32_t type, uint64_t sector, uint32_t length, bool to_guest, uint32_t *written);

/* Waits for the chain at `head` of queue 0 to be used, the only one offered. */
uint32_t block_guest_wait(uint16_t head);

uint8_t *block_guest_data(void);
uint8_t block_guest_status(uint32_t i);

/* The image's bytes. */
const uint8_t *block_guest_image(uint64_t offset, size_t size);

#endif
