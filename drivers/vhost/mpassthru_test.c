// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of what needs no NIC: the port, the FIFO and the pin cache. */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/mpassthru.h>
#include <linux/sched/mm.h>
#include <linux/sched/user.h>
#include <linux/uaccess.h>

#include "mpassthru_pin.h"

/* Port */

static int port_prep(struct net_device *dev, struct mpassthru_port *port,
		     struct netlink_ext_ack *extack)
{
	struct mpassthru_port *answer = netdev_priv(dev);

	port->hdr_len = answer->hdr_len;
	port->data_len = answer->data_len;
	port->npages = answer->npages;
	port->drv = answer->drv;
	return 0;
}

static const struct net_device_ops port_netdev_ops = {
	.ndo_mp_port_prep	= port_prep,
};

static const struct mpassthru_driver_ops port_driver_ops = {};

static void port_free_netdev(void *dev)
{
	free_netdev(dev);
}

static struct net_device *port_netdev(struct kunit *test)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct mpassthru_port));

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, port_free_netdev, dev));
	strscpy(dev->name, "port0");
	return dev;
}

static int port_ask(struct net_device *dev, struct mpassthru_port *port,
		    struct netlink_ext_ack *extack)
{
	int err;

	rtnl_lock();
	err = netdev_mp_port_prep(dev, port, extack);
	rtnl_unlock();
	return err;
}

static const struct {
	int hdr_len, data_len, npages, err;
} port_answers[] = {
	{ 0, 1518, 1, 0 },
	{ 0, PAGE_SIZE, 1, 0 },
	{ 128, PAGE_SIZE + 1, 2, 0 },
	{ PAGE_SIZE - 1, ETH_ZLEN, 1, 0 },
	{ 0, MAX_SKB_FRAGS * PAGE_SIZE, MAX_SKB_FRAGS, 0 },
	{ 0, 0, 1, -EINVAL },
	{ 0, -1, 1, -EINVAL },
	{ 0, ETH_ZLEN - 1, 1, -EINVAL },
	{ 0, PAGE_SIZE + 1, 1, -EINVAL },
	{ 0, PAGE_SIZE, 2, -EINVAL },
	{ 0, 1518, 0, -EINVAL },
	{ 0, 1518, -1, -EINVAL },
	{ 0, 1518, INT_MAX, -EINVAL },
	{ 0, 1518, MAX_SKB_FRAGS + 1, -EINVAL },
	{ -1, 1518, 1, -EINVAL },
	{ PAGE_SIZE, 1518, 1, -EINVAL },
};

static void port_rejects_what_makes_no_sense(struct kunit *test)
{
	struct net_device *dev = port_netdev(test);
	struct mpassthru_port *answer = netdev_priv(dev);
	char numbers[80];
	int i;

	dev->netdev_ops = &port_netdev_ops;
	answer->drv = &port_driver_ops;
	for (i = 0; i < ARRAY_SIZE(port_answers); i++) {
		struct netlink_ext_ack extack = {};
		struct mpassthru_port port = {};

		answer->hdr_len = port_answers[i].hdr_len;
		answer->data_len = port_answers[i].data_len;
		answer->npages = port_answers[i].npages;
		KUNIT_EXPECT_EQ_MSG(test, port_answers[i].err,
				    port_ask(dev, &port, &extack),
				    "answer %d", i);
		if (!port_answers[i].err)
			continue;
		snprintf(numbers, sizeof(numbers),
			 "hdr_len %d, data_len %d, npages %d", answer->hdr_len,
			 answer->data_len, answer->npages);
		KUNIT_ASSERT_NOT_NULL(test, extack._msg);
		KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, numbers));
	}
}

static void port_needs_the_hook(struct kunit *test)
{
	static const struct net_device_ops none = {};
	struct net_device *dev = port_netdev(test);
	struct netlink_ext_ack extack = {};
	struct mpassthru_port port = {};

	dev->netdev_ops = &none;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, port_ask(dev, &port, &extack));
	KUNIT_ASSERT_NOT_NULL(test, extack._msg);
	KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "port0"));
}

