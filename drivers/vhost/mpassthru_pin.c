// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pin cache: user page -> pinned page and DMA address.
 *
 * Pinning and mapping a page costs about as much as copying a frame, so that
 * doing it for every frame wins nothing.  A guest recycles its receive pages:
 * they are looked up here and pinned once.
 *
 * A pin lives in the hash from the first lookup to eviction or invalidation.
 * While buffers on it are posted (users != 0) the page stays pinned and mapped
 * whatever happens to the mapping; an invalidation only makes sure that the
 * next lookup of the address does not find it.
 *
 * Not an mmu_interval_notifier: both to begin a read and to remove it waits
 * until no invalidation is under way, which threads of user space can put off
 * for as long as they like, and here somebody may hold RTNL.  A page whose
 * mapping is changing is not pinned, as KVM does it (mmu_invalidate_retry).
 *
 * Not an xarray: by page numbers of user space it is six levels deep, and a
 * lookup took a tenth of all that is done for a frame.
 */

#include <kunit/visibility.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "mpassthru_pin.h"

/* Pins kept however few buffers are posted. */
#define MP_PINS_MIN		64

/* An address space that changes faster than we can pin is given up on. */
#define MP_PIN_RETRIES		4

/* A page is synced buffer by buffer, mp_pin_sync_for_cpu(), and not as a whole
 * when it is mapped and unmapped.
 */
#define MP_PIN_DMA_ATTR		DMA_ATTR_SKIP_CPU_SYNC

static int mp_pins_charge(struct mp_pins *pins)
{
	long locked = atomic_long_read(&pins->user->locked_vm);

	do {
		if (locked >= pins->lock_limit)
			return -ENOBUFS;
	} while (!atomic_long_try_cmpxchg(&pins->user->locked_vm, &locked,
					  locked + 1));

	atomic64_inc(&pins->mm->pinned_vm);
	atomic_inc(&pins->pinned);
	return 0;
}

static void mp_pins_uncharge(struct mp_pins *pins)
{
	atomic_dec(&pins->pinned);
	atomic64_dec(&pins->mm->pinned_vm);
	atomic_long_dec(&pins->user->locked_vm);
}

/* May a mapping of a whole page be one of the swiotlb? */
static bool mp_pins_swiotlb(struct mp_pins *pins)
{
	return dma_addressing_limited(pins->dev) ||
	       is_swiotlb_force_bounce(pins->dev);
}

static int mp_pin_map(struct mp_pins *pins, struct mp_pin *pin)
{
	pin->dma = dma_map_page_attrs(pins->dev, pin->page, 0, PAGE_SIZE,
				      DMA_FROM_DEVICE, MP_PIN_DMA_ATTR);
	if (dma_mapping_error(pins->dev, pin->dma))
		return -ENOMEM;

	/* Where syncs are not for nothing: an IOMMU, a device that is not
	 * coherent, or a page out of reach of the device that is mapped to a
	 * swiotlb slot.  The last is a copy that nobody sees.  Rather have the
	 * bounce page that is counted.
	 */
	pin->sync = dma_need_sync(pins->dev, pin->dma);
	if (!pin->sync || !mp_pins_swiotlb(pins))
		return 0;

	dma_unmap_page_attrs(pins->dev, pin->dma, PAGE_SIZE, DMA_FROM_DEVICE,
			     MP_PIN_DMA_ATTR);
	return -EREMOTEIO;
}

static struct mp_pin *mp_pin_find(struct mp_pins *pins, unsigned long index)
{
	struct mp_pin *pin;

	hash_for_each_possible(pins->hash, pin, node, index)
		if (pin->index == index)
			return pin;
	return NULL;
}

/* Give back a pin that nobody can find any more and that has no users.  The
 * device has no descriptor with its address: a user is a posted buffer, and
 * the last one is gone.
 */
