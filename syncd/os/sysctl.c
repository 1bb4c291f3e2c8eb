/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * arp_ignore and the like of interfaces by rtnetlink, and the file with what
 * stood there before. It does not decide which interface gets what; vip.c
 * does.
 *
 * Implements LINUX-VIP.md, "the kernel stays silent about it"; kernel
 * inet_fill_link_af, inet_set_link_af (net/ipv4/devinet.c).
 *
 * Invariant: the file always holds the first value ever seen, never one that
 * we wrote ourselves.
 */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define NETNS_PATH   "/proc/self/ns/net"
#define L2DROP6_PATH "/proc/sys/net/ipv6/conf/%s/drop_unicast_in_l2_multicast"
#define FILE_WORD    "statesync-vip 1"
#define LINE_LEN     160

/* --- the file ----------------------------------------------------------- */

/* The first line of a file of this boot and network namespace. */
static int header_line(char line[LINE_LEN])
{
	char boot[64] = "";
	struct stat st;
	FILE *f = fopen(BOOT_ID_PATH, "re");

	if (!f)
		return -errno;
	if (!fgets(boot, sizeof(boot), f))
		boot[0] = '\0';
	fclose(f);
	boot[strcspn(boot, "\n")] = '\0';
	if (stat(NETNS_PATH, &st) < 0)
		return -errno;
	snprintf(line, LINE_LEN, FILE_WORD " %s %ju\n", boot,
		 (uintmax_t)st.st_ino);
	return 0;
}

static int store_read_line(struct sysctl_store *s, const char *line)
{
	struct sysctl_link l = { .has_inet = true };
	uint8_t m[6];
	unsigned int index;

	/* the last two are of a later version */
	if (sscanf(line,
		   "sysctl %u %15s %" SCNu32 " %" SCNu32 " %" SCNu32
		   " %" SCNu32,
		   &l.ifindex, l.name, &l.v.arp_ignore, &l.v.arp_announce,
		   &l.v.l2drop, &l.v.l2drop6) >= 4)
		return sysctl_store_note(s, &l);
	if (sscanf(line, "mac %u %hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &index, &m[0],
		   &m[1], &m[2], &m[3], &m[4], &m[5]) == 7)
		return sysctl_store_note_mac(s, index, m);
	return 0; /* a line of a later version, or damage: not ours to use */
}

static int store_read(struct sysctl_store *s, FILE *f)
{
	char want[LINE_LEN], line[LINE_LEN];
	int r = header_line(want);

	if (r)
		return r;
	if (!fgets(line, sizeof(line), f) || strcmp(line, want))
		return 0;
	while (!r && fgets(line, sizeof(line), f))
		r = store_read_line(s, line);
	return r;
}

int sysctl_store_open(struct sysctl_store *s, const char *path)
{
	FILE *f;
	int r;

	memset(s, 0, sizeof(*s));
	if (strlen(path) >= sizeof(s->path) - strlen(".new"))
		return -ENAMETOOLONG;
	strcpy(s->path, path);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	r = store_read(s, f);
	fclose(f);
	s->dirty = false;
	if (r)
		sysctl_store_close(s);
	return r;
}

void sysctl_store_close(struct sysctl_store *s)
{
	free(s->originals);
	free(s->macs);
	s->originals = NULL;
	s->macs = NULL;
	s->original_count = 0;
	s->mac_count = 0;
	s->dirty = false;
}

int sysctl_store_note(struct sysctl_store *s, const struct sysctl_link *l)
{
	struct sysctl_original *o;
	size_t i;

	for (i = 0; i < s->original_count; i++)
		if (s->originals[i].ifindex == l->ifindex)
			return 0;
	o = realloc(s->originals, (s->original_count + 1) * sizeof(*o));
	if (!o)
		return -ENOMEM;
	s->originals = o;
	o += s->original_count++;
	o->ifindex = l->ifindex;
	memcpy(o->name, l->name, sizeof(o->name));
	o->v = l->v;
	s->dirty = true;
	return 0;
}

int sysctl_store_note_mac(struct sysctl_store *s, unsigned int ifindex,
			  const uint8_t mac[6])
{
	struct sysctl_mac *m;
	size_t i;

	for (i = 0; i < s->mac_count; i++)
		if (s->macs[i].ifindex == ifindex &&
		    !memcmp(s->macs[i].mac, mac, sizeof(m->mac)))
			return 0;
	m = realloc(s->macs, (s->mac_count + 1) * sizeof(*m));
	if (!m)
		return -ENOMEM;
	s->macs = m;
	m += s->mac_count++;
	m->ifindex = ifindex;
	memcpy(m->mac, mac, sizeof(m->mac));
	s->dirty = true;
	return 0;
}

