// SPDX-License-Identifier: GPL-2.0
/*
 * What the PCI core does to a bound NIC: virtual functions, power management,
 * errors.
 */

#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "ethtool.h"
#include "file.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "wire.h"

#define FLOOD	300	/* frames to be sure that traffic flows */

static int device_write(const char *file, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/%s", wire_dev(),
		 file);
	return file_write(path, text);
}

static int device_read(const char *file, char *text, size_t size)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/%s", wire_dev(),
		 file);
	return file_read(path, text, size);
}

static bool device_is(const char *file, const char *text)
{
	char now[64];

	return !device_read(file, now, sizeof(now)) && !strcmp(now, text);
}

static bool wait_device(const char *file, const char *text, int ms)
{
	long long end = clock_ms() + ms;

	while (!device_is(file, text)) {
		if (clock_ms() >= end)
			return false;
		usleep(10000);
	}
	return true;
}

/* The NIC is not bound at first. */

FIXTURE(nic)
{
	struct wire w;
	char msg[256];
};

FIXTURE_SETUP(nic)
{
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.sock = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	ASSERT_EQ(0, wire_open_unbound(&self->w));
	self->w.fd = mp_open();
	ASSERT_LE(0, self->w.fd);
}

FIXTURE_TEARDOWN(nic)
{
	device_write("power/control", "on");
	mp_unbind(self->w.fd);
	device_write("sriov_numvfs", "0");
	nic_up(self->w.sock, self->w.dev);
	wire_close(&self->w);
}

TEST_F_TIMEOUT(nic, virtual_functions, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	if (!device_is("sriov_numvfs", "0"))
		SKIP(return, "no virtual functions, or some are in use");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, mp_bind(w->fd, w->dev));
		EXPECT_EQ(-EBUSY, device_write("sriov_numvfs", "2"));
		EXPECT_TRUE(device_is("sriov_numvfs", "0"));
		ASSERT_EQ(0, mp_unbind(w->fd));

		ASSERT_EQ(0, device_write("sriov_numvfs", "2"));
		EXPECT_EQ(-EOPNOTSUPP, mp_bind_msg(w->fd, w->dev, self->msg,
						   sizeof(self->msg)));
		EXPECT_NE('\0', self->msg[0]);
		ASSERT_EQ(0, device_write("sriov_numvfs", "0"));
		/* As many queues as there were at first. */
		ASSERT_EQ(0, nic_set_queues(w->sock, w->dev, 1));
	}
	ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
	ASSERT_EQ(0, flow_start_wire(w));
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_TRUE(wire_host_works(w));
}

/* A NIC without a link, such as one that was just taken down, falls asleep. */
static int fall_asleep(struct wire *w, int ms)
{
	if (device_write("power/control", "auto") ||
	    nic_down(w->sock, w->dev) ||
	    !wait_device("power/runtime_status", "suspended", ms))
		return -1;
	return 0;
}

TEST_F_TIMEOUT(nic, asleep, CLOCK_TEST)
{
	struct wire *w = &self->w;

	if (fall_asleep(w, 2 * clock_patience()))
		SKIP(return, "%s stays awake", w->dev);
	ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	EXPECT_TRUE(device_is("power/runtime_status", "active"));
	ASSERT_EQ(0, nic_up(w->sock, w->dev));
	ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
	ASSERT_EQ(0, flow_start_wire(w));
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_TRUE(wire_host_works(w));
}

TEST_F_TIMEOUT(nic, bound_and_awake, CLOCK_TEST)
{
	struct wire *w = &self->w;

	if (fall_asleep(w, 2 * clock_patience()))
		SKIP(return, "%s stays awake", w->dev);
	ASSERT_EQ(0, nic_up(w->sock, w->dev));
	ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	EXPECT_NE(0, fall_asleep(w, 10000));
	EXPECT_TRUE(device_is("power/runtime_status", "active"));
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_TRUE(wait_device("power/runtime_status", "suspended",
				2 * clock_patience()));
	ASSERT_EQ(0, nic_up(w->sock, w->dev));
	EXPECT_TRUE(wire_host_works(w));
}

/* RTNL is held for as long as the link of the peer is tested: some 9 s. */
static void *hold_rtnl(void *arg)
{
	struct wire *w = arg;

	ethtool_test(w->peer.fd, w->peer.dev, false);
	return NULL;
}

/*
 * BINDDEV waits for RTNL, then the NIC begins to fall asleep, which takes RTNL
 * as well: whoever gets it first must not wait for the other.
 */
TEST_F_TIMEOUT(nic, falling_asleep, CLOCK_TEST)
{
	struct wire *w = &self->w;
	pthread_t thread;

	if (fall_asleep(w, 2 * clock_patience()))
		SKIP(return, "%s stays awake", w->dev);
	ASSERT_EQ(0, nic_up(w->sock, w->dev));
	ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
	ASSERT_EQ(0, nic_down(w->sock, w->dev));	/* asleep in 5 s */
	ASSERT_EQ(0, pthread_create(&thread, NULL, hold_rtnl, w));
	usleep(1000000);
	EXPECT_EQ(0, mp_bind(w->fd, w->dev));
	pthread_join(thread, NULL);
	ASSERT_EQ(0, nic_up(w->sock, w->dev));
	ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
	EXPECT_EQ(0, flow_start_wire(w));
}

