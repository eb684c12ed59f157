/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VHOST_MPASSTHRU_BUF_H
#define _VHOST_MPASSTHRU_BUF_H

#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/types.h>

/**
 * struct mp_bounce - a page of the host in place of one of a guest
 * @list: in &mp_bounces.list
 * @page: the page, or the first of a compound one
 * @dma: its address for the device, once it was mapped
 */
struct mp_bounce {
	struct list_head	list;
	struct page		*page;
	dma_addr_t		dma;
};

/**
 * struct mp_bounces - bounce pages of one queue and direction
 * @list: those that are mapped and not in use
 * @nr: how many
 * @dev: device that they are mapped for
 * @dir: what the device does to them
 *
 * Protected by the lock of the queue.
 */
struct mp_bounces {
	struct list_head	list;
	unsigned int		nr;
	struct device		*dev;
	enum dma_data_direction	dir;
};

void mp_bounces_init(struct mp_bounces *bounces, enum dma_data_direction dir);
void mp_bounces_empty(struct mp_bounces *bounces);

struct mp_bounce *mp_bounce_alloc(size_t size);
void mp_bounce_free(struct mp_bounce *bounce);
int mp_bounce_map(struct mp_bounces *bounces, struct mp_bounce *bounce);
struct mp_bounce *mp_bounce_take(struct mp_bounces *bounces);
void mp_bounce_put(struct mp_bounces *bounces, struct mp_bounce *bounce);
void mp_bounce_sync_for_device(struct mp_bounces *bounces,
			       struct mp_bounce *bounce, unsigned int len);

#endif /* _VHOST_MPASSTHRU_BUF_H */