static void mp_pin_free(struct mp_pins *pins, struct mp_pin *pin)
{
	dma_unmap_page_attrs(pins->dev, pin->dma, PAGE_SIZE, DMA_FROM_DEVICE,
			     MP_PIN_DMA_ATTR);
	unpin_user_pages_dirty_lock(&pin->page, 1, true);
	mp_pins_uncharge(pins);
	kfree(pin);
}

static bool mp_pins_evict(struct mp_pins *pins)
{
	struct mp_pin *pin;

	spin_lock(&pins->lock);
	pin = list_first_entry_or_null(&pins->idle, struct mp_pin, list);
	if (pin) {
		list_del(&pin->list);
		hash_del(&pin->node);
		pins->nr--;
		pins->evictions++;
	}
	spin_unlock(&pins->lock);

	if (!pin)
		return false;

	mp_pin_free(pins, pin);
	return true;
}

/* The caller holds locks that user space must not have anybody wait for: no
 * page fault is handled, nor is mmap_lock waited for, which is held over some
 * (FUSE).  The caller knows how to get at a page that is not to be had so.
 */
static int mp_pin_page(unsigned long index, struct page **page)
{
	long ret;

	if (!mmap_read_trylock(current->mm))
		return -EFAULT;
	ret = pin_user_pages(index << PAGE_SHIFT, 1,
			     FOLL_WRITE | FOLL_LONGTERM | FOLL_NOFAULT, page);
	mmap_read_unlock(current->mm);

	if (ret == 1)
		return 0;
	return ret < 0 ? ret : -EFAULT;
}

static struct mp_pin *mp_pin_create(struct mp_pins *pins, unsigned long index)
{
	struct mp_pin *pin;
	int err;

	pin = kzalloc_obj(*pin);
	if (!pin)
		return ERR_PTR(-ENOMEM);

	pin->index = index;
	pin->users = 1;
	err = mp_pins_charge(pins);
	/* One makes room for one, unless others of the user took it. */
	if (err && mp_pins_evict(pins))
		err = mp_pins_charge(pins);
	if (err) {
		/* What was invalidated may not be unpinned yet. */
		flush_work(&pins->reaper);
		err = mp_pins_charge(pins);
	}
	if (err)
		goto err_free;

	err = mp_pin_page(index, &pin->page);
	if (err)
		goto err_uncharge;

	err = mp_pin_map(pins, pin);
	if (err)
		goto err_unpin;

	return pin;

err_unpin:
	unpin_user_page(pin->page);
err_uncharge:
	mp_pins_uncharge(pins);
err_free:
	kfree(pin);
	return ERR_PTR(err);
}

static bool mp_pins_changing(const struct mp_pins *pins, unsigned long index)
{
	lockdep_assert_held(&pins->lock);

	return pins->changing && index >= pins->changing_first &&
	       index <= pins->changing_last;
}

static int mp_pin_begin(struct mp_pins *pins, unsigned long index,
			unsigned long *changes)
{
	bool changing;

	spin_lock(&pins->lock);
	changing = mp_pins_changing(pins, index);
	*changes = pins->changes;
	spin_unlock(&pins->lock);

	return changing ? -EAGAIN : 0;
}

/* Publish a new pin, unless its mapping may have changed since mp_pin_begin():
 * then the page may be one that the user address maps to no longer.  A change
 * that begins after this finds the pin; one that began before is still under
 * way, or has been counted.
 */
static bool mp_pin_insert(struct mp_pins *pins, struct mp_pin *pin,
			  unsigned long changes)
{
	bool valid;

	spin_lock(&pins->lock);
	valid = pins->changes == changes && !mp_pins_changing(pins, pin->index);
	if (valid) {
		hash_add(pins->hash, &pin->node, pin->index);
		pins->nr++;
	}
	spin_unlock(&pins->lock);

	return valid;
}

static struct mp_pin *mp_pin_fill(struct mp_pins *pins, unsigned long index)
{
	unsigned long changes;
	unsigned int retries;
	struct mp_pin *pin;
	int err;

	while (READ_ONCE(pins->nr) >= max(pins->soft_limit, MP_PINS_MIN))
		if (!mp_pins_evict(pins))
			break;