/* Bound, with a guest, and frames coming in. */

FIXTURE(traffic)
{
	struct wire w;
	struct guest g;
};

FIXTURE_SETUP(traffic)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	ASSERT_EQ(0, peer_flood(&self->w.peer, 0));
	ASSERT_EQ(0, flow_pump(&self->w, &self->g, FLOOD));
}

FIXTURE_TEARDOWN(traffic)
{
	peer_calm(&self->w.peer);
	guest_close(&self->g);
	wire_close(&self->w);
}

static int goes_on(struct wire *w, struct guest *g)
{
	return nic_wait_running(w->sock, w->dev) ?: flow_empty(w, g) ?:
	       guest_post_all(g) ?: flow_pump(w, g, FLOOD);
}

static int ends_well(struct wire *w, struct guest *g)
{
	if (guest_stop(g) || flow_empty(w, g) || !guest_books_balance(g) ||
	    wire_count(w, "outstanding") || mp_unbind(w->fd) ||
	    wire_count(w, "pinned"))
		return -1;
	peer_calm(&w->peer);
	return wire_host_works(w) ? 0 : -1;
}

/* Devices are suspended and resumed, the rest of the machine is not. */
TEST_F_TIMEOUT(traffic, system_suspend, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	if (!getenv("MP_SUSPEND"))
		SKIP(return, "MP_SUSPEND is not set: all devices take part");
	ASSERT_EQ(0, file_write("/sys/power/pm_test", "devices"));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, file_write("/sys/power/state", "freeze"));
		EXPECT_EQ(0, goes_on(w, &self->g));
	}
	EXPECT_EQ(0, ends_well(w, &self->g));
	EXPECT_EQ(0, file_write("/sys/power/state", "freeze"));
	EXPECT_TRUE(wire_host_works(w));
	file_write("/sys/power/pm_test", "none");
}

/* What /dev/aer_inject takes. */
struct aer_error_inj {
	__u8	bus;
	__u8	dev;
	__u8	fn;
	__u32	uncor_status;
	__u32	cor_status;
	__u32	header_log[4];
	__u32	domain;
};

#define AER_FATAL	0x00000010	/* data link protocol error */
#define AER_NONFATAL	0x00004000	/* completion timeout */

static int inject(const char *dev, __u32 uncor)
{
	struct aer_error_inj err = { .uncor_status = uncor };
	unsigned int domain, bus, slot, fn;
	char path[160], link[256];
	int fd, n, ret = 0;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device", dev);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	if (sscanf(basename(link), "%x:%x:%x.%x", &domain, &bus, &slot,
		   &fn) != 4)
		return -EINVAL;
	err.domain = domain;
	err.bus = bus;
	err.dev = slot;
	err.fn = fn;
	fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, &err, sizeof(err)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * The link goes, which is told within a second, and comes back when the
 * recovery is over, which takes longer than that.
 */
static int recover(struct wire *w)
{
	usleep(1500000);
	return nic_wait_running(w->sock, w->dev);
}

TEST_F_TIMEOUT(traffic, fatal_error, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	if (access("/dev/aer_inject", F_OK))
		SKIP(return, "no /dev/aer_inject");
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, inject(w->dev, AER_FATAL));
		ASSERT_EQ(0, recover(w));
		ASSERT_EQ(0, goes_on(w, &self->g));
	}
	EXPECT_EQ(0, ends_well(w, &self->g));
}

/* The queue is stopped, and the NIC given back, amid the recovery. */
TEST_F_TIMEOUT(traffic, stop_at_fatal_error, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i;

	if (access("/dev/aer_inject", F_OK))
		SKIP(return, "no /dev/aer_inject");
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, inject(w->dev, AER_FATAL));
		usleep(i * 7000);
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_TRUE(guest_books_balance(g));
		ASSERT_EQ(0, recover(w));
		ASSERT_EQ(0, guest_start(g, w->fd));
		ASSERT_EQ(0, goes_on(w, g));
	}
	ASSERT_EQ(0, inject(w->dev, AER_FATAL));
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_EQ(0, wire_count(w, "pinned"));
	ASSERT_EQ(0, recover(w));
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));
}

TEST_F_TIMEOUT(traffic, nonfatal_error, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	if (access("/dev/aer_inject", F_OK))
		SKIP(return, "no /dev/aer_inject");
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, inject(w->dev, AER_NONFATAL));
		ASSERT_EQ(0, goes_on(w, &self->g));
	}
	EXPECT_EQ(0, ends_well(w, &self->g));
}

TEST_HARNESS_MAIN