static void store_print(const struct sysctl_store *s, FILE *f)
{
	size_t i;

	for (i = 0; i < s->original_count; i++) {
		const struct sysctl_original *o = &s->originals[i];

		fprintf(f,
			"sysctl %u %s %" PRIu32 " %" PRIu32 " %" PRIu32
			" %" PRIu32 "\n",
			o->ifindex, o->name, o->v.arp_ignore, o->v.arp_announce,
			o->v.l2drop, o->v.l2drop6);
	}
	for (i = 0; i < s->mac_count; i++) {
		const uint8_t *m = s->macs[i].mac;

		fprintf(f, "mac %u %02x:%02x:%02x:%02x:%02x:%02x\n",
			s->macs[i].ifindex, m[0], m[1], m[2], m[3], m[4], m[5]);
	}
}

static int store_write(const struct sysctl_store *s, const char *path)
{
	char line[LINE_LEN];
	int r = header_line(line);
	FILE *f;

	if (r)
		return r;
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fputs(line, f);
	store_print(s, f);
	if (fflush(f) || fsync(fileno(f)) < 0)
		r = -errno;
	if (fclose(f) && !r)
		r = -errno;
	return r;
}

int sysctl_store_save(struct sysctl_store *s)
{
	char tmp[SYSCTL_PATH_MAX + 8];
	int r;

	if (!s->dirty)
		return 0;
	snprintf(tmp, sizeof(tmp), "%s.new", s->path);
	r = store_write(s, tmp);
	if (!r && rename(tmp, s->path) < 0)
		r = -errno;
	if (r)
		(void)unlink(tmp);
	else
		s->dirty = false;
	return r;
}

int sysctl_store_remove(struct sysctl_store *s)
{
	sysctl_store_close(s);
	return unlink(s->path) < 0 && errno != ENOENT ? -errno : 0;
}

/* --- the kernel --------------------------------------------------------- */

struct attr_look {
	uint16_t type;
	const struct nlattr *found;
};

static int attr_look_cb(const struct nlattr *a, void *arg)
{
	struct attr_look *look = arg;

	if (mnl_attr_get_type(a) == look->type)
		look->found = a;
	return MNL_CB_OK;
}

static const struct nlattr *find_nested(const struct nlattr *nest,
					uint16_t type)
{
	struct attr_look look = { .type = type };

	if (nest)
		(void)mnl_attr_parse_nested(nest, attr_look_cb, &look);
	return look.found;
}

/* Value number i, from 0, of the array that the kernel answers with. */
static bool conf_value(const struct nlattr *conf, unsigned i, uint32_t *v)
{
	const uint8_t *bytes;

	if (!conf || mnl_attr_get_payload_len(conf) < (i + 1) * sizeof(*v))
		return false;
	bytes = mnl_attr_get_payload(conf);
	memcpy(v, bytes + i * sizeof(*v), sizeof(*v));
	return true;
}

/* In the order of the IPV4_DEVCONF_*, which begin with 1, and DEVCONF_*. */
static void link_devconf(struct sysctl_link *l, const struct nlattr *af_spec)
{
	const struct nlattr *inet = find_nested(af_spec, AF_INET);
	const struct nlattr *conf = find_nested(inet, IFLA_INET_CONF);
	const struct nlattr *inet6 = find_nested(af_spec, AF_INET6);
	const struct nlattr *conf6 = find_nested(inet6, IFLA_INET6_CONF);
	struct sysctl_values *v = &l->v;

	l->has_inet =
		conf_value(conf, IPV4_DEVCONF_ARP_IGNORE - 1, &v->arp_ignore) &&
		conf_value(conf, IPV4_DEVCONF_ARP_ANNOUNCE - 1,
			   &v->arp_announce) &&
		conf_value(conf, IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST - 1,
			   &v->l2drop);
	l->has_inet6 = conf_value(conf6, DEVCONF_DROP_UNICAST_IN_L2_MULTICAST,
				  &v->l2drop6);
}

