// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounce pages.  Where the NIC cannot have the memory of a guest itself, as it
 * is not pinned or not in one piece, it has a page of the host, and the CPU
 * copies. A queue keeps some of them, mapped, for the next time.  Where frames
 * are longer than a page, each is several in one piece.
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "mpassthru_buf.h"

/* Kept for reuse, by each queue and direction. */
#define MP_BOUNCES		256

/**
 * mp_bounces_init - prepare for bounce pages
 * @bounces: to be prepared; the caller sets &mp_bounces.dev
 * @dir: what the device does to them
 *
 * Context: any.
 */
void mp_bounces_init(struct mp_bounces *bounces, enum dma_data_direction dir)
{
	INIT_LIST_HEAD(&bounces->list);
	bounces->nr = 0;
	bounces->dir = dir;
}

/**
 * mp_bounce_alloc - allocate a page, charged to the poster
 * @size: bytes that it is for: all pages of a queue and direction have the same
 *
 * Context: process; may wait for the memory cgroup: no locks held.
 * Return: the page, not mapped, or NULL.
 */
struct mp_bounce *mp_bounce_alloc(size_t size)
{
	unsigned int order = get_order(size);
	gfp_t gfp = GFP_KERNEL_ACCOUNT;
	struct mp_bounce *bounce;

	/* Nothing is compacted or reclaimed for it at the rate of frames, but
	 * by kthreads that are woken up, and reserves are not for what stays.
	 * Where there is none, frames are copied for a while.
	 */
	if (order)
		gfp = (gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_COMP |
		      __GFP_NOMEMALLOC | __GFP_NOWARN;

	bounce = kmalloc_obj(*bounce, GFP_KERNEL_ACCOUNT);
	if (!bounce)
		return NULL;

	bounce->page = alloc_pages(gfp, order);
	if (!bounce->page) {
		kfree(bounce);
		return NULL;
	}
	return bounce;
}

/**
 * mp_bounce_free - free a page that is not mapped
 * @bounce: from mp_bounce_alloc(), or NULL
 *
 * Context: process.
 */
void mp_bounce_free(struct mp_bounce *bounce)
{
	if (!bounce)
		return;
	__free_pages(bounce->page, compound_order(bounce->page));
	kfree(bounce);
}

/**
 * mp_bounce_map - map a page for the device of a queue
 * @bounces: of the queue
 * @bounce: from mp_bounce_alloc()
 *
 * Context: process; lock of the queue.
 * Return: 0, or -ENOMEM.
 */
int mp_bounce_map(struct mp_bounces *bounces, struct mp_bounce *bounce)
{
	bounce->dma = dma_map_page(bounces->dev, bounce->page, 0,
				   page_size(bounce->page), bounces->dir);
	return dma_mapping_error(bounces->dev, bounce->dma) ? -ENOMEM : 0;
}

static void mp_bounce_unmap(struct mp_bounces *bounces,
			    struct mp_bounce *bounce)
{
	dma_unmap_page(bounces->dev, bounce->dma, page_size(bounce->page),
		       bounces->dir);
	mp_bounce_free(bounce);
}

/**
 * mp_bounce_take - take a page that is kept
 * @bounces: of the queue
 *
 * Context: process; lock of the queue.
 * Return: the page, mapped, or NULL.
 */
struct mp_bounce *mp_bounce_take(struct mp_bounces *bounces)
{
	struct mp_bounce *bounce;

	bounce = list_first_entry_or_null(&bounces->list, struct mp_bounce,
					  list);
	if (bounce) {
		list_del(&bounce->list);
		bounces->nr--;
	}
	return bounce;
}

/**
 * mp_bounce_put - give back a page that the device is finished with
 * @bounces: of the queue
 * @bounce: mapped
 *
 * Context: process; lock of the queue.
 */
void mp_bounce_put(struct mp_bounces *bounces, struct mp_bounce *bounce)
{
	if (bounces->nr >= MP_BOUNCES) {
		mp_bounce_unmap(bounces, bounce);
		return;
	}
	list_add(&bounce->list, &bounces->list);
	bounces->nr++;
}

/**
 * mp_bounce_sync_for_device - let the device have what the CPU wrote
 * @bounces: of the queue
 * @bounce: mapped
 * @len: bytes from the beginning
 *
 * Context: any; lock of the queue.
 */
void mp_bounce_sync_for_device(struct mp_bounces *bounces,
			       struct mp_bounce *bounce, unsigned int len)
{
	dma_sync_single_for_device(bounces->dev, bounce->dma, len,
				   bounces->dir);
}

/**
 * mp_bounces_empty - unmap and free what is kept
 * @bounces: of a queue that stops
 *
 * Context: process; lock of the queue.
 */
void mp_bounces_empty(struct mp_bounces *bounces)
{
	struct mp_bounce *bounce;

	while ((bounce = mp_bounce_take(bounces)))
		mp_bounce_unmap(bounces, bounce);
}
