// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of one address space, for one device: user page -> pinned page and
 * DMA address.
 *
 * Pinning and mapping a page costs about as much as copying a frame, so that
 * doing it for every frame wins nothing.  A guest recycles its receive pages:
 * they are looked up here and pinned once.
 *
 * Lifetime of a page.  It is in the hash from the first look-up to eviction or
 * invalidation.  While it has users (posted buffers) it stays pinned and
 * mapped whatever happens to the mapping; an invalidation only makes sure that
 * the next look-up of the address does not find it.  Without users it is
 * unmapped as soon as it is out of the hash, under the lock, so that
 * mp_mem_close() leaves no DMA mapping behind however many threads are at
 * work.  To unpin it may sleep, for a folio's lock, and is left to a work item
 * or to a poster that holds no lock.
 *
 * Lifetime of the cache.  References are held by its owner, by the MMU
 * notifier, by the work item while it is pending, and by who pins a page.  The
 * owner closes it: it is empty then for good, and goes with the last
 * reference.  Nobody waits: not for the work item, and not, as
 * mmu_notifier_unregister() does, for callbacks of any notifier of any process
 * to return.
 *
 * How much is pinned.  As long as the limit is not reached, what is looked up.
 * Beyond it, a page that is not known becomes a ghost: an entry without a page,
 * while the frame is copied.  That costs less than to pin it in place of
 * another one that will be missed.  If it is looked up again the guest goes
 * round more pages than the limit allows, and the limit grows by it.  So a
 * guest's working set is pinned after two rounds.  One page of MP_MEM_SAMPLE is
 * pinned at first sight, for a guest that goes round more pages than there are
 * ghosts; of what is passed through once, no more than that is pinned.
 *
 * Where the limit cannot grow, LRU would do the worst: who goes round a few
 * pages more than are kept evicts each one before it is used again.  There, one
 * miss of MP_MEM_SAMPLE takes the place of the least recently used page and the
 * others are copied.  Of W pages in use C are hit if C may be pinned.  How long
 * a page was not used says nothing here: with few frames a second, a round over
 * the pages in use takes long.  Where others of the user have taken what
 * RLIMIT_MEMLOCK allows, what is pinned counts as the ceiling for a while.
 *
 * What cannot be pinned (no room to migrate it to, memory of a file) is a ghost
 * as well, and is not tried again for a second, or for up to 16 when that
 * fails again.  A guest may go round more such pages than there are ghosts:
 * when MP_MEM_SAMPLE have failed in a row, one page of so many is tried.
 *
 * The lock is taken in process context only: looking pages up and putting them
 * is the consumer's, never the driver's.  It nests inside all locks of mm,
 * whose callbacks run in process context.
 *
 * Not an mmu_interval_notifier: both to begin a read and to remove it waits
 * until no invalidation is under way, which threads of user space can put off
 * for as long as they like.  A page whose mapping is changing is not pinned, as
 * KVM does it (mmu_invalidate_retry).
 *
 * Not an xarray: by page numbers of user space it is six levels deep, and a
 * lookup took a tenth of all that is done for a frame.  It is user space that
 * chooses which pages share a bucket.  So there is a limit to how many do, and
 * what comes on top is copied.
 */

#include <kunit/visibility.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>
#include <linux/user_namespace.h>
#include <linux/wait_bit.h>
#include <trace/events/mpassthru.h>

#include "mpassthru_mem.h"

/* The limit at first, however few buffers are posted. */
#define MP_MEM_MIN		64U

/* Pages pinned at most, 256 MB of 4 KB pages, also with CAP_IPC_LOCK: 3.5 times
 * what a guest goes round whose ring of 1024 has 18 pages in each buffer.  It
 * bounds what closing has to unmap, and the ghosts.
 */
#define MP_MEM_MAX		65536UL

/* Ghosts are forgotten after so many jiffies. */
#define MP_MEM_FORGET		(60 * HZ)

/* A page that cannot be pinned is tried again after so many jiffies. */
#define MP_MEM_RETRY_MIN	HZ
#define MP_MEM_RETRY_MAX	(16 * HZ)

/* RLIMIT_MEMLOCK was reached: nothing more is charged for so many jiffies. */
#define MP_MEM_TIGHT		(HZ / 10)

/* An address space that changes faster than we can pin is given up on. */
#define MP_MEM_TRIES		4

/* Pages handled, buckets looked at, before the lock is let go of. */
#define MP_MEM_BATCH		32
#define MP_MEM_SCAN		256

/* Pages that may be pinned, for each bucket, and buckets at least. */
#define MP_MEM_LOAD		4UL
#define MP_MEM_BUCKETS		1024UL

/* Pages and ghosts in a bucket at most.  Of addresses that were not chosen for
 * it, there are eight, where as many are pinned as may be.
 */
#define MP_MEM_CHAIN		32

/* A page is synced buffer by buffer, mp_page_sync_for_cpu(), and not as a whole
 * when it is mapped and unmapped.
 */
#define MP_MEM_DMA_ATTR		DMA_ATTR_SKIP_CPU_SYNC

static struct workqueue_struct *mp_mem_wq;

