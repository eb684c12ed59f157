// SPDX-License-Identifier: GPL-2.0
/* Links, by rtnetlink. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "link.h"

struct request {
	struct nlmsghdr		hdr;
	struct ifinfomsg	info;
	char			attrs[256];
};

static struct rtattr *put(struct request *r, int type, const void *data,
			  size_t len)
{
	struct rtattr *attr = (void *)r + NLMSG_ALIGN(r->hdr.nlmsg_len);

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	r->hdr.nlmsg_len = NLMSG_ALIGN(r->hdr.nlmsg_len) +
			   RTA_ALIGN(attr->rta_len);
	return attr;
}

static struct rtattr *nest(struct request *r, int type)
{
	return put(r, type | NLA_F_NESTED, NULL, 0);
}

static void nest_end(struct request *r, struct rtattr *attr)
{
	attr->rta_len = (void *)r + r->hdr.nlmsg_len - (void *)attr;
}

static struct request request(int type, int flags, const char *name)
{
	struct request r = {
		.hdr.nlmsg_len		= NLMSG_LENGTH(sizeof(r.info)),
		.hdr.nlmsg_type		= type,
		.hdr.nlmsg_flags	= NLM_F_REQUEST | NLM_F_ACK | flags,
	};

	put(&r, IFLA_IFNAME, name, strlen(name) + 1);
	return r;
}

static int ask(int fd, struct request *r)
{
	struct {
		struct nlmsghdr	hdr;
		struct nlmsgerr	err;
		char		more[512];
	} answer;

	if (send(fd, r, r->hdr.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		return -errno;
	return answer.hdr.nlmsg_type == NLMSG_ERROR ? answer.err.error :
						      -EPROTO;
}

/* A socket stays in the namespace that it was made in. */
static int open_socket(int ns)
{
	int home, fd = -1;

	home = link_ns("/proc/thread-self/ns/net");
	if (home < 0)
		return home;
	if (ns < 0 || !setns(ns, CLONE_NEWNET))
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		fd = -errno;
	if (ns >= 0 && setns(home, CLONE_NEWNET) && fd >= 0) {
		close(fd);
		fd = -errno;
	}
	close(home);
	return fd;
}

long long link_get(int ns, const char *name, int type)
{
	struct request r = request(RTM_GETLINK, 0, name);
	union {
		struct nlmsghdr	hdr;
		char		space[16384];
	} answer;
	struct rtattr *attr;
	ssize_t got = -1;
	__u32 value;
	int fd, len;

	fd = open_socket(ns);
	if (fd < 0)
		return fd;
	if (send(fd, &r, r.hdr.nlmsg_len, 0) > 0)
		got = recv(fd, &answer, sizeof(answer), 0);
	close(fd);
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct ifinfomsg)) ||
	    answer.hdr.nlmsg_type != RTM_NEWLINK)
		return -ENODEV;
	attr = IFLA_RTA((struct ifinfomsg *)NLMSG_DATA(&answer.hdr));
	len = IFLA_PAYLOAD(&answer.hdr);
	for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		if (attr->rta_type != type)
			continue;
		memcpy(&value, RTA_DATA(attr), sizeof(value));
		return value;
	}
	return -ENOENT;
}

static int ask_in(int ns, struct request *r)
{
	int fd, err;

	fd = open_socket(ns);
	if (fd < 0)
		return fd;
	err = ask(fd, r);
	close(fd);
	return err;
}

int link_ns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int link_add(const char *kind, const char *name, int lower, int vlan)
{
	struct request r = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
				   name);
	struct rtattr *info, *data;
	__u16 id = vlan;

	put(&r, IFLA_LINK, &lower, sizeof(lower));
	info = nest(&r, IFLA_LINKINFO);
	put(&r, IFLA_INFO_KIND, kind, strlen(kind));
	if (vlan) {
		data = nest(&r, IFLA_INFO_DATA);
		put(&r, IFLA_VLAN_ID, &id, sizeof(id));
		nest_end(&r, data);
	}
	nest_end(&r, info);
	return ask_in(-1, &r);
}

int link_del(const char *name)
{
	struct request r = request(RTM_DELLINK, 0, name);

	return ask_in(-1, &r);
}

int link_move(int ns, const char *name, int to)
{
	struct request r = request(RTM_NEWLINK, 0, name);

	put(&r, IFLA_NET_NS_FD, &to, sizeof(to));
	return ask_in(ns, &r);
}
