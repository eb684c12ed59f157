// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest, or the program that runs it, does again and again must not hold
 * up others: how long RTM_NEWLINK takes in another process and another network
 * namespace meanwhile, beside the same with a tap.
 */

#include <linux/vhost.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "cgroup.h"
#include "clock.h"
#include "guest.h"
#include "nic.h"
#include "rtnl.h"
#include "wire.h"

#define PERIOD_US	2000	/* between two requests */
#define SECONDS		6	/* for each backend */
#define SAMPLES		(SECONDS * 1000000 / PERIOD_US)
#define LATE_US		(2 * SECONDS * 1000000)	/* hopelessly */

/* The 99th percentile may be twice that of a tap, or this. */
#define LIMIT_US	50000

/* A process that is this far over memory.high sleeps for seconds. */
#define MEMORY_HIGH	0x100000UL
#define MEMORY_TAKEN	0x3000000UL

/* What the processes share. */
struct shared {
	bool		ready;		/* the guest is in its loop */
	bool		stop;
	unsigned int	rounds;		/* of its loop */
	unsigned int	samples;
	unsigned int	took_us[SAMPLES];
};

struct guest_loop {
	struct guest	g;
	int		fd;
	unsigned int	round;
};

struct tenant {
	struct guest_config	cfg;
	int			(*round)(struct guest_loop *loop); /* 0, -1 */
	struct cgroup		*cgroup;
};

struct latency {
	unsigned int	p99_us;
	unsigned int	max_us;
	unsigned int	rounds;
	long long	posted;
};

static long long clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/*
 * A request is due every PERIOD_US, also while one before it waits: what is
 * counted is how long somebody waits who asks at any time.
 */
static int watch(struct shared *s)
{
	long long due, now, end, woken;
	int sock, nic, lo;
	char alias[16];

	if (unshare(CLONE_NEWNET))
		return 1;
	sock = rtnl_open();
	nic = nic_sock();
	lo = nic_index(nic, "lo");
	if (sock < 0 || lo < 0)
		return 1;
	while (!__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE))
		usleep(1000);

	due = clock_us();
	end = due + LATE_US;
	while (s->samples < SAMPLES) {
		now = clock_us();
		if (now < due) {
			usleep(due - now);
			/* Late by itself: nobody holds it up. */
			woken = clock_us();
			end += woken - due;
			due = woken;
		}
		snprintf(alias, sizeof(alias), "alias%u", s->samples);
		/* Those that are due by then have waited that long at least. */
		if (now < end && rtnl_alias(sock, lo, alias))
			return 1;
		s->took_us[s->samples++] = clock_us() - due;
		due += PERIOD_US;
	}
	return 0;
}