	for (retries = 0; retries < MP_PIN_RETRIES; retries++) {
		err = mp_pin_begin(pins, index, &changes);
		if (err)
			return ERR_PTR(err);

		pin = mp_pin_create(pins, index);
		if (IS_ERR(pin))
			return pin;

		pins->peak = max_t(unsigned int, pins->peak,
				   atomic_read(&pins->pinned));
		if (mp_pin_insert(pins, pin, changes))
			return pin;

		mp_pin_free(pins, pin);
	}

	return ERR_PTR(-EAGAIN);
}

/**
 * mp_pin_get - look up the page at a user address, pin and map it on a miss
 * @pins: cache
 * @uaddr: user address in the poster's address space
 *
 * Context: process, of the address space the cache was made for; calls for one
 * cache are serialised by the caller.
 * Return: a pin to give back with mp_pin_put(); -EFAULT when no writable page
 * is present there or mmap_lock is not free, neither of which is waited for;
 * -ENOBUFS when RLIMIT_MEMLOCK is reached; -EREMOTEIO when the device cannot
 * reach the page; -EAGAIN when the mapping is just being changed, which is not
 * waited for either; -ENOMEM.
 */
struct mp_pin *mp_pin_get(struct mp_pins *pins, unsigned long uaddr)
{
	/* Invalidations come without tags. */
	unsigned long index = untagged_addr(uaddr) >> PAGE_SHIFT;
	struct mp_pin *pin;

	spin_lock(&pins->lock);
	pin = mp_pin_find(pins, index);
	if (likely(pin)) {
		if (!pin->users++)
			list_del(&pin->list);
		pins->hits++;
	} else {
		pins->misses++;
	}
	spin_unlock(&pins->lock);

	return likely(pin) ? pin : mp_pin_fill(pins, index);
}
EXPORT_SYMBOL_IF_KUNIT(mp_pin_get);

/**
 * mp_pin_put - a posted buffer no longer needs a page
 * @pins: cache
 * @pin: from mp_pin_get()
 *
 * Context: process. No descriptor with the address of the buffer may be with
 * the NIC.
 */
void mp_pin_put(struct mp_pins *pins, struct mp_pin *pin)
{
	bool free = false;

	spin_lock(&pins->lock);
	if (!--pin->users) {
		free = pin->dead;
		if (!free)
			list_add_tail(&pin->list, &pins->idle);
	}
	spin_unlock(&pins->lock);

	if (unlikely(free))
		mp_pin_free(pins, pin);
}
EXPORT_SYMBOL_IF_KUNIT(mp_pin_put);

static void mp_pins_reap(struct work_struct *work)
{
	struct mp_pins *pins = container_of(work, struct mp_pins, reaper);
	struct mp_pin *pin, *next;
	LIST_HEAD(dead);

	spin_lock(&pins->lock);
	list_splice_init(&pins->dead, &dead);
	spin_unlock(&pins->lock);

	list_for_each_entry_safe(pin, next, &dead, list)
		mp_pin_free(pins, pin);
}

static void mp_pin_invalidate(struct mp_pins *pins, struct mp_pin *pin)
{
	hash_del(&pin->node);
	WRITE_ONCE(pins->nr, pins->nr - 1);
	WRITE_ONCE(pins->invalidations, pins->invalidations + 1);
	WRITE_ONCE(pin->dead, true);
	if (!pin->users) {
		list_move(&pin->list, &pins->dead);
		queue_work(system_dfl_wq, &pins->reaper);
	}
}

static void mp_pins_invalidate(struct mp_pins *pins, unsigned long index,
			       unsigned long last)
{
	struct hlist_node *next;
	struct mp_pin *pin;
	int bucket;

	lockdep_assert_held(&pins->lock);

	if (last - index < HASH_SIZE(pins->hash)) {
		for (; index <= last; index++) {
			pin = mp_pin_find(pins, index);
			if (pin)
				mp_pin_invalidate(pins, pin);
		}
		return;
	}

	hash_for_each_safe(pins->hash, bucket, next, pin, node)
		if (pin->index >= index && pin->index <= last)
			mp_pin_invalidate(pins, pin);
}