static void port_is_attached_once(struct kunit *test)
{
	struct net_device *dev = port_netdev(test);
	struct mpassthru_port one = {}, two = {};

	rtnl_lock();
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	KUNIT_EXPECT_EQ(test, 0, netdev_mp_port_attach(dev, &one));
	KUNIT_EXPECT_TRUE(test, mpassthru_bound(dev));
	KUNIT_EXPECT_EQ(test, -EBUSY, netdev_mp_port_attach(dev, &two));
	KUNIT_EXPECT_PTR_EQ(test, &one, rtnl_dereference(dev->mp_port));
	netdev_mp_port_detach(dev);
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	/* Nothing to detach: the static key is not counted down again. */
	netdev_mp_port_detach(dev);
	KUNIT_EXPECT_EQ(test, 0, netdev_mp_port_attach(dev, &two));
	netdev_mp_port_detach(dev);
	rtnl_unlock();
}

static struct kunit_case port_cases[] = {
	KUNIT_CASE(port_rejects_what_makes_no_sense),
	KUNIT_CASE(port_needs_the_hook),
	KUNIT_CASE(port_is_attached_once),
	{}
};

static struct kunit_suite port_suite = {
	.name		= "mpassthru_port",
	.test_cases	= port_cases,
};

/* FIFO */

#define FIFO_SIZE	8
#define FIFO_DATA_LEN	1518

struct fifo {
	struct mpassthru_rxbuf	bufs[FIFO_SIZE];
	struct mpassthru_rxq	rxq;
	struct mpassthru_port	port;
	unsigned int		flushes;
};

static void fifo_flush(struct mpassthru_rxq *rxq)
{
	container_of(rxq, struct fifo, rxq)->flushes++;
}

static const struct mpassthru_port_ops fifo_ops = {
	.rx_flush	= fifo_flush,
};

/* The indices start short of their wrap-around. */
static struct fifo *fifo_create(struct kunit *test)
{
	struct fifo *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->port.dev = port_netdev(test);
	f->port.ops = &fifo_ops;
	f->port.data_len = FIFO_DATA_LEN;
	f->rxq.port = &f->port;
	f->rxq.bufs = f->bufs;
	f->rxq.mask = FIFO_SIZE - 1;
	f->rxq.posted = U32_MAX - 2;
	f->rxq.armed = f->rxq.posted;
	f->rxq.filled = f->rxq.posted;
	return f;
}

static bool fifo_post(struct fifo *f, dma_addr_t dma)
{
	f->bufs[f->rxq.posted & f->rxq.mask].dma = dma;
	return mpassthru_rx_post(&f->rxq);
}

static void fifo_keeps_order(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	u32 done = mpassthru_rx_filled(&f->rxq);
	struct mpassthru_rxbuf *buf;
	dma_addr_t dma;
	int i;

	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));
	for (i = 0; i < FIFO_SIZE; i++)
		fifo_post(f, 0x1000 + i);

	for (i = 0; i < FIFO_SIZE; i++) {
		KUNIT_ASSERT_TRUE(test, mpassthru_rx_arm(&f->rxq, &dma));
		KUNIT_EXPECT_EQ(test, dma, 0x1000 + i);
	}
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));

	for (i = 0; i < FIFO_SIZE; i++) {
		KUNIT_EXPECT_EQ(test, mpassthru_rx_filled(&f->rxq), done + i);
		mpassthru_rx_fill(&f->rxq, 60 + i, i ? MPASSTHRU_RX_CSUM_OK : 0);
		buf = &f->bufs[(done + i) & f->rxq.mask];
		KUNIT_EXPECT_EQ(test, buf->dma, 0x1000 + i);
		KUNIT_EXPECT_EQ(test, buf->len, 60 + i);
		KUNIT_EXPECT_EQ(test, buf->flags,
				i ? MPASSTHRU_RX_CSUM_OK : 0);
	}
	KUNIT_EXPECT_EQ(test, mpassthru_rx_filled(&f->rxq), f->rxq.posted);
}