/* Caches that are not freed yet. */
static atomic_t mp_mems = ATOMIC_INIT(0);

/* RLIMIT_MEMLOCK */

static int mp_mem_charge(struct mp_mem *mem)
{
	long locked = atomic_long_read(&mem->user->locked_vm);

	do {
		if (locked >= READ_ONCE(mem->lock_limit))
			return -ENOBUFS;
	} while (!atomic_long_try_cmpxchg(&mem->user->locked_vm, &locked,
					  locked + 1));

	atomic64_inc(&mem->mm->pinned_vm);
	atomic_inc(&mem->pinned);
	return 0;
}

static void mp_mem_uncharge(struct mp_mem *mem)
{
	atomic_dec(&mem->pinned);
	atomic64_dec(&mem->mm->pinned_vm);
	atomic_long_dec(&mem->user->locked_vm);
}

/* @mem->dev may be gone by now: not asked for its name. */
static void mp_mem_trace_pin(const struct mp_mem *mem, unsigned long index,
			     int err)
{
	trace_mpassthru_pin(mem->net_cookie, mem->ifindex, mem->queue,
			    mem->dir == DMA_TO_DEVICE, index << PAGE_SHIFT,
			    err);
}

static void mp_mem_trace_unpin(const struct mp_mem *mem, unsigned long index,
			       enum mp_unpin_reason reason)
{
	trace_mpassthru_unpin(mem->net_cookie, mem->ifindex, mem->queue,
			      mem->dir == DMA_TO_DEVICE, index << PAGE_SHIFT,
			      reason);
}

/* May sleep. */
static void mp_mem_unpin(struct mp_mem *mem, struct page *page)
{
	unpin_user_pages_dirty_lock(&page, 1, mem->dir != DMA_TO_DEVICE);
	mp_mem_uncharge(mem);
}

/* DMA mapping, with the lock held: none is made after mp_mem_close(). */

/* May a mapping of a whole page be one of the swiotlb? */
static bool mp_mem_swiotlb(struct mp_mem *mem)
{
	return dma_addressing_limited(mem->dev) ||
	       is_swiotlb_force_bounce(mem->dev);
}

static void mp_page_unmap(struct mp_mem *mem, struct mp_page *page)
{
	if (page->mapped)
		dma_unmap_page_attrs(mem->dev, page->dma, PAGE_SIZE, mem->dir,
				     MP_MEM_DMA_ATTR);
	page->mapped = false;
}

static int mp_page_map(struct mp_mem *mem, struct mp_page *page)
{
	page->dma = dma_map_page_attrs(mem->dev, page->page, 0, PAGE_SIZE,
				       mem->dir, MP_MEM_DMA_ATTR);
	if (dma_mapping_error(mem->dev, page->dma))
		return -ENOSPC;
	page->mapped = true;

	/* Where syncs are not for nothing: an IOMMU, a device that is not
	 * coherent, or a page out of reach of the device that is mapped to a
	 * swiotlb slot.  The last is a copy that nobody sees.  Rather have the
	 * bounce page that is counted.
	 */
	page->sync = dma_need_sync(mem->dev, page->dma);
	if (!page->sync || !mp_mem_swiotlb(mem))
		return 0;

	mp_page_unmap(mem, page);
	return -EREMOTEIO;
}

/* The hash, with the lock held */

static struct hlist_head *mp_mem_bucket(struct mp_mem *mem, unsigned long index)
{
	return &mem->hash[hash_long(index, mem->bits)];
}

static struct mp_page *mp_mem_find(struct mp_mem *mem, unsigned long index)
{
	struct mp_page *page;

	hlist_for_each_entry(page, mp_mem_bucket(mem, index), node)
		if (page->index == index)
			return page;
	return NULL;
}

static bool mp_mem_crowded(struct mp_mem *mem, unsigned long index)
{
	struct hlist_node *node;
	int n = 0;

	hlist_for_each(node, mp_mem_bucket(mem, index))
		n++;
	return n >= MP_MEM_CHAIN;
}

/* The work item */

static void mp_mem_schedule(struct mp_mem *mem, unsigned long delay)
{
	bool pending;

	/* Never later than what is pending already. */
	mp_mem_get(mem);
	pending = delay ? !queue_delayed_work(mp_mem_wq, &mem->work, delay) :
			  mod_delayed_work(mp_mem_wq, &mem->work, 0);
	/* It had a reference already.  This is not the last: the caller has
	 * one.
	 */
	if (pending)
		mp_mem_put(mem);
}

/* States of a page, with the lock held */

/* Nobody can find it any more, and it has no users. */
static void mp_page_bury(struct mp_mem *mem, struct mp_page *page)
{
	mp_page_unmap(mem, page);
	/* Else the work item is pending, or about to find it. */
	if (list_empty(&mem->dead))
		mp_mem_schedule(mem, 0);
	list_move_tail(&page->list, &mem->dead);
}

static void mp_page_kill(struct mp_mem *mem, struct mp_page *page,
			 enum mp_unpin_reason reason)
{
	page->reason = reason;
	hlist_del(&page->node);
	WRITE_ONCE(mem->nr, mem->nr - 1);
	WRITE_ONCE(page->dead, true);
	if (page->users)
		list_move(&page->list, &mem->lost);
	else
		mp_page_bury(mem, page);
}

