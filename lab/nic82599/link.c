// SPDX-License-Identifier: GPL-2.0
/*
 * The link: 10 Gbit/s without negotiation, up as long as nobody takes it down.
 * Of the other end of the wire nothing is known.
 */
#include "nic.h"

static bool up = true;
static struct timer flap;

bool link_is_up(void)
{
	return up;
}

static void show(void)
{
	REG(LINKS) = LINKS_KX_AN_COMP | LINKS_10G | (up ? LINKS_UP : 0);
}

void link_reset(void)
{
	show();
}

void link_set(bool is_up)
{
	if (up == is_up)
		return;
	up = is_up;
	say("link %s", up ? "up" : "down");
	show();
	interrupt_misc(CAUSE_LSC);
	if (up)
		transmit_run();
}

static void come_back(void *unused)
{
	(void)unused;
	link_set(true);
}

void link_flap(unsigned int ms)
{
	flap.fire = come_back;
	link_set(false);
	timer_set(&flap, ms * 1000000ull);
}