static void fifo_disarm_arms_the_same_again(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;
	int i;

	for (i = 0; i < 4; i++) {
		fifo_post(f, 0x1000 + i);
		mpassthru_rx_arm(&f->rxq, &dma);
	}
	mpassthru_rx_fill(&f->rxq, 60, 0);

	mpassthru_rx_disarm(&f->rxq);
	for (i = 1; i < 4; i++) {
		KUNIT_ASSERT_TRUE(test, mpassthru_rx_arm(&f->rxq, &dma));
		KUNIT_EXPECT_EQ(test, dma, 0x1000 + i);
	}
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));
}

static void fifo_wakes_up_when_it_ran_dry(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;

	/* Nobody was told yet that something is missing. */
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1000));
	mpassthru_rx_arm(&f->rxq, &dma);

	/* The only frame: flushed once, the ring is dry. */
	mpassthru_rx_fill(&f->rxq, 60, 0);
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 1, true));
	KUNIT_EXPECT_EQ(test, f->flushes, 1);
	KUNIT_EXPECT_TRUE(test, fifo_post(f, 0x1001));
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1002));

	/* No frame, no flush; but a dry ring is to be armed. */
	KUNIT_EXPECT_TRUE(test, mpassthru_rx_flush(&f->rxq, 0, true));
	/* Not even room for one: completions bring it back. */
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 0, false));
	mpassthru_rx_arm(&f->rxq, &dma);
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 0, true));
	KUNIT_EXPECT_EQ(test, f->flushes, 1);
}

static void fifo_needs_no_wakeup_when_well_armed(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;
	int i;

	for (i = 0; i < 4; i++) {
		fifo_post(f, 0x1000 + i);
		mpassthru_rx_arm(&f->rxq, &dma);
	}
	mpassthru_rx_fill(&f->rxq, 60, 0);
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 1, true));
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1004));
}

static void fifo_sees_what_ctor_missed(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;

	/* Posted between the last ctor of a poll and its flush. */
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1000));
	KUNIT_EXPECT_TRUE(test, mpassthru_rx_flush(&f->rxq, 0, true));
}

/* Posting and flushing at the same time, on two CPUs.  As a litmus test:
 *
 *	P0, mpassthru_rx_post()			P1, mpassthru_rx_flush()
 *
 *	smp_store_release(posted, 1);		WRITE_ONCE(need_wakeup, 1);
 *	smp_mb();				smp_mb();
 *	r0 = READ_ONCE(need_wakeup);		r1 = READ_ONCE(posted);
 *
 *	exists (0:r0=0 /\ 1:r1=0)		never
 *
 * Without the barriers x86 shows it, too, in one round of a few thousand.
 */
#define RACE_ROUNDS	200000
#define RACE_MS		500

struct race {
	struct fifo		*f;
	u32			at[2];		/* how far each thread is */
	bool			again;
	unsigned int		rounds;
	unsigned int		lost;
	struct completion	done[2];
};

/* Both leave it at the same time, or as good as that. */
static void race_meet(struct race *race, int me, u32 at)
{
	unsigned int spins = 0;

	/* Each pairs with the other's: what was done before is seen after. */
	smp_store_release(&race->at[me], at);
	/* Pairs with smp_store_release() above. */
	while ((s32)(smp_load_acquire(&race->at[!me]) - at) < 0)
		/* No cpu_relax(), which leaves some emulated CPUs. */
		if (!(++spins % 4096))
			cond_resched();
}

static void race_rewind(struct mpassthru_rxq *rxq)
{
	rxq->armed = rxq->posted;
	rxq->filled = rxq->posted;
	rxq->need_wakeup = false;
}

static int race_poster(void *data)
{
	ktime_t end = ktime_add_ms(ktime_get(), RACE_MS);
	struct race *race = data;
	u32 at = 0;
	bool wake;
	int i;

	while (race->rounds < RACE_ROUNDS && ktime_before(ktime_get(), end)) {
		race->rounds++;
		race_rewind(&race->f->rxq);
		race_meet(race, 0, ++at);
		for (i = at % 64; i > 32; i--)
			barrier();
		wake = mpassthru_rx_post(&race->f->rxq);
		race_meet(race, 0, ++at);
		if (!wake && !race->again)
			race->lost++;
	}
	race->f = NULL;
	race_meet(race, 0, ++at);
	complete(&race->done[0]);
	return 0;
}

