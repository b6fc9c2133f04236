/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on what is read of the host's tree: far above any real node's, far below harm. */
#ifndef FDT_HOST_LIMITS_H
#define FDT_HOST_LIMITS_H

#define HOST_PATH_MAX	      1024    /* bytes of a node's path */
#define HOST_TREE_MAX_DEPTH   16      /* nodes below nodes */
#define HOST_NODE_MAX_ENTRIES 1024    /* properties and children of a node */
#define HOST_NODE_MAX_NODES   1024    /* of one device */
#define HOST_PROPERTY_MAX     0x10000 /* bytes */
#define HOST_TREE_MAX_NODES   0x10000 /* with a phandle, in the whole tree */

#endif
