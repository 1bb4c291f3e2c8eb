/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease in the kernel: what is said to nf_tables, and when. It decides
 * nothing about mastership, reads no packet and has no clock.
 *
 * Implements LINUX-VIP.md: "accept frames to the virtual MAC", "the
 * right expires", "the advert renews it", "the table is the daemon's own",
 * "belt and braces". The rules themselves are written by lease_rules.c.
 *
 * Invariant: the set lease_IF is never touched by a change of rules, only by
 * grant, revoke, lease_del, and by the kernel as adverts leave.
 */
#include "lease.h"

#include "lease_txn.h"
#include "log.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define NS_PER_MS 1000000
/* At 1/256 s two jiffies of 4 ms are too little: they end 4 to 8 ms later.
 * Nodes of ours wait CARP_MASTER_DOWN_LEAST_NS, others 11.7 ms. */
#define LEAST_NS (12 * NS_PER_MS)

int64_t lease_jiffy_ns(void)
{
	struct timespec res;

	/* Kernel: hrtimer LOW_RES_NSEC, which is TICK_NSEC. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &res) < 0 || res.tv_sec != 0 ||
	    res.tv_nsec <= 0)
		return 10 * NS_PER_MS; /* HZ=100, the longest there is */
	return res.tv_nsec;
}

uint32_t lease_timeout_ms(int64_t timeout_ns)
{
	int64_t jiffy = lease_jiffy_ns();
	int64_t up = (timeout_ns + jiffy - 1) / jiffy * jiffy;
	int64_t ms;

	if (timeout_ns < jiffy)
		return 0;
	/* 2.75 of the intervals of which the peer waits three */
	if (up - timeout_ns <= timeout_ns / 10 || up <= LEAST_NS)
		timeout_ns = up;
	ms = timeout_ns / jiffy * jiffy / NS_PER_MS;
	return ms > INT32_MAX ? INT32_MAX : (uint32_t)ms;
}

const char *lease_strerror(int err)
{
	switch (-err) {
	case EOPNOTSUPP:
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
		return "this kernel cannot keep a lease: Linux 5.16 with "
		       "CONFIG_NF_TABLES_NETDEV and CONFIG_NETFILTER_EGRESS "
		       "is needed, or mac = \"interface\"";
	case EEXIST:
		return "another process owns the nftables table: is a daemon "
		       "running already?";
	case EPERM:
		return "CAP_NET_ADMIN is needed to make the nftables table";
	default:
		return log_errno(-err);
	}
}

/* --- the table ---------------------------------------------------------- */

/* After lease_close every call says -EBADF. */
static int lease_talk(struct lease *l, void *buf, size_t len, nl_cb *cb,
		      void *arg)
{
	if (!l->nl.mnl)
		return -EBADF;
	return len ? nl_talk(&l->nl, buf, len, cb, arg) : -ENOMEM;
}

/* A batch above this needs more than the default send buffer. */
#define BATCH_SMALL 65536

/* Sends a transaction and frees it. */
static int lease_commit(struct lease *l, struct lease_txn *t)
{
	int r = 0;

	lease_txn_end(t);
	if (t->used > BATCH_SMALL && l->nl.mnl)
		r = nl_set_sndbuf(&l->nl, 4 * t->used);
	if (t->err)
		r = t->err;
	if (!r)
		r = lease_talk(l, t->buf, t->used, NULL, NULL);
	lease_txn_free(t);
	return r;
}

static void lease_begin(struct lease *l, struct lease_txn *t)
{
	lease_txn_begin(t, l->table, l->mark);
}

static int lease_table_exists(struct lease *l)
{
	char buf[LEASE_REQUEST_MAX];
	size_t len = lease_build_get_table(buf, l->table);

	return lease_talk(l, buf, len, NULL, NULL);
}