/* Runs under locks of mm, perhaps with a folio locked, perhaps atomic: nothing
 * is unpinned here.
 */
static int mp_pins_change_begin(struct mmu_notifier *mn,
				const struct mmu_notifier_range *range)
{
	struct mp_pins *pins = container_of(mn, struct mp_pins, mn);
	unsigned long first = range->start >> PAGE_SHIFT;
	unsigned long last = (range->end - 1) >> PAGE_SHIFT;

	spin_lock(&pins->lock);
	if (!pins->changing++) {
		pins->changing_first = first;
		pins->changing_last = last;
	} else {
		pins->changing_first = min(pins->changing_first, first);
		pins->changing_last = max(pins->changing_last, last);
	}
	mp_pins_invalidate(pins, first, last);
	spin_unlock(&pins->lock);

	return 0;
}

static void mp_pins_change_end(struct mmu_notifier *mn,
			       const struct mmu_notifier_range *range)
{
	struct mp_pins *pins = container_of(mn, struct mp_pins, mn);

	spin_lock(&pins->lock);
	pins->changing--;
	pins->changes++;
	spin_unlock(&pins->lock);
}

/* The address space goes away, or mp_pins_destroy() runs. */
static void mp_pins_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct mp_pins *pins = container_of(mn, struct mp_pins, mn);

	spin_lock(&pins->lock);
	mp_pins_invalidate(pins, 0, ULONG_MAX >> PAGE_SHIFT);
	pins->changes++;
	spin_unlock(&pins->lock);
}

static const struct mmu_notifier_ops mp_pins_mn_ops = {
	.invalidate_range_start	= mp_pins_change_begin,
	.invalidate_range_end	= mp_pins_change_end,
	.release		= mp_pins_release,
};

/**
 * mp_pins_create - make a pin cache for the current address space and user
 *
 * The caller sets &mp_pins.dev before the first mp_pin_get().
 *
 * Context: process, with an address space.  Takes mmap_lock for writing, which
 * may be waited for as long as user space likes: not with RTNL held.
 * Return: the cache; -EINTR when a signal is pending, -ENOMEM.
 */
struct mp_pins *mp_pins_create(void)
{
	struct mp_pins *pins;
	int err;

	pins = kvzalloc_obj(*pins);
	if (!pins)
		return ERR_PTR(-ENOMEM);

	spin_lock_init(&pins->lock);
	hash_init(pins->hash);
	INIT_LIST_HEAD(&pins->idle);
	INIT_LIST_HEAD(&pins->dead);
	INIT_WORK(&pins->reaper, mp_pins_reap);
	pins->lock_limit = capable(CAP_IPC_LOCK) ? LONG_MAX :
			   rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	pins->mn.ops = &mp_pins_mn_ops;
	err = mmu_notifier_register(&pins->mn, current->mm);
	if (err) {
		kvfree(pins);
		return ERR_PTR(err);
	}

	pins->mm = current->mm;
	mmgrab(pins->mm);
	pins->user = get_uid(current_user());
	return pins;
}
EXPORT_SYMBOL_IF_KUNIT(mp_pins_create);

/**
 * mp_pins_destroy - unpin everything
 * @pins: cache without users
 *
 * Context: process.
 */
void mp_pins_destroy(struct mp_pins *pins)
{
	/* Invalidates all.  Waits for callbacks that run, of any notifier, but
	 * not for a change that is under way to end.  No callback runs, or
	 * queues work, after this.
	 */
	mmu_notifier_unregister(&pins->mn, pins->mm);
	cancel_work_sync(&pins->reaper);
	mp_pins_reap(&pins->reaper);

	/* Better leak a page than let the NIC write to a freed one. */
	WARN_ON_ONCE(atomic_read(&pins->pinned));
	free_uid(pins->user);
	mmdrop(pins->mm);
	kvfree(pins);
}
EXPORT_SYMBOL_IF_KUNIT(mp_pins_destroy);
