/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VFIO_SUGGEST_H
#define DEVICES_VFIO_SUGGEST_H

/*
 * Logs that there is no device of this name, with the closest name found in the two directories
 * if one is close.
 */
void suggest_device(const char *device, const char *directory, const char *other_directory);

#endif
