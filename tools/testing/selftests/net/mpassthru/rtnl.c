// SPDX-License-Identifier: GPL-2.0
/* Requests of rtnetlink. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "rtnl.h"

#define TEXT_MAX	64

int rtnl_open(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int sock, err;

	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (sock < 0)
		return -errno;
	if (!connect(sock, (struct sockaddr *)&kernel, sizeof(kernel)))
		return sock;
	err = -errno;
	close(sock);
	return err;
}

static int ask(int sock, const struct nlmsghdr *req)
{
	struct {
		struct nlmsghdr		head;
		struct nlmsgerr		err;
		char			rest[512];
	} answer = {};

	if (send(sock, req, req->nlmsg_len, 0) < 0 ||
	    recv(sock, &answer, sizeof(answer), 0) < 0)
		return -errno;
	if (answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.err.error;
}

static void put_text(struct nlmsghdr *head, int type, const char *text)
{
	struct rtattr *attr = (void *)head + head->nlmsg_len;
	size_t len = strlen(text) + 1;

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(attr), text, len);
	head->nlmsg_len += RTA_SPACE(len);
}

int rtnl_alias(int sock, int index, const char *alias)
{
	struct {
		struct nlmsghdr		head;
		struct ifinfomsg	link;
		char			attrs[RTA_SPACE(TEXT_MAX)];
	} req = {
		.head.nlmsg_len		= NLMSG_LENGTH(sizeof(req.link)),
		.head.nlmsg_type	= RTM_NEWLINK,
		.head.nlmsg_flags	= NLM_F_REQUEST | NLM_F_ACK,
		.link.ifi_index		= index,
	};

	if (strlen(alias) >= TEXT_MAX)
		return -EINVAL;
	put_text(&req.head, IFLA_IFALIAS, alias);
	return ask(sock, &req.head);
}

int rtnl_qdisc(int sock, int index, __u32 parent, const char *kind)
{
	struct {
		struct nlmsghdr		head;
		struct tcmsg		tc;
		char			attrs[RTA_SPACE(TEXT_MAX)];
	} req = {
		.head.nlmsg_len		= NLMSG_LENGTH(sizeof(req.tc)),
		.head.nlmsg_type	= kind ? RTM_NEWQDISC : RTM_DELQDISC,
		.head.nlmsg_flags	= NLM_F_REQUEST | NLM_F_ACK,
		.tc.tcm_ifindex		= index,
		.tc.tcm_parent		= parent,
	};

	if (kind) {
		if (strlen(kind) >= TEXT_MAX)
			return -EINVAL;
		req.head.nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
		/* One that has no handle is not an administrator's. */
		req.tc.tcm_handle = parent == TC_H_ROOT ? 0x10000 :
				    TC_H_MAKE(parent, 0);
		put_text(&req.head, TCA_KIND, kind);
	}
	return ask(sock, &req.head);
}