static int race_flusher(void *data)
{
	struct race *race = data;
	struct fifo *f;
	u32 at = 0;
	int i;

	for (;;) {
		race_meet(race, 1, ++at);
		f = race->f;
		if (!f)
			break;
		for (i = at % 64; i < 32; i++)
			barrier();
		race->again = mpassthru_rx_flush(&f->rxq, 0, true);
		race_meet(race, 1, ++at);
	}
	complete(&race->done[1]);
	return 0;
}

static void fifo_loses_no_wakeup(struct kunit *test)
{
	static int (* const parts[])(void *) = { race_poster, race_flusher };
	unsigned int cpu = cpumask_first(cpu_online_mask);
	struct task_struct *task[2];
	struct race *race;
	int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU sees its own stores");
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->f = fifo_create(test);
	for (i = 0; i < 2; i++) {
		init_completion(&race->done[i]);
		task[i] = kthread_create(parts[i], race, "mp-race/%d", i);
		if (IS_ERR(task[i]) && i)
			kthread_stop(task[0]);
		KUNIT_ASSERT_FALSE(test, IS_ERR(task[i]));
		kthread_bind(task[i], cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
	}
	for (i = 0; i < 2; i++)
		wake_up_process(task[i]);
	for (i = 0; i < 2; i++)
		wait_for_completion(&race->done[i]);
	kunit_info(test, "%u rounds\n", race->rounds);
	KUNIT_EXPECT_EQ(test, race->lost, 0);
}

static struct kunit_case fifo_cases[] = {
	KUNIT_CASE(fifo_keeps_order),
	KUNIT_CASE(fifo_disarm_arms_the_same_again),
	KUNIT_CASE(fifo_wakes_up_when_it_ran_dry),
	KUNIT_CASE(fifo_needs_no_wakeup_when_well_armed),
	KUNIT_CASE(fifo_sees_what_ctor_missed),
	KUNIT_CASE(fifo_loses_no_wakeup),
	{}
};

static struct kunit_suite fifo_suite = {
	.name		= "mpassthru_fifo",
	.test_cases	= fifo_cases,
};

/* Pin cache */

#define PIN_PAGES	8

struct pin_test {
	struct mp_pins	*pins;
	unsigned long	mem;
	long		locked;
	s64		pinned;
};

static long pin_locked(void)
{
	return atomic_long_read(&current_user()->locked_vm);
}

static s64 pin_pinned(void)
{
	return atomic64_read(&current->mm->pinned_vm);
}

static int pin_init(struct kunit *test)
{
	struct device *dev;
	struct pin_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;

	dev = kunit_device_register(test, "mpassthru");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	t->mem = kunit_vm_mmap(test, NULL, 0, PIN_PAGES * PAGE_SIZE,
			       PROT_READ | PROT_WRITE,
			       MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, t->mem, 0);

	t->locked = pin_locked();
	t->pinned = pin_pinned();
	t->pins = mp_pins_create();
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->pins);
	t->pins->dev = dev;
	return 0;
}

/* Whatever a test did, all is given back.  Not run in the test's own mm. */
static void pin_exit(struct kunit *test)
{
	struct pin_test *t = test->priv;
	struct mm_struct *mm;

	if (!t || IS_ERR_OR_NULL(t->pins))
		return;
	mm = t->pins->mm;
	mmgrab(mm);
	mp_pins_destroy(t->pins);
	KUNIT_EXPECT_EQ(test, pin_locked(), t->locked);
	KUNIT_EXPECT_EQ(test, atomic64_read(&mm->pinned_vm), t->pinned);
	mmdrop(mm);
}

static struct mp_pin *pin_page(struct kunit *test, int i)
{
	struct pin_test *t = test->priv;
	unsigned long addr = t->mem + i * PAGE_SIZE + i;
	struct mp_pin *pin;