static void mp_page_forget(struct mp_mem *mem, struct mp_page *ghost)
{
	hlist_del(&ghost->node);
	list_del(&ghost->list);
	WRITE_ONCE(mem->nr_ghosts, mem->nr_ghosts - 1);
	kfree(ghost);
}

static void mp_page_remember(struct mp_mem *mem, struct mp_page *ghost)
{
	ghost->time = jiffies;
	list_add_tail(&ghost->list, &mem->ghosts);
	WRITE_ONCE(mem->nr_ghosts, mem->nr_ghosts + 1);
	if (mem->nr_ghosts > mem->ceiling)
		mp_page_forget(mem, list_first_entry(&mem->ghosts,
						     struct mp_page, list));
}

/* Make a ghost of a page without users.  Returns what is to be unpinned. */
static struct page *mp_page_evict(struct mp_mem *mem, struct mp_page *page,
				  enum mp_unpin_reason reason)
{
	struct page *pinned = page->page;

	mp_mem_trace_unpin(mem, page->index, reason);
	mp_page_unmap(mem, page);
	list_del(&page->list);
	WRITE_ONCE(mem->nr, mem->nr - 1);
	WRITE_ONCE(mem->evictions, mem->evictions + 1);
	page->page = NULL;
	page->err = 0;
	page->delay = 0;
	mp_page_remember(mem, page);
	return pinned;
}

/* The page that was not used for longest.  Those that are in use were not put
 * since and are passed by, a batch of them at most.
 */
static struct mp_page *mp_mem_oldest(struct mp_mem *mem)
{
	struct mp_page *page;
	int i;

	for (i = 0; i < MP_MEM_BATCH; i++) {
		page = list_first_entry_or_null(&mem->lru, struct mp_page,
						list);
		if (!page || !page->users)
			return page;
		list_move_tail(&page->list, &mem->lru);
	}
	return NULL;
}

static void mp_mem_reap(struct mp_mem *mem)
{
	struct mp_page *page;

	for (;;) {
		spin_lock(&mem->lock);
		page = list_first_entry_or_null(&mem->dead, struct mp_page,
						list);
		if (page)
			list_del(&page->list);
		spin_unlock(&mem->lock);
		if (!page)
			return;

		mp_mem_trace_unpin(mem, page->index, page->reason);
		mp_mem_unpin(mem, page->page);
		kfree(page);
	}
}

/* Returns whether the batch was full of what is idle, or in use: look again.
 */
static bool mp_mem_age_batch(struct mp_mem *mem)
{
	struct page *pinned[MP_MEM_BATCH];
	struct mp_page *page;
	int n = 0, i;

	spin_lock(&mem->lock);
	for (i = 0; i < MP_MEM_BATCH; i++) {
		page = list_first_entry_or_null(&mem->lru, struct mp_page,
						list);
		if (!page)
			break;
		if (page->users) {
			list_move_tail(&page->list, &mem->lru);
			continue;
		}
		if (time_before(jiffies, page->time + MP_MEM_IDLE))
			break;
		pinned[n++] = mp_page_evict(mem, page, MP_UNPIN_IDLE);
	}
	if (n)
		WRITE_ONCE(mem->limit, min(mem->ceiling,
					   max(mem->floor, mem->nr)));
	spin_unlock(&mem->lock);

	while (n)
		mp_mem_unpin(mem, pinned[--n]);
	return i == MP_MEM_BATCH;
}

static bool mp_mem_forget_batch(struct mp_mem *mem)
{
	struct mp_page *ghost;
	int i;

	spin_lock(&mem->lock);
	for (i = 0; i < MP_MEM_BATCH; i++) {
		ghost = list_first_entry_or_null(&mem->ghosts, struct mp_page,
						 list);
		if (!ghost || time_before(jiffies, ghost->time + MP_MEM_FORGET))
			break;
		mp_page_forget(mem, ghost);
	}
	spin_unlock(&mem->lock);
	return i == MP_MEM_BATCH;
}

/* Unpin and forget what is idle. */
static void mp_mem_age(struct mp_mem *mem)
{
	unsigned int left = READ_ONCE(mem->nr) / MP_MEM_BATCH + 1;

	/* Once round: what is in use moves to the end of the list. */
	while (left-- && mp_mem_age_batch(mem))
		cond_resched();
	while (mp_mem_forget_batch(mem))
		cond_resched();
}

static void mp_mem_work(struct work_struct *work)
{
	struct mp_mem *mem = container_of(to_delayed_work(work), struct mp_mem,
					  work);

	mp_mem_reap(mem);
	mp_mem_age(mem);

	spin_lock(&mem->lock);
	if (!mem->closed && (mem->nr || mem->nr_ghosts))
		mp_mem_schedule(mem, HZ);
	spin_unlock(&mem->lock);
	mp_mem_put(mem);
}

/* To pin a page */

static bool mp_mem_changing(const struct mp_mem *mem, unsigned long index)
{
	lockdep_assert_held(&mem->lock);

	return mem->changing && index >= mem->changing_first &&
	       index <= mem->changing_last;
}