/* The table's own message; errors as lease_open. */
static int lease_make_table(struct lease *l)
{
	struct lease_txn t;
	int r;

	lease_begin(l, &t);
	lease_put_table(&t);
	r = lease_commit(l, &t);
	/* nft_table_lookup: -EPERM where another socket is the owner. */
	if (r == -EPERM && !lease_table_exists(l))
		return -EEXIST;
	/* Before 5.12 an unknown flag was -EINVAL. */
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

int lease_open(struct lease *l, const char *table, uint32_t mark)
{
	int r;

	memset(l, 0, sizeof(*l));
	if (!mark || !*table || strlen(table) >= sizeof(l->table))
		return -EINVAL;
	snprintf(l->table, sizeof(l->table), "%s", table);
	l->mark = mark;
	r = nl_open(&l->nl, NETLINK_NETFILTER, 0, 0);
	/* who is killed loses the right before anything else */
	if (!r)
		r = nl_move_high(&l->nl);
	if (!r)
		r = lease_make_table(l);
	if (r)
		lease_close(l);
	return r;
}

int lease_adopt(struct lease *l, int fd, const char *table, uint32_t mark)
{
	int r;

	memset(l, 0, sizeof(*l));
	snprintf(l->table, sizeof(l->table), "%s", table);
	l->mark = mark;
	r = nl_adopt(&l->nl, fd);
	if (!r)
		r = nl_move_high(&l->nl);
	if (r)
		lease_close(l);
	return r;
}

void lease_close(struct lease *l)
{
	nl_close(&l->nl);
	l->vhosts = NULL;
}

/* --- vhosts ------------------------------------------------------------- */

static struct lease_vhost *lease_find(const struct lease *l, const char *ifname,
				      const uint8_t mac[6])
{
	struct lease_vhost *h;

	for (h = l->vhosts; h; h = h->next)
		if (!strcmp(h->ifname, ifname) &&
		    (!mac || !memcmp(h->mac, mac, sizeof(h->mac))))
			return h;
	return NULL;
}

static void lease_unlink(struct lease *l, const struct lease_vhost *h)
{
	struct lease_vhost **p = &l->vhosts;

	while (*p && *p != h)
		p = &(*p)->next;
	if (*p)
		*p = h->next;
}

static int own_mac(struct lease *l, const char *ifname, uint8_t mac[6])
{
	struct ifreq req = { 0 };

	if (!l->nl.mnl)
		return -EBADF;
	strncpy(req.ifr_name, ifname, IFNAMSIZ - 1);
	if (ioctl(l->nl.fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	memcpy(mac, req.ifr_hwaddr.sa_data, 6);
	return 0;
}

/* Everything that belongs to an interface, in one transaction. */
static int lease_apply(struct lease *l, const char *ifname)
{
	struct lease_vhost *h;
	struct lease_txn t;
	int r;

	for (h = l->vhosts; h; h = h->next) {
		if (strcmp(h->ifname, ifname) != 0)
			continue;
		r = own_mac(l, ifname, h->own_mac);
		if (r)
			return r;
	}
	lease_begin(l, &t);
	lease_put_iface(&t, ifname, l->vhosts);
	r = lease_commit(l, &t);
	return r == -ENOENT ? -ENODEV : r;
}

/* Takes chains and sets of an interface away; the kernel may have lost the
 * chains with the device (before 6.10). */
static int lease_drop_iface(struct lease *l, const char *ifname)
{
	struct lease_txn t;
	int r;

	lease_begin(l, &t);
	lease_put_drop(&t, ifname, true);
	r = lease_commit(l, &t);
	if (r != -ENOENT)
		return r;
	lease_begin(l, &t);
	lease_put_drop(&t, ifname, false);
	r = lease_commit(l, &t);
	return r == -ENOENT ? 0 : r;
}

int lease_keep(struct lease *l, struct lease_vhost *h)
{
	struct lease_vhost **p;

	h->timeout_ms = lease_timeout_ms(h->timeout_ns);
	if (!h->timeout_ms || (h->mac[0] & 1) || !*h->ifname ||
	    h->shares > LEASE_SHARES_MAX ||
	    (h->shares && h->share >= h->shares))
		return -EINVAL;
	if (lease_find(l, h->ifname, h->mac))
		return -EEXIST;
	for (p = &l->vhosts; *p; p = &(*p)->next)
		;
	h->next = NULL;
	*p = h;
	return 0;
}

int lease_add(struct lease *l, struct lease_vhost *h)
{
	int r = lease_keep(l, h);

	if (r)
		return r;
	r = lease_apply(l, h->ifname);
	if (r && r != -ENODEV)
		lease_unlink(l, h);
	return r;
}

int lease_renew(struct lease *l, const char *ifname)
{
	return lease_apply(l, ifname);
}

static int lease_elem_del(struct lease *l, const struct lease_vhost *h)
{
	struct lease_txn t;
	bool present;
	int r = lease_present(l, h, &present);

	if (r || !present)
		return r; /* a transaction that fails costs 8 ms */
	lease_begin(l, &t);
	lease_put_elem(&t, h, false);
	r = lease_commit(l, &t);
	return r == -ENOENT ? 0 : r;
}

int lease_del(struct lease *l, struct lease_vhost *h)
{
	int r = lease_elem_del(l, h);
	int r2;

	lease_unlink(l, h);
	if (lease_find(l, h->ifname, NULL))
		r2 = lease_apply(l, h->ifname);
	else
		r2 = lease_drop_iface(l, h->ifname);
	if (r2 == -ENODEV)
		r2 = 0;
	return r ? r : r2;
}

int lease_set_timeout(struct lease *l, struct lease_vhost *h,
		      int64_t timeout_ns)
{
	uint32_t ms = lease_timeout_ms(timeout_ns);

	if (!ms)
		return -EINVAL;
	h->timeout_ns = timeout_ns;
	if (ms == h->timeout_ms)
		return 0;
	h->timeout_ms = ms;
	return lease_apply(l, h->ifname);
}

int lease_change(struct lease *l, const struct lease_vhost *h)
{
	return lease_apply(l, h->ifname);
}

/* --- the right ---------------------------------------------------------- */

/*
 * Adds the element, or replaces it: all kernels set its end anew this way, an
 * add alone does only since 6.12.
 */
static int lease_elem_put(struct lease *l, const struct lease_vhost *h,
			  bool present)
{
	struct lease_txn t;

	lease_begin(l, &t);
	if (present)
		lease_put_elem(&t, h, false);
	lease_put_elem(&t, h, true);
	return lease_commit(l, &t);
}

int lease_grant(struct lease *l, struct lease_vhost *h)
{
	bool present;
	int r;

	/* A failed transaction costs some ms (nf_tables_abort waits for a
	 * grace period), so look first. */
	r = lease_present(l, h, &present);
	if (!r)
		r = lease_elem_put(l, h, present);
	if (r == -ENOENT && present) /* it ran out between the two */
		r = lease_elem_put(l, h, false);
	if (!r)
		r = lease_present(l, h, &present);
	if (r)
		return r;
	return present ? 0 : LEASE_NOT_GRANTED;
}

int lease_revoke(struct lease *l, struct lease_vhost *h)
{
	return lease_elem_del(l, h);
}

int lease_present(struct lease *l, const struct lease_vhost *h, bool *present)
{
	char buf[LEASE_REQUEST_MAX];
	size_t len = lease_build_get_elem(buf, l->table, h);
	int r = lease_talk(l, buf, len, NULL, NULL);

	*present = !r;
	return r == -ENOENT ? 0 : r;
}

/* --- shares ------------------------------------------------------------- */

static int counter_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_obj *o = arg;

	return nftnl_obj_nlmsg_parse(nlh, o) < 0 ? -EBADMSG : 0;
}

int lease_share_counters(struct lease *l, const struct lease_vhost *h,
			 uint64_t *packets, uint64_t *bytes)
{
	char buf[LEASE_REQUEST_MAX];
	size_t len = lease_build_get_counter(buf, l->table, h);
	struct nftnl_obj *o = nftnl_obj_alloc();
	int r = o ? lease_talk(l, buf, len, counter_cb, o) : -ENOMEM;

	*packets = r ? 0 : nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
	*bytes = r ? 0 : nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
	if (o)
		nftnl_obj_free(o);
	return r;
}

/* --- is it all there ---------------------------------------------------- */

struct chain_look {
	const char *ifname;
	uint32_t rules;
	bool good;
};

static bool chain_has_dev(const struct nftnl_chain *c, const char *ifname)
{
	const char *const *d;

	if (nftnl_chain_is_set(c, NFTNL_CHAIN_DEV) &&
	    !strcmp(nftnl_chain_get_str(c, NFTNL_CHAIN_DEV), ifname))
		return true;
	if (!nftnl_chain_is_set(c, NFTNL_CHAIN_DEVICES))
		return false;
	d = nftnl_chain_get_array(c, NFTNL_CHAIN_DEVICES);
	for (; d && *d; d++)
		if (!strcmp(*d, ifname))
			return true;
	return false;
}

static int chain_look_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct chain_look *look = arg;
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c)
		return -ENOMEM;
	/* "use" counts a chain's rules; nobody can jump to a base chain. */
	if (nftnl_chain_nlmsg_parse(nlh, c) == 0)
		look->good =
			chain_has_dev(c, look->ifname) &&
			nftnl_chain_get_u32(c, NFTNL_CHAIN_USE) == look->rules;
	nftnl_chain_free(c);
	return 0;
}