	KUNIT_ASSERT_EQ(test, put_user(0, (char __user *)addr), 0);
	pin = mp_pin_get(t->pins, addr);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pin);
	return pin;
}

static void pin_once(struct kunit *test)
{
	struct pin_test *t = test->priv;
	struct mp_pin *a = pin_page(test, 0), *b;

	b = pin_page(test, 0);
	KUNIT_EXPECT_PTR_EQ(test, a, b);
	mp_pin_put(t->pins, a);
	mp_pin_put(t->pins, b);
	KUNIT_EXPECT_PTR_EQ(test, pin_page(test, 0), a);
	mp_pin_put(t->pins, a);

	KUNIT_EXPECT_EQ(test, t->pins->misses, 1);
	KUNIT_EXPECT_EQ(test, t->pins->hits, 2);
	KUNIT_EXPECT_EQ(test, t->pins->nr, 1);
	KUNIT_EXPECT_EQ(test, pin_locked(), t->locked + 1);
	KUNIT_EXPECT_EQ(test, pin_pinned(), t->pinned + 1);
}

static void pin_refuses_what_is_not_writable(struct kunit *test)
{
	struct pin_test *t = test->priv;
	unsigned long ro;

	ro = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, ro, 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_pin_get(t->pins, ro)), -EFAULT);

	vm_munmap(t->mem, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_pin_get(t->pins, t->mem)), -EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_pin_get(t->pins, ~0UL)), -EFAULT);
	KUNIT_EXPECT_EQ(test, t->pins->nr, 0);
}

static void pin_keeps_to_the_limit(struct kunit *test)
{
	struct pin_test *t = test->priv;
	struct mp_pin *a, *b;

	t->pins->lock_limit = t->locked + 2;
	a = pin_page(test, 0);
	b = pin_page(test, 1);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR(mp_pin_get(t->pins, t->mem + 2 * PAGE_SIZE)),
			-ENOBUFS);

	/* What is idle makes room, what is in use does not. */
	mp_pin_put(t->pins, a);
	a = pin_page(test, 2);
	KUNIT_EXPECT_EQ(test, t->pins->evictions, 1);
	KUNIT_EXPECT_EQ(test, t->pins->nr, 2);
	KUNIT_EXPECT_PTR_EQ(test, pin_page(test, 1), b);
	mp_pin_put(t->pins, b);
	mp_pin_put(t->pins, b);
	mp_pin_put(t->pins, a);
}

static void pin_evicts_least_recently_used(struct kunit *test)
{
	struct pin_test *t = test->priv;
	struct mp_pin *a;
	int i;

	t->pins->lock_limit = t->locked + 3;
	for (i = 0; i < 3; i++)
		mp_pin_put(t->pins, pin_page(test, i));
	/* 0 is used again, so that 1 goes. */
	a = pin_page(test, 0);
	mp_pin_put(t->pins, a);
	mp_pin_put(t->pins, pin_page(test, 3));
	KUNIT_EXPECT_EQ(test, t->pins->misses, 4);
	KUNIT_EXPECT_PTR_EQ(test, pin_page(test, 0), a);
	mp_pin_put(t->pins, a);
	KUNIT_EXPECT_EQ(test, t->pins->misses, 4);
	mp_pin_put(t->pins, pin_page(test, 1));
	KUNIT_EXPECT_EQ(test, t->pins->misses, 5);
}

static void pin_notices_changed_mapping(struct kunit *test)
{
	struct pin_test *t = test->priv;
	struct mp_pin *used = pin_page(test, 0), *other;
	struct page *page = used->page;

	mp_pin_put(t->pins, pin_page(test, 1));
	mp_pin_put(t->pins, pin_page(test, 2));
	vm_munmap(t->mem, 2 * PAGE_SIZE);

	/* Not found any more, and 2 is still there. */
	KUNIT_EXPECT_EQ(test, t->pins->invalidations, 2);
	KUNIT_EXPECT_EQ(test, t->pins->nr, 1);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_pin_get(t->pins, t->mem)), -EFAULT);
	other = pin_page(test, 2);
	mp_pin_put(t->pins, other);

	/* The NIC may still write there: it stays pinned to the last put. */
	flush_work(&t->pins->reaper);
	KUNIT_EXPECT_EQ(test, pin_locked(), t->locked + 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->pins->pinned), 2);
	KUNIT_EXPECT_PTR_EQ(test, used->page, page);
	KUNIT_EXPECT_TRUE(test, folio_maybe_dma_pinned(page_folio(page)));
	mp_pin_put(t->pins, used);
	KUNIT_EXPECT_EQ(test, pin_locked(), t->locked + 1);
}

