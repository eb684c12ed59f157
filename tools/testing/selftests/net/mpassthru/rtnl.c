// SPDX-License-Identifier: GPL-2.0
/* Requests of rtnetlink. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "rtnl.h"

#define ALIAS_MAX	64

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

int rtnl_alias(int sock, int index, const char *alias)
{
	struct {
		struct nlmsghdr		head;
		struct ifinfomsg	link;
		char			attrs[RTA_SPACE(ALIAS_MAX)];
	} req = {
		.head.nlmsg_type	= RTM_NEWLINK,
		.head.nlmsg_flags	= NLM_F_REQUEST | NLM_F_ACK,
		.link.ifi_index		= index,
	};
	struct {
		struct nlmsghdr		head;
		struct nlmsgerr		err;
		char			rest[512];
	} answer = {};
	struct rtattr *attr = (struct rtattr *)req.attrs;
	size_t len = strlen(alias) + 1;

	if (len > ALIAS_MAX)
		return -EINVAL;
	attr->rta_type = IFLA_IFALIAS;
	attr->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(attr), alias, len);
	req.head.nlmsg_len = NLMSG_LENGTH(sizeof(req.link)) + RTA_SPACE(len);

	if (send(sock, &req, req.head.nlmsg_len, 0) < 0 ||
	    recv(sock, &answer, sizeof(answer), 0) < 0)
		return -errno;
	if (answer.head.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.err.error;
}
