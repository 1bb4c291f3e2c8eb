/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the configuration that is one virtual host: a carp block, with
 * what it tracks and what follows it. See conf.h.
 */
#ifndef STATESYNC_CONF_CARP_H
#define STATESYNC_CONF_CARP_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_NAME_SIZE	 64 /* of a node, a vhost, a title; with its NUL */
#define CONF_PASS_MAX	 19 /* bytes; OpenBSD ifconfig(8) cuts there */
#define CONF_NODES_MAX	 32
#define CONF_UNICAST_MAX 8 /* unicast addresses of one vhost */

enum conf_mac { CONF_MAC_VIRTUAL, CONF_MAC_INTERFACE };

/* Ethernet source of the frames that are forwarded. */
enum conf_source_mac { CONF_SOURCE_INTERFACE, CONF_SOURCE_VIRTUAL };

/* Where programs find the shared addresses (IPv4 only). */
enum conf_shared { CONF_SHARED_ROUTE, CONF_SHARED_LO };

enum conf_balancing {
	CONF_BALANCING_NONE,
	CONF_BALANCING_IP,	/* a multicast MAC: switches flood */
	CONF_BALANCING_STEALTH, /* the virtual one, never sent */
};

enum conf_track_kind {
	CONF_TRACK_INTERFACE, /* up and with a carrier */
	CONF_TRACK_ROUTE,     /* there, and not unreachable or blackhole */
	CONF_TRACK_SCRIPT,    /* the command exits with 0 */
	CONF_TRACK_PROCESS,   /* one of this name runs */
	CONF_TRACK_FILE,      /* it is not there, or holds the number 0 */
};

struct conf_address {
	sa_family_t family; /* AF_INET or AF_INET6; AF_UNSPEC: not given */
	uint8_t prefixlen;  /* 0 where the key takes no prefix */
	union {
		struct in_addr v4; /* network byte order */
		struct in6_addr v6;
	};
};

/* A block in track {}: `script "isp" { ... }`. */
struct conf_track {
	enum conf_track_kind kind;
	char name[CONF_NAME_SIZE]; /* its title */
	struct conf_address to;	   /* of a route; prefixlen 0: default */
	uint8_t weight; /* added to the demotion while it is down; 1 to 254 */
	char *command;	/* of a script, for sh -c */
	int64_t interval_ms, timeout_ms; /* of a script */
	unsigned int rise, fall;	 /* of a script: results in a row */
};

/* In routes {}, `route "10.3.0.0/16" { via = "10.1.0.9" }`: of the master */
struct conf_route {
	struct conf_address to;	     /* prefixlen 0: default */
	struct conf_address via;     /* AF_UNSPEC: none */
	struct conf_address src;     /* preferred source; AF_UNSPEC: none */
	char interface[IF_NAMESIZE]; /* "": found by the kernel by via */
	uint32_t table;		     /* 0: main */
	uint32_t metric;	     /* 0: the kernel's own */
};

/* In rules {}: `rule "guests" { from = "10.1.2.0/24" table = 100 }`. */
struct conf_rule {
	char name[CONF_NAME_SIZE];
	sa_family_t family;
	struct conf_address from, to; /* AF_UNSPEC: any */
	char iif[IF_NAMESIZE];	      /* "": any */
	uint32_t mark, mark_mask;     /* mask 0: any */
	uint32_t priority, table;
};

/* One of `nodes` of a balanced vhost: "vhid:advskew", OpenBSD's carpnodes. */
struct conf_node {
	uint8_t vhid, advskew;
};

struct conf_carp {
	char name[CONF_NAME_SIZE];
	bool external; /* another program elects: name and addresses only */
	char interface[IF_NAMESIZE];
	int interface_line;
	uint8_t vhid;
	uint8_t advbase; /* s */
	uint8_t advskew; /* 1/256 s */
	enum conf_mac mac;
	uint8_t pass[CONF_PASS_MAX + 1]; /* padded with zeros */
	size_t num_addresses;		 /* at least 1 */
	struct conf_address *addresses;	 /* the automatic link-local, too */
	char alias[CONF_NAME_SIZE];	 /* "" unless given */
	unsigned int num_unicast;	 /* 0: multicast */
	struct conf_address unicast[CONF_UNICAST_MAX]; /* `peer`, no prefix */
	uint8_t ttl; /* at least, of unicast adverts that come; 255 */
	enum conf_source_mac source_mac;
	enum conf_shared shared;
	int64_t announce_refresh_ms; /* 0: never again */
	enum conf_balancing balancing;
	unsigned int num_nodes; /* of a balanced vhost, ascending by vhid */
	struct conf_node nodes[CONF_NODES_MAX];
	size_t num_tracks, num_routes, num_rules;
	struct conf_track *tracks;
	struct conf_route *routes;
	struct conf_rule *rules;
	unsigned int num_allowed; /* strict-peers: besides the link's peers */
	struct conf_allowed {
		struct conf_address address;
		int advbase, advskew; /* -1: any */
	} allowed[CONF_UNICAST_MAX];
};

#endif