static bool mp_mem_sampled(struct mp_mem *mem)
{
	return !(mem->sample++ % MP_MEM_SAMPLE);
}

static bool mp_mem_has_room(const struct mp_mem *mem)
{
	return mem->nr < mem->ceiling &&
	       time_after_eq64(get_jiffies_64(), mem->tight_until);
}

/* May one more be pinned?  @ghost is what is known of it, or NULL.  Where that
 * takes another's place, @evicted is to be unpinned.  Returns 0 or why not.
 */
static int mp_mem_admit(struct mp_mem *mem, const struct mp_page *ghost,
			struct page **evicted)
{
	bool failing = mem->failed >= MP_MEM_SAMPLE;
	bool room = mp_mem_has_room(mem);
	struct mp_page *oldest;

	if (room && !failing &&
	    (mem->nr < mem->limit || (ghost && !ghost->err)))
		return 0;
	if (!mp_mem_sampled(mem))
		return failing ? mem->err : -ENOBUFS;
	if (room)
		return 0;

	oldest = mp_mem_oldest(mem);
	if (!oldest)
		return -ENOBUFS;
	*evicted = mp_page_evict(mem, oldest, MP_UNPIN_EVICTED);
	return 0;
}

/* Note that a page was looked up and is not pinned; with @err, that it cannot
 * be.
 */
static void mp_mem_note(struct mp_mem *mem, unsigned long index, int err)
{
	struct mp_page *new, *ghost;

	new = kzalloc_obj(*new, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);

	spin_lock(&mem->lock);
	if (err) {
		mem->failures++;
		mem->failed++;
		mem->err = err;
	}
	ghost = mp_mem_find(mem, index);
	if (mem->closed || mp_mem_changing(mem, index) ||
	    (ghost ? !!ghost->page : !new))
		goto out;
	if (ghost) {
		list_del(&ghost->list);
		WRITE_ONCE(mem->nr_ghosts, mem->nr_ghosts - 1);
	} else {
		ghost = new;
		new = NULL;
		ghost->index = index;
		hlist_add_head(&ghost->node, mp_mem_bucket(mem, index));
	}
	ghost->err = err;
	ghost->delay = err ? clamp_t(unsigned int, 2 * ghost->delay,
				     MP_MEM_RETRY_MIN, MP_MEM_RETRY_MAX) : 0;
	/* May free it, where there is no room for even one. */
	mp_page_remember(mem, ghost);
	if (mem->nr_ghosts)
		mp_mem_schedule(mem, HZ);
out:
	spin_unlock(&mem->lock);
	kfree(new);
}

/* What to do about a page that is looked up: returns it if it is pinned, or
 * why it is not going to be, or NULL: it is to be.
 */
static struct mp_page *mp_mem_begin(struct mp_mem *mem, unsigned long index,
				    unsigned long *changes)
{
	struct page *evicted = NULL;
	struct mp_page *page;
	bool note = false;
	int err = 0;

	spin_lock(&mem->lock);
	page = mp_mem_find(mem, index);
	*changes = mem->changes;
	if (page && page->page) {
		page->users++;
		mem->hits++;
		goto out;
	}
	mem->misses++;
	if (mem->closed) {
		err = -ESHUTDOWN;
	} else if (mp_mem_changing(mem, index)) {
		err = -EAGAIN;
	} else if (page && page->err &&
		   time_before(jiffies, page->time + page->delay)) {
		err = page->err;
	} else if (!page && mp_mem_crowded(mem, index)) {
		err = -ENOBUFS;
	} else {
		err = mp_mem_admit(mem, page, &evicted);
		note = err == -ENOBUFS && !page && mp_mem_has_room(mem);
	}
	page = NULL;
out:
	spin_unlock(&mem->lock);

	if (evicted)
		mp_mem_unpin(mem, evicted);
	if (note)
		mp_mem_note(mem, index, 0);
	return err ? ERR_PTR(err) : page;
}

/* Charge a page, unless others of the user took what the limit allows. */
static int mp_mem_charge_one(struct mp_mem *mem)
{
	if (likely(!mp_mem_charge(mem)))
		return 0;

	/* What was invalidated may not be unpinned yet. */
	mp_mem_reap(mem);
	if (!mp_mem_charge(mem))
		return 0;

	spin_lock(&mem->lock);
	mem->tight_until = get_jiffies_64() + MP_MEM_TIGHT;
	spin_unlock(&mem->lock);
	return -ENOBUFS;
}

/* Faults are handled and mmap_lock is waited for: the caller holds no lock that
 * others wait for.  -EFAULT when there is no memory that may be accessed so,
 * -EINTR, or -EPERM when there is and it cannot be pinned.
 *
 * To read, a page that is shared (after a fork, by KSM, the zero page) is made
 * the address space's own first: it has to stay what the address maps to.
 */
static int mp_mem_pin(struct mp_mem *mem, unsigned long index,
		      struct page **page)
{
	const char __user *addr = (const char __user *)(index << PAGE_SHIFT);
	bool write = mem->dir != DMA_TO_DEVICE;
	int ret;