static int take_memory(void)
{
	void *mem = mmap(NULL, MEMORY_TAKEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -1;
	madvise(mem, MEMORY_TAKEN, MADV_NOHUGEPAGE);
	memset(mem, 1, MEMORY_TAKEN);
	return 0;
}

static int be_a_tenant(const struct tenant *t, struct shared *s, int fd)
{
	struct guest_loop loop = { .fd = fd };

	/* First take it, at full speed. */
	if (t->cgroup && (cgroup_set_high(t->cgroup, SIZE_MAX) ||
			  cgroup_join(t->cgroup) || take_memory()))
		return 1;
	if (guest_open(&loop.g, &t->cfg) || guest_start(&loop.g, fd) ||
	    guest_post_all(&loop.g))
		return 1;
	if (t->cgroup && cgroup_set_high(t->cgroup, MEMORY_HIGH))
		return 1;
	__atomic_store_n(&s->ready, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		if (t->round(&loop))
			return 1;
		__atomic_store_n(&s->rounds, ++loop.round, __ATOMIC_RELAXED);
	}
	return 0;
}

static int by_length(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

/* 0, or -1 when one of the two gave up. */
static int run_both(const struct tenant *t, struct shared *s, int fd)
{
	pid_t tenant, watcher;
	bool ok;

	watcher = fork();
	if (!watcher)
		_exit(watch(s));
	tenant = fork();
	if (!tenant)
		_exit(be_a_tenant(t, s, fd));
	if (watcher < 0 || tenant < 0)
		return -1;

	/* It waits for the tenant, which may have failed to begin. */
	while (!__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE) &&
	       !waitpid(tenant, NULL, WNOHANG))
		usleep(10000);
	if (!s->ready) {
		kill(watcher, SIGKILL);
		waitpid(watcher, NULL, 0);
		return -1;
	}
	ok = ended_well(watcher);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	/* Where it is slowed down it would take long. */
	if (t->cgroup)
		kill(tenant, SIGKILL);
	ok &= ended_well(tenant) || t->cgroup;
	return ok ? 0 : -1;
}

static int measure(const struct tenant *t, const char *backend,
		   struct latency *l)
{
	struct shared *s;
	struct wire w;
	int err;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return -1;
	setenv("MP_BACKEND", backend, 1);
	err = wire_open(&w) ?: run_both(t, s, w.fd);
	if (!err) {
		qsort(s->took_us, s->samples, sizeof(*s->took_us), by_length);
		l->p99_us = s->took_us[s->samples * 99 / 100];
		l->max_us = s->took_us[s->samples - 1];
		l->rounds = s->rounds;
		l->posted = wire_count(&w, "posted");
		printf("# %s, in us: 50%% %u, 99%% %u, all %u; %u rounds\n",
		       backend, s->took_us[s->samples / 2], l->p99_us,
		       l->max_us, l->rounds);
	}
	wire_close(&w);
	munmap(s, sizeof(*s));
	return err;
}

FIXTURE(tenant)
{
};

FIXTURE_SETUP(tenant)
{
	const char *missing = wire_missing();

	if (missing)
		SKIP(return, "%s", missing);
	if (access("/dev/net/tun", F_OK))
		SKIP(return, "no tap to compare with");
	if (wire_is_tap())
		SKIP(return, "compares both backends");
}

FIXTURE_TEARDOWN(tenant)
{
}

static bool nobody_waits(const struct tenant *t)
{
	struct latency tap, mp;
	int tries;

	/* A machine that stands still for a moment holds it up, too. */
	for (tries = 0; tries < 3; tries++) {
		if (measure(t, "tap", &tap) || measure(t, "mp", &mp))
			return false;
		/* Was there something to be held up by? */
		if (!mp.posted || !mp.rounds)
			continue;
		if (mp.p99_us <= 2 * tap.p99_us || mp.p99_us <= LIMIT_US)
			return true;
	}
	return false;
}

/* As QEMU does when the guest resets the device. */
static int reset_device(struct guest_loop *loop)
{
	struct guest *g = &loop->g;
	int base;

	usleep(2000);
	if (guest_stop(g))
		return -1;
	base = vhost_get_base(&g->vhost, GUEST_RX);
	if (base < 0 || vhost_set_base(&g->vhost, GUEST_RX, base))
		return -1;
	return guest_start(g, loop->fd);
}

TEST_F_TIMEOUT(tenant, resets, CLOCK_TEST)
{
	const struct tenant t = {
		.cfg = { .features = BIT_V1 | BIT_MRG },
		.round = reset_device,
	};

	EXPECT_TRUE(nobody_waits(&t));
}

static int toggle_logging(struct guest_loop *loop)
{
	__u64 log_all = loop->round % 2 ? 0 : 1ULL << VHOST_F_LOG_ALL;
	struct guest *g = &loop->g;
	size_t pages = (GUEST_BASE + g->size) / GUEST_PAGE + 1;
	void *log;

	if (!loop->round) {
		log = mmap(NULL, pages / 8 + GUEST_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (log == MAP_FAILED || vhost_set_log(&g->vhost, log))
			return -1;
	}
	usleep(2000);
	return vhost_set_features(&g->vhost, g->cfg.features | log_all);
}

TEST_F_TIMEOUT(tenant, toggles_logging, CLOCK_TEST)
{
	const struct tenant t = {
		.cfg = { .features = BIT_V1 | BIT_MRG },
		.round = toggle_logging,
	};

	EXPECT_TRUE(nobody_waits(&t));
}

static int set_same_features(struct guest_loop *loop)
{
	usleep(5000);
	return vhost_set_features(&loop->g.vhost, loop->g.cfg.features);
}

/*
 * Whoever charges memory to a cgroup that is over memory.high is put to sleep
 * for it, in the middle of the kernel if it is much.  Buffers of many segments
 * are remembered one by one.
 */
TEST_F_TIMEOUT(tenant, over_memory_high, CLOCK_TEST)
{
	struct cgroup cgroup;
	const struct tenant t = {
		.cfg = {
			.features = BIT_V1 | BIT_MRG | BIT_INDIRECT,
			.bufs = 32, .piece = 80,
		},
		.round = set_same_features,
		.cgroup = &cgroup,
	};
	int err;

	err = cgroup_open(&cgroup);
	if (err == -EOPNOTSUPP)
		SKIP(return, "no memory controller of cgroup version 2");
	ASSERT_EQ(0, err);
	EXPECT_TRUE(nobody_waits(&t));
	cgroup_close(&cgroup);
}

TEST_HARNESS_MAIN
