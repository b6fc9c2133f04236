/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a file could be written, asked without opening or making it. Errors are not logged. */
#ifndef VMM_BASE_FILE_CHECK_H
#define VMM_BASE_FILE_CHECK_H

/* Whether this process could make a file at `path`, by its directory. Returns 0 or -errno. */
int file_check_directory_of(const char *path);

/* Whether it could open `path` for writing, or make it. Returns 0 or -errno. */
int file_check_writable(const char *path);

#endif