	ret = pin_user_pages_fast((unsigned long)addr, 1, FOLL_LONGTERM |
				  (write ? FOLL_WRITE : 0), page);
	if (likely(ret == 1))
		return 0;
	if (fatal_signal_pending(current) || ret == -EINTR)
		return -EINTR;
	if (write ? fault_in_safe_writeable(addr, 1) :
		    fault_in_readable(addr, 1))
		return -EFAULT;
	return -EPERM;
}

static struct mp_page *mp_page_create(struct mp_mem *mem, unsigned long index)
{
	struct mp_page *page;
	int err;

	page = kzalloc_obj(*page, GFP_KERNEL_ACCOUNT);
	if (!page)
		return ERR_PTR(-ENOMEM);

	page->index = index;
	page->users = 1;
	err = mp_mem_charge_one(mem);
	if (err)
		goto err_free;

	err = mp_mem_pin(mem, index, &page->page);
	if (err)
		goto err_uncharge;

	return page;

err_uncharge:
	mp_mem_uncharge(mem);
err_free:
	kfree(page);
	return ERR_PTR(err);
}

/* Publish a new page, unless its mapping may have changed since
 * mp_mem_begin(): then it may be one that the user address maps to no longer.
 * A change that begins after this finds the page; one that began before is
 * still under way, or has been counted.  Returns @page, or one that another
 * thread pinned meanwhile.
 */
static struct mp_page *mp_page_insert(struct mp_mem *mem, struct mp_page *page,
				      unsigned long changes)
{
	struct mp_page *known;
	int err;

	lockdep_assert_held(&mem->lock);

	if (mem->closed)
		return ERR_PTR(-ESHUTDOWN);
	if (mem->changes != changes || mp_mem_changing(mem, page->index))
		return ERR_PTR(-EAGAIN);

	known = mp_mem_find(mem, page->index);
	if (known && known->page) {
		known->users++;
		return known;
	}

	err = mp_page_map(mem, page);
	if (err)
		return ERR_PTR(err);

	if (known)
		mp_page_forget(mem, known);
	hlist_add_head(&page->node, mp_mem_bucket(mem, page->index));
	list_add_tail(&page->list, &mem->lru);
	WRITE_ONCE(mem->nr, mem->nr + 1);
	WRITE_ONCE(mem->limit, min(mem->ceiling, max(mem->limit, mem->nr)));
	mem->peak = max(mem->peak, mem->nr);
	mem->failed = 0;
	mp_mem_schedule(mem, HZ);
	return page;
}

static struct mp_page *mp_page_pin(struct mp_mem *mem, unsigned long index,
				   unsigned long changes)
{
	struct mp_page *page, *known;

	page = mp_page_create(mem, index);
	if (IS_ERR(page)) {
		mp_mem_trace_pin(mem, index, PTR_ERR(page));
		return page;
	}

	spin_lock(&mem->lock);
	known = mp_page_insert(mem, page, changes);
	/* Before somebody unpins it. */
	if (likely(known == page))
		mp_mem_trace_pin(mem, index, 0);
	spin_unlock(&mem->lock);
	if (likely(known == page))
		return page;

	mp_mem_trace_pin(mem, index, IS_ERR(known) ? PTR_ERR(known) : -EEXIST);
	mp_mem_unpin(mem, page->page);
	kfree(page);
	return known;
}

/**
 * mp_page_get - look up the page at a user address, pin and map it on a miss
 * @mem: cache
 * @uaddr: user address in the cache's address space
 *
 * Context: process, of the address space the cache was made for.  Handles page
 * faults, takes mmap_lock, and allocates memory that is charged to the memory
 * cgroup: the caller holds no lock that others wait for.
 * Return: a page to give back with mp_pages_put(), or not pinned, but perhaps
 * to be copied to:
 *
 * * -EFAULT: there is no writable memory
 * * -ENOBUFS: RLIMIT_MEMLOCK is reached, not pinned before it is looked up
 *   again, or too many pages are in one bucket
 * * -EREMOTEIO: the device cannot reach the page
 * * -ENOSPC: it cannot be mapped for the device
 * * -EPERM: it cannot be pinned
 * * -EAGAIN: the mapping is just being changed, which is not waited for
 * * -ESHUTDOWN: the cache is closed
 * * -EINTR: the task is being killed
 * * -ENOMEM
 */
struct mp_page *mp_page_get(struct mp_mem *mem, unsigned long uaddr)
{
	/* Invalidations come without tags. */
	unsigned long index = untagged_addr(uaddr) >> PAGE_SHIFT;
	unsigned int tries = MP_MEM_TRIES;
	unsigned long changes;
	struct mp_page *page;
	int err;

	do {
		page = mp_mem_begin(mem, index, &changes);
		if (page)
			return page;
		page = mp_page_pin(mem, index, changes);
	} while (page == ERR_PTR(-EAGAIN) && --tries);

	err = PTR_ERR_OR_ZERO(page);
	if (err == -EPERM || err == -ENOSPC || err == -EREMOTEIO)
		mp_mem_note(mem, index, err);
	return page;
}
EXPORT_SYMBOL_IF_KUNIT(mp_page_get);