/* Port of a VRF: IFLA_LINKINFO says so, with the VRF's table. */
static void link_vrf(struct sysctl_link *l, const struct nlattr *info)
{
	const struct nlattr *kind = find_nested(info, IFLA_INFO_SLAVE_KIND);
	const struct nlattr *data = find_nested(info, IFLA_INFO_SLAVE_DATA);
	const struct nlattr *table = find_nested(data, IFLA_VRF_PORT_TABLE);

	if (kind && mnl_attr_validate(kind, MNL_TYPE_NUL_STRING) == 0 &&
	    !strcmp(mnl_attr_get_str(kind), "vrf") && table &&
	    mnl_attr_validate(table, MNL_TYPE_U32) == 0)
		l->vrf_table = mnl_attr_get_u32(table);
}

static int link_attr(const struct nlattr *a, void *arg)
{
	struct sysctl_link *l = arg;

	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
			strncpy(l->name, mnl_attr_get_str(a),
				sizeof(l->name) - 1);
		break;
	case IFLA_MASTER:
		if (mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			l->master = mnl_attr_get_u32(a);
		break;
	case IFLA_AF_SPEC:
		link_devconf(l, a);
		break;
	case IFLA_LINKINFO:
		link_vrf(l, a);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

struct link_sink {
	sysctl_link_cb *cb;
	void *arg;
};

static int link_take(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link_sink *s = arg;
	struct sysctl_link l = { 0 };

	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return 0;
	l.ifindex = (unsigned int)ifi->ifi_index;
	l.arp = !(ifi->ifi_flags & (IFF_NOARP | IFF_LOOPBACK));
	(void)mnl_attr_parse(nlh, sizeof(*ifi), link_attr, &l);
	return s->cb(&l, s->arg);
}

static int link_copy(const struct sysctl_link *l, void *arg)
{
	memcpy(arg, l, sizeof(*l));
	return 0;
}

int sysctl_link_get(struct nl_sock *nl, unsigned int ifindex, const char *name,
		    struct sysctl_link *l)
{
	_Alignas(8) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct link_sink s = { link_copy, l };
	struct ifinfomsg *ifi;
	int r;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	if (!ifindex &&
	    !mnl_attr_put_strz_check(nlh, sizeof(buf), IFLA_IFNAME, name))
		return -EINVAL;
	memset(l, 0, sizeof(*l));
	r = nl_talk(nl, nlh, nlh->nlmsg_len, link_take, &s);
	return !r && !l->ifindex ? -ENODEV : r;
}

int sysctl_link_dump(struct nl_sock *nl, sysctl_link_cb *cb, void *arg)
{
	_Alignas(8) char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct link_sink s = { cb, arg };

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return nl_talk(nl, nlh, nlh->nlmsg_len, link_take, &s);
}

/* AF_SPEC { AF_INET { INET_CONF { id = value ... } } } */
static int put_devconf(struct nlmsghdr *nlh, size_t size,
		       const struct sysctl_values *v)
{
	struct nlattr *spec, *inet, *conf;

	spec = mnl_attr_nest_start_check(nlh, size, IFLA_AF_SPEC);
	inet = spec ? mnl_attr_nest_start_check(nlh, size, AF_INET) : NULL;
	conf = inet ? mnl_attr_nest_start_check(nlh, size, IFLA_INET_CONF)
		    : NULL;
	if (!conf ||
	    !mnl_attr_put_u32_check(nlh, size, IPV4_DEVCONF_ARP_IGNORE,
				    v->arp_ignore) ||
	    !mnl_attr_put_u32_check(nlh, size, IPV4_DEVCONF_ARP_ANNOUNCE,
				    v->arp_announce) ||
	    !mnl_attr_put_u32_check(nlh, size,
				    IPV4_DEVCONF_DROP_UNICAST_IN_L2_MULTICAST,
				    v->l2drop))
		return -EMSGSIZE;
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, inet);
	mnl_attr_nest_end(nlh, spec);
	return 0;
}

/* Read-only, or gone meanwhile: then it is as it was. */
static void set_l2drop6(const char *ifname, uint32_t value)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), L2DROP6_PATH, ifname);
	f = fopen(path, "we");
	if (!f)
		return;
	fprintf(f, "%" PRIu32 "\n", value);
	fclose(f);
}

int sysctl_link_set(struct nl_sock *nl, const struct sysctl_link *l,
		    const struct sysctl_values *v)
{
	_Alignas(8) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;
	int r;

	if (l->has_inet6 && v->l2drop6 != l->v.l2drop6)
		set_l2drop6(l->name, v->l2drop6);
	nlh->nlmsg_type = RTM_SETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)l->ifindex;
	r = put_devconf(nlh, sizeof(buf), v);
	return r ? r : nl_talk(nl, nlh, nlh->nlmsg_len, NULL, NULL);
}
