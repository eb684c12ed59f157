/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VHOST_MPASSTHRU_PIN_H
#define _VHOST_MPASSTHRU_PIN_H

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/**
 * struct mp_pin - one user page, pinned and mapped for the NIC
 * @node: in mp_pins.hash
 * @list: on mp_pins.idle or mp_pins.dead while @users is 0
 * @page: the page
 * @dma: its address for the device
 * @index: user address divided by PAGE_SIZE
 * @sync: the CPU sees what the NIC wrote after mp_pin_sync_for_cpu() only
 * @users: posted buffers that lie on it
 * @dead: no longer what the user address maps to; goes with its last user
 *
 * Protected by mp_pins.lock; @page, @dma, @index and @sync are constant, and
 * @dead may be read at any time.
 */
struct mp_pin {
	struct hlist_node	node;
	struct list_head	list;
	struct page		*page;
	dma_addr_t		dma;
	unsigned long		index;
	bool			sync;
	unsigned int		users;
	bool			dead;
};

/**
 * struct mp_pins - the pin cache of one receive queue
 * @lock: protects @hash, @idle, @dead, @changing to @changes, @nr and the
 *	counters after it, and what changes in a struct mp_pin
 * @hash: live pins by index
 * @idle: pins without a user, least recently used first
 * @dead: invalidated pins without a user, for @reaper
 * @mn: tells of changes to mappings of @mm
 * @changing: changes that have begun and not ended
 * @changing_first: least index that they concern
 * @changing_last: greatest index that they concern
 * @changes: changes that ended
 * @reaper: unpins what was invalidated, which the notifier may not
 * @dev: device that @dma addresses are for, set by the user of the cache
 * @mm: address space of the poster
 * @user: who is charged
 * @lock_limit: most pages that @user may have locked
 * @soft_limit: evict idle pins above this number
 * @pinned: pages pinned, also those of pins that are dead
 * @peak: most pages that were pinned
 * @nr: pins in @hash
 * @hits: lookups served from the cache
 * @misses: lookups that had to pin
 * @evictions: pins dropped for @soft_limit or @lock_limit
 * @invalidations: pins dropped because the mapping changed
 *
 * @peak and @soft_limit are the caller's, who serialises mp_pin_get().
 */
struct mp_pins {
	spinlock_t			lock;	/* see above */
	DECLARE_HASHTABLE(hash, 10);
	struct list_head		idle;
	struct list_head		dead;
	struct mmu_notifier		mn;
	unsigned int			changing;
	unsigned long			changing_first;
	unsigned long			changing_last;
	unsigned long			changes;
	struct work_struct		reaper;
	struct device			*dev;
	struct mm_struct		*mm;
	struct user_struct		*user;
	unsigned long			lock_limit;
	unsigned int			soft_limit;

	atomic_t			pinned;
	unsigned int			peak;

	unsigned int			nr;
	u64				hits;
	u64				misses;
	u64				evictions;
	u64				invalidations;
};

struct mp_pins *mp_pins_create(void);
void mp_pins_destroy(struct mp_pins *pins);
struct mp_pin *mp_pin_get(struct mp_pins *pins, unsigned long uaddr);
void mp_pin_put(struct mp_pins *pins, struct mp_pin *pin);

/* Before the NIC gets @len bytes at @offset of a page, and after it wrote them.
 * Any context.
 */
static inline void mp_pin_sync_for_device(struct mp_pins *pins,
					  struct mp_pin *pin,
					  unsigned int offset, unsigned int len)
{
	if (unlikely(pin->sync))
		dma_sync_single_range_for_device(pins->dev, pin->dma, offset,
						 len, DMA_FROM_DEVICE);
}

static inline void mp_pin_sync_for_cpu(struct mp_pins *pins, struct mp_pin *pin,
				       unsigned int offset, unsigned int len)
{
	if (unlikely(pin->sync))
		dma_sync_single_range_for_cpu(pins->dev, pin->dma, offset, len,
					      DMA_FROM_DEVICE);
}

#endif /* _VHOST_MPASSTHRU_PIN_H */