/**
 * mp_pages_find - look up the pages at a range of user addresses
 * @mem: cache
 * @uaddr: user address in the first page
 * @pages: returns the pages
 * @n: how many
 *
 * Context: process; &mp_mem.lock held, which is to be let go of after some
 * dozens of pages.
 * Return: how many of the first are pinned, to be given back with
 * mp_pages_put(); those after them were not looked up.
 */
int mp_pages_find(struct mp_mem *mem, unsigned long uaddr,
		  struct mp_page **pages, int n)
{
	unsigned long index = untagged_addr(uaddr) >> PAGE_SHIFT;
	struct mp_page *page;
	int i;

	lockdep_assert_held(&mem->lock);

	for (i = 0; i < n; i++, index++) {
		page = mp_mem_find(mem, index);
		if (unlikely(!page || !page->page))
			break;
		page->users++;
		pages[i] = page;
	}
	mem->hits += i;

	return i;
}
EXPORT_SYMBOL_IF_KUNIT(mp_pages_find);

/**
 * mp_pages_put_locked - as mp_pages_put(), for who holds the lock
 * @mem: cache
 * @pages: from mp_pages_find()
 * @n: how many, a batch of some dozens
 *
 * Context: &mp_mem.lock held, else as mp_pages_put().
 */
void mp_pages_put_locked(struct mp_mem *mem, struct mp_page *const *pages,
			 int n)
{
	unsigned long now = jiffies;
	struct mp_page *page;

	lockdep_assert_held(&mem->lock);

	while (n--) {
		page = *pages++;
		if (--page->users)
			continue;
		page->time = now;
		if (unlikely(page->dead))
			mp_page_bury(mem, page);
		else
			list_move_tail(&page->list, &mem->lru);
	}
}

/**
 * mp_pages_put - the device is finished with pages
 * @mem: cache
 * @pages: from mp_pages_find() or mp_page_get()
 * @n: how many, a batch of some dozens
 *
 * Context: process; the caller has a reference on @mem.  No
 * descriptor with an address in the pages may be with the NIC.
 */
void mp_pages_put(struct mp_mem *mem, struct mp_page *const *pages, int n)
{
	spin_lock(&mem->lock);
	mp_pages_put_locked(mem, pages, n);
	spin_unlock(&mem->lock);
}
EXPORT_SYMBOL_IF_KUNIT(mp_pages_put);

/* MMU notifier */

static void mp_page_invalidate(struct mp_mem *mem, struct mp_page *page)
{
	/* What was true of the address need not be any more. */
	if (!page->page) {
		mp_page_forget(mem, page);
		return;
	}
	WRITE_ONCE(mem->invalidations, mem->invalidations + 1);
	mp_page_kill(mem, page, MP_UNPIN_INVALIDATED);
}

/* Let go of the lock when @work, which grew by @more, is that of a scan. */
static void mp_mem_breathe(struct mp_mem *mem, unsigned int *work,
			   unsigned int more)
{
	*work += more;
	if (*work < MP_MEM_SCAN)
		return;
	*work = 0;
	spin_unlock(&mem->lock);
	spin_lock(&mem->lock);
}

/* Drops the lock now and then.  Nothing is added meanwhile that lies in the
 * range: a change is under way.
 */
static void mp_mem_invalidate(struct mp_mem *mem, unsigned long index,
			      unsigned long last)
{
	const unsigned int page_work = MP_MEM_SCAN / MP_MEM_BATCH;
	unsigned long size = 1UL << mem->bits, i;
	unsigned int work = 0, n;
	struct hlist_node *next;
	struct mp_page *page;

	lockdep_assert_held(&mem->lock);

	if (last - index < size) {
		for (; index <= last && mem->nr + mem->nr_ghosts; index++) {
			page = mp_mem_find(mem, index);
			if (page)
				mp_page_invalidate(mem, page);
			mp_mem_breathe(mem, &work, page ? page_work : 1);
		}
		return;
	}

	for (i = 0; i < size && mem->nr + mem->nr_ghosts; i++) {
		n = 1;
		hlist_for_each_entry_safe(page, next, &mem->hash[i], node) {
			n += page_work;
			if (page->index >= index && page->index <= last)
				mp_page_invalidate(mem, page);
		}
		mp_mem_breathe(mem, &work, n);
	}
}

/* Runs under locks of mm, perhaps with a folio locked, perhaps not to sleep:
 * nothing is unpinned here.
 */
static int mp_mem_change_begin(struct mmu_notifier *mn,
			       const struct mmu_notifier_range *range)
{
	struct mp_mem *mem = container_of(mn, struct mp_mem, mn);
	unsigned long first = range->start >> PAGE_SHIFT;
	unsigned long last = (range->end - 1) >> PAGE_SHIFT;

	spin_lock(&mem->lock);
	if (!mem->changing++) {
		mem->changing_first = first;
		mem->changing_last = last;
	} else {
		mem->changing_first = min(mem->changing_first, first);
		mem->changing_last = max(mem->changing_last, last);
	}
	mp_mem_invalidate(mem, first, last);
	spin_unlock(&mem->lock);

	return 0;
}