static int lease_check_chain(struct lease *l, const char *ifname, bool egress,
			     uint32_t rules)
{
	char buf[LEASE_REQUEST_MAX];
	struct chain_look look = { .ifname = ifname, .rules = rules };
	size_t len = lease_build_get_chain(buf, l->table, ifname, egress);
	int r = lease_talk(l, buf, len, chain_look_cb, &look);

	if (r == -ENOENT)
		return LEASE_MISSING;
	if (r)
		return r;
	return look.good ? 0 : LEASE_MISSING;
}

int lease_check(struct lease *l, const char *ifname)
{
	const struct lease_vhost *h = lease_find(l, ifname, NULL);
	uint8_t mac[6];
	struct lease_txn t;
	int r;

	if (!h)
		return 0;
	r = own_mac(l, ifname, mac);
	if (r)
		return r == -ENODEV ? LEASE_MISSING : r;
	if (memcmp(mac, h->own_mac, sizeof(mac)) != 0)
		return LEASE_MISSING;
	lease_begin(l, &t); /* never sent, only counted */
	lease_put_rules(&t, ifname, l->vhosts);
	r = t.err;
	lease_txn_free(&t);
	if (!r)
		r = lease_check_chain(l, ifname, false, t.rules[0]);
	return r ? r : lease_check_chain(l, ifname, true, t.rules[1]);
}

int lease_repair(struct lease *l, const char *ifname)
{
	int r = lease_check(l, ifname);

	return r == LEASE_MISSING ? lease_apply(l, ifname) : r;
}
