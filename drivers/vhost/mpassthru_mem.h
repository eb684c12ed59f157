/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VHOST_MPASSTHRU_MEM_H
#define _VHOST_MPASSTHRU_MEM_H

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* What is not looked up for so long, in jiffies, is unpinned.  A guest takes
 * its pages in no order: if it goes round them R times meanwhile, e^-R of what
 * it takes was idle for so long, and is missed.  With a ring of 1024 buffers of
 * 18 pages that is 1 % at 2800 frames a second.
 */
#define MP_MEM_IDLE		(30 * HZ)

/* At a limit, one page of so many that are not known is pinned; and where
 * pinning fails, one of so many is tried.
 */
#define MP_MEM_SAMPLE		32

/**
 * struct mp_page - one user page that the cache knows
 * @node: in &mp_mem.hash, unless @dead
 * @list: on &mp_mem.lru, @lost, @dead or @ghosts
 * @page: the pinned page, or NULL: a ghost, of a page that is not pinned
 * @dma: its address for the device, while @mapped
 * @index: user address divided by PAGE_SIZE
 * @time: when the last user put it, in jiffies; of a ghost, when it became one
 * @users: posted buffers and frames that are in it at present
 * @err: of a ghost: why it could not be pinned, or 0
 * @delay: of a ghost: jiffies from @time before it may be pinned, or 0
 * @mapped: @dma is valid
 * @sync: the CPU sees what the NIC wrote after mp_page_sync_for_cpu() only
 * @dead: no longer what the user address maps to; goes with its last user
 * @reason: for that, an enum mp_unpin_reason
 *
 * Protected by &mp_mem.lock; @page, @dma, @index and @sync are constant while
 * there are users, and @dead may be read at any time.
 */
struct mp_page {
	struct hlist_node	node;
	struct list_head	list;
	struct page		*page;
	dma_addr_t		dma;
	unsigned long		index;
	unsigned long		time;
	unsigned int		users;
	int			err;
	unsigned int		delay;
	bool			mapped;
	bool			sync;
	bool			dead;
	u8			reason;
};

/**
 * struct mp_mem - pages of one address space, pinned and mapped for one device
 * @lock: protects what has no other word below.  Process context.
 * @hash: pages and ghosts by index, the pointer is constant
 * @bits: of the size of @hash, constant
 * @lru: pinned pages in the order of their last use, those in use anywhere
 * @lost: pages that are dead and have users
 * @dead: pages that are dead and unmapped, to be unpinned by @work
 * @ghosts: pages that are not pinned, the oldest first
 * @closed: nothing is pinned any more; written once
 * @mn: tells of changes to mappings of @mm
 * @changing: changes that have begun and not ended
 * @changing_first: least index that they concern
 * @changing_last: greatest index that they concern
 * @changes: changes that ended
 * @work: unpins what is dead or idle; has a reference while it is pending
 * @refs: references
 * @dev: device that the addresses are for, constant once pages are looked up
 * @net_cookie: of the network namespace of that device, constant likewise
 * @ifindex: of that device, constant likewise
 * @queue: index of its queue, constant likewise
 * @dir: what the device does to the pages, constant
 * @mm: address space, constant
 * @user: who is charged, constant
 * @lock_limit: most pages that @user may have locked
 * @ceiling: what @limit may grow to
 * @floor: what @limit does not shrink below
 * @limit: pages to be pinned at present
 * @sample: misses at a limit
 * @failed: pages that could not be pinned or mapped, in a row
 * @err: why not, of the last
 * @tight_until: when RLIMIT_MEMLOCK is charged for more pages, in jiffies
 * @nr: pages in @lru
 * @nr_ghosts: of @ghosts
 * @pinned: pages pinned, also those in @lost and @dead; no lock
 * @peak: most pages that were in @lru
 * @hits: look-ups that found the page pinned
 * @misses: look-ups that did not
 * @evictions: pages unpinned to make room, or idle
 * @invalidations: pages dropped because their mapping changed
 * @failures: pages that could not be pinned or mapped
 */
struct mp_mem {
	spinlock_t			lock;	/* see above */
	struct hlist_head		*hash;
	unsigned int			bits;
	struct list_head		lru;
	struct list_head		lost;
	struct list_head		dead;
	struct list_head		ghosts;
	bool				closed;
	struct mmu_notifier		mn;
	unsigned int			changing;
	unsigned long			changing_first;
	unsigned long			changing_last;
	unsigned long			changes;
	struct delayed_work		work;
	refcount_t			refs;
	struct device			*dev;
	u64				net_cookie;
	int				ifindex;
	unsigned int			queue;
	enum dma_data_direction		dir;
	struct mm_struct		*mm;
	struct user_struct		*user;

	unsigned long			lock_limit;
	unsigned int			ceiling;
	unsigned int			floor;
	unsigned int			limit;
	unsigned int			sample;
	unsigned int			failed;
	int				err;
	u64				tight_until;
	unsigned int			nr;
	unsigned int			nr_ghosts;
	atomic_t			pinned;

	unsigned int			peak;
	u64				hits;
	u64				misses;
	u64				evictions;
	u64				invalidations;
	u64				failures;
};

struct mp_mem *mp_mem_create(enum dma_data_direction dir);
void mp_mem_close(struct mp_mem *mem);
void mp_mem_shut(struct mp_mem *mem);
void mp_mem_empty(struct mp_mem *mem);
struct mp_mem *mp_mem_get(struct mp_mem *mem);
void mp_mem_put(struct mp_mem *mem);
bool mp_mem_renew(struct mp_mem *mem);
void mp_mem_expect(struct mp_mem *mem, unsigned int pages);
int mp_mem_init(void);
void mp_mem_exit(void);

void mp_pages_put_locked(struct mp_mem *mem, struct mp_page *const *pages,
			 int n);
struct mp_page *mp_page_get(struct mp_mem *mem, unsigned long uaddr);
int mp_pages_find(struct mp_mem *mem, unsigned long uaddr,
		  struct mp_page **pages, int n);
void mp_pages_put(struct mp_mem *mem, struct mp_page *const *pages, int n);

/* Before the device gets @len bytes at @offset of a page, and after it wrote
 * them.  Any context, while the cache is not closed.
 */
static inline void mp_page_sync_for_device(struct mp_mem *mem,
					   struct mp_page *page,
					   unsigned int offset,
					   unsigned int len)
{
	if (unlikely(page->sync))
		dma_sync_single_range_for_device(mem->dev, page->dma, offset,
						 len, mem->dir);
}

static inline void mp_page_sync_for_cpu(struct mp_mem *mem,
					struct mp_page *page,
					unsigned int offset, unsigned int len)
{
	if (unlikely(page->sync))
		dma_sync_single_range_for_cpu(mem->dev, page->dma, offset, len,
					      mem->dir);
}

#endif /* _VHOST_MPASSTHRU_MEM_H */