static void mp_mem_change_end(struct mmu_notifier *mn,
			      const struct mmu_notifier_range *range)
{
	struct mp_mem *mem = container_of(mn, struct mp_mem, mn);

	spin_lock(&mem->lock);
	mem->changing--;
	mem->changes++;
	spin_unlock(&mem->lock);
}

static void mp_mem_free_notifier(struct mmu_notifier *mn)
{
	mp_mem_put(container_of(mn, struct mp_mem, mn));
}

/* Returns whether there may be more. */
static bool mp_mem_empty_batch(struct mp_mem *mem)
{
	struct mp_page *page;
	int i;

	spin_lock(&mem->lock);
	for (i = 0; i < MP_MEM_BATCH && !list_empty(&mem->lru); i++) {
		page = list_first_entry(&mem->lru, struct mp_page, list);
		mp_page_kill(mem, page, MP_UNPIN_CLOSED);
	}
	for (; i < MP_MEM_BATCH && !list_empty(&mem->ghosts); i++) {
		page = list_first_entry(&mem->ghosts, struct mp_page, list);
		mp_page_forget(mem, page);
	}
	spin_unlock(&mem->lock);
	return i == MP_MEM_BATCH;
}

/**
 * mp_mem_shut - nothing is pinned any more
 * @mem: cache, of which mp_mem_renew() is false from now
 *
 * Context: process.
 */
void mp_mem_shut(struct mp_mem *mem)
{
	/* Not later: nothing is left to a timer when the module goes. */
	spin_lock(&mem->lock);
	WRITE_ONCE(mem->closed, true);
	mp_mem_schedule(mem, 0);
	spin_unlock(&mem->lock);
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_shut);

/**
 * mp_mem_empty - unmap what is not in use
 * @mem: cache that was shut
 *
 * It is up to the owner to see to it that &mp_mem.dev does not go before
 * mp_mem_close(), which may run at the same time.
 *
 * Context: process; the caller has a reference.
 */
void mp_mem_empty(struct mp_mem *mem)
{
	while (mp_mem_empty_batch(mem))
		cond_resched();
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_empty);

/* Pages of posters that are going to find out. */
static bool mp_mem_unmap_batch(struct mp_mem *mem)
{
	struct mp_page *page;
	int i;

	spin_lock(&mem->lock);
	for (i = 0; i < MP_MEM_BATCH && !list_empty(&mem->lost); i++) {
		page = list_first_entry(&mem->lost, struct mp_page, list);
		mp_page_unmap(mem, page);
		list_del_init(&page->list);
	}
	spin_unlock(&mem->lock);
	return i == MP_MEM_BATCH;
}

/* The address space goes away.  Nobody can look anything up without it, but the
 * NIC may write to what is posted.
 */
static void mp_mem_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct mp_mem *mem = container_of(mn, struct mp_mem, mn);

	mp_mem_shut(mem);
	mp_mem_empty(mem);
}

static const struct mmu_notifier_ops mp_mem_mn_ops = {
	.invalidate_range_start	= mp_mem_change_begin,
	.invalidate_range_end	= mp_mem_change_end,
	.release		= mp_mem_release,
	.free_notifier		= mp_mem_free_notifier,
};

/* Lifetime */

/* Pages that the current task may have locked. */
static unsigned long mp_mem_rlimit(void)
{
	/* A denial is not worth a line in the audit log: it is no error. */
	if (ns_capable_noaudit(&init_user_ns, CAP_IPC_LOCK))
		return LONG_MAX;
	return min_t(unsigned long, rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT,
		     LONG_MAX);
}

static void mp_mem_set_limits(struct mp_mem *mem, unsigned long pages)
{
	spin_lock(&mem->lock);
	WRITE_ONCE(mem->lock_limit, pages);
	mem->ceiling = min_t(unsigned long, pages, MP_MEM_MAX);
	mem->limit = clamp(mem->limit, min(mem->floor, mem->ceiling),
			   mem->ceiling);
	spin_unlock(&mem->lock);
}

/**
 * mp_mem_create - make a cache for the current address space and user
 * @dir: what the device does to the pages
 *
 * The caller sets &mp_mem.dev before the first page is looked up.
 *
 * Context: process, with an address space.  Takes mmap_lock for writing, which
 * may be waited for as long as user space likes: not with RTNL held.
 * Return: the cache, to be given back by mp_mem_close(); -EINTR when a signal
 * is pending, -ENOMEM.
 */
struct mp_mem *mp_mem_create(enum dma_data_direction dir)
{
	unsigned long pages = mp_mem_rlimit();
	struct mp_mem *mem;
	int err = -ENOMEM;

	mem = kzalloc_obj(*mem, GFP_KERNEL_ACCOUNT);
	if (!mem)
		return ERR_PTR(-ENOMEM);

	/* Rounded up, or mp_mem_renew() refuses what was made just now. */
	mem->bits = order_base_2(max(DIV_ROUND_UP(min(pages, MP_MEM_MAX),
						  MP_MEM_LOAD),
				     MP_MEM_BUCKETS));
	/* All zeroes are empty buckets. */
	mem->hash = kvcalloc(1UL << mem->bits, sizeof(*mem->hash),
			     GFP_KERNEL_ACCOUNT);
	if (!mem->hash)
		goto err_free;