/* What an invalidation leaves to the reaper counts against the limit. */
static void pin_waits_for_the_reaper(struct kunit *test)
{
	struct pin_test *t = test->priv;

	t->pins->lock_limit = t->locked + 1;
	mp_pin_put(t->pins, pin_page(test, 0));
	vm_munmap(t->mem, PAGE_SIZE);
	mp_pin_put(t->pins, pin_page(test, 1));
	KUNIT_EXPECT_EQ(test, t->pins->evictions, 0);
	KUNIT_EXPECT_EQ(test, t->pins->peak, 1);
}

/* Nothing is pinned whose mapping is being changed; what was pinned is not
 * found again; what lies beside it is.
 */
static void pin_not_while_mapping_changes(struct kunit *test)
{
	struct pin_test *t = test->priv;
	const struct mmu_notifier_ops *ops = t->pins->mn.ops;
	struct mmu_notifier_range first, second;
	struct mp_pin *kept = pin_page(test, 0), *lost = pin_page(test, 1);

	mp_pin_put(t->pins, kept);
	mp_pin_put(t->pins, lost);
	mmu_notifier_range_init(&first, MMU_NOTIFY_CLEAR, 0, t->pins->mm,
				t->mem + PAGE_SIZE, t->mem + 2 * PAGE_SIZE);
	mmu_notifier_range_init(&second, MMU_NOTIFY_CLEAR, 0, t->pins->mm,
				t->mem + 3 * PAGE_SIZE, t->mem + 4 * PAGE_SIZE);

	ops->invalidate_range_start(&t->pins->mn, &first);
	KUNIT_EXPECT_PTR_EQ(test, pin_page(test, 0), kept);
	mp_pin_put(t->pins, kept);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR(mp_pin_get(t->pins, t->mem + PAGE_SIZE)),
			-EAGAIN);
	mp_pin_put(t->pins, pin_page(test, 2));

	/* Of two, all from the first to the last page is taken for changing. */
	ops->invalidate_range_start(&t->pins->mn, &second);
	ops->invalidate_range_end(&t->pins->mn, &first);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR(mp_pin_get(t->pins, t->mem + PAGE_SIZE)),
			-EAGAIN);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR(mp_pin_get(t->pins, t->mem + 3 * PAGE_SIZE)),
			-EAGAIN);
	ops->invalidate_range_end(&t->pins->mn, &second);

	mp_pin_put(t->pins, pin_page(test, 1));
	mp_pin_put(t->pins, pin_page(test, 3));
	KUNIT_EXPECT_EQ(test, t->pins->invalidations, 1);
	KUNIT_EXPECT_EQ(test, t->pins->nr, 4);
}

static struct kunit_case pin_cases[] = {
	KUNIT_CASE(pin_once),
	KUNIT_CASE(pin_refuses_what_is_not_writable),
	KUNIT_CASE(pin_keeps_to_the_limit),
	KUNIT_CASE(pin_evicts_least_recently_used),
	KUNIT_CASE(pin_notices_changed_mapping),
	KUNIT_CASE(pin_not_while_mapping_changes),
	KUNIT_CASE(pin_waits_for_the_reaper),
	{}
};

static struct kunit_suite pin_suite = {
	.name		= "mpassthru_pin",
	.init		= pin_init,
	.exit		= pin_exit,
	.test_cases	= pin_cases,
};

kunit_test_suites(&port_suite, &fifo_suite, &pin_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of mpassthru");