	spin_lock_init(&mem->lock);
	INIT_LIST_HEAD(&mem->lru);
	INIT_LIST_HEAD(&mem->lost);
	INIT_LIST_HEAD(&mem->dead);
	INIT_LIST_HEAD(&mem->ghosts);
	INIT_DELAYED_WORK(&mem->work, mp_mem_work);
	mem->dir = dir;
	mem->floor = MP_MEM_MIN;
	mp_mem_set_limits(mem, pages);
	/* The owner's, and the notifier's. */
	refcount_set(&mem->refs, 2);

	mem->mn.ops = &mp_mem_mn_ops;
	err = mmu_notifier_register(&mem->mn, current->mm);
	if (err)
		goto err_hash;

	mem->mm = current->mm;
	mmgrab(mem->mm);
	mem->user = get_uid(current_user());
	atomic_inc(&mp_mems);
	return mem;

err_hash:
	kvfree(mem->hash);
err_free:
	kfree(mem);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_create);

/**
 * mp_mem_renew - may the current task go on with a cache
 * @mem: cache
 *
 * Takes over the limits that hold today.
 *
 * Context: process.
 * Return: false when it is another's, by address space or user, when it was
 * shut, or when RLIMIT_MEMLOCK is now higher than it has buckets for.
 */
bool mp_mem_renew(struct mp_mem *mem)
{
	unsigned long pages = mp_mem_rlimit();

	if (mem->mm != current->mm || mem->user != current_user() ||
	    READ_ONCE(mem->closed) ||
	    min(pages, MP_MEM_MAX) > MP_MEM_LOAD << mem->bits)
		return false;

	mp_mem_set_limits(mem, pages);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_renew);

/**
 * mp_mem_expect - tell how many pages are sure to be in use
 * @mem: cache
 * @pages: the limit does not become lower, unless RLIMIT_MEMLOCK is
 *
 * Context: process.
 */
void mp_mem_expect(struct mp_mem *mem, unsigned int pages)
{
	spin_lock(&mem->lock);
	mem->floor = max(mem->floor, pages);
	WRITE_ONCE(mem->limit, min(mem->ceiling, max(mem->limit, mem->floor)));
	spin_unlock(&mem->lock);
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_expect);

/**
 * mp_mem_close - unmap everything, and give up the owner's reference
 * @mem: cache
 *
 * When it returns there is no DMA mapping, and there will be none: the device
 * was stopped before.  Pages are unpinned later, those with users when they are
 * put.
 *
 * Context: process.  Waits for nothing but &mp_mem.lock.
 */
void mp_mem_close(struct mp_mem *mem)
{
	mp_mem_shut(mem);
	mp_mem_empty(mem);
	while (mp_mem_unmap_batch(mem))
		cond_resched();
	/* Callbacks may run on for a while; they find nothing. */
	mmu_notifier_put(&mem->mn);
	mp_mem_put(mem);
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_close);

/**
 * mp_mem_get - take a reference
 * @mem: cache
 *
 * Context: any.
 * Return: @mem
 */
struct mp_mem *mp_mem_get(struct mp_mem *mem)
{
	refcount_inc(&mem->refs);
	return mem;
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_get);

/**
 * mp_mem_put - give up a reference
 * @mem: cache
 *
 * Context: process, or a callback of SRCU.
 */
void mp_mem_put(struct mp_mem *mem)
{
	if (!refcount_dec_and_test(&mem->refs))
		return;

	/* Better leak a page than let the NIC write to a freed one. */
	WARN_ON_ONCE(atomic_read(&mem->pinned));
	free_uid(mem->user);
	mmdrop(mem->mm);
	kvfree(mem->hash);
	kfree(mem);
	/* Pairs with mp_mem_exit(). */
	if (atomic_dec_and_test(&mp_mems))
		wake_up_var(&mp_mems);
}
EXPORT_SYMBOL_IF_KUNIT(mp_mem_put);

/**
 * mp_mem_init - prepare for caches
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int __init mp_mem_init(void)
{
	/* One of a tenant whose pages cannot be unlocked delays no other. */
	mp_mem_wq = alloc_workqueue("mpassthru", WQ_UNBOUND, 0);
	return mp_mem_wq ? 0 : -ENOMEM;
}

/**
 * mp_mem_exit - wait for what is left of caches that were closed
 *
 * Context: process.
 */
void mp_mem_exit(void)
{
	/* The notifier's reference goes after ->release, of an address space
	 * that ends just now, has returned; the work item's when nothing is
	 * left to unpin.  Without a cache nobody queues work any more.
	 * mmu_notifier_synchronize() is no substitute: it waits for grace
	 * periods, and not for what is called back after them.
	 */
	wait_var_event(&mp_mems, !atomic_read(&mp_mems));
	/* Who gave up the last reference has to return: a callback of SRCU,
	 * which runs with softirqs disabled, or a work item.
	 */
	synchronize_rcu();
	destroy_workqueue(mp_mem_wq);
}
