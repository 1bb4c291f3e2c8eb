/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configuration file as a plain tree of values, already checked: what
 * stands here can be used without a further look. Keys, defaults and units
 * are those of the manual; a key that this version does not build is
 * refused by name, never skipped.
 */
#ifndef STATESYNC_CONF_H
#define STATESYNC_CONF_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_DEFAULT_PATH "/etc/statesync/statesync.conf"
#define CONF_DEFAULT_PORT 3790
#define CONF_NAME_SIZE	  64 /* of a node or vhost, with its NUL */
#define CONF_PASS_MAX	  19 /* bytes; OpenBSD ifconfig(8) cuts there */
#define CONF_KEYS_MAX	  2  /* two while a key is being replaced */
#define CONF_ERRORS_MAX	  10
#define CONF_ERROR_SIZE	  512

enum conf_result {
	CONF_REFUSED = 1, /* mistakes in the file: see struct conf_errors */
};

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
	CONF_TRACK_FILE,      /* it exists, or it holds 0 or is not there */
};

enum conf_require_sync {
	CONF_SYNC_STRICT, /* hold while a living master exists */
	CONF_SYNC_LIMIT,  /* the same, at most require_sync_ms */
	CONF_SYNC_OFF,	  /* never hold */
};

struct conf_address {
	sa_family_t family; /* AF_INET or AF_INET6; AF_UNSPEC: not given */
	uint8_t prefixlen;  /* 0 where the key takes no prefix */
	union {
		struct in_addr v4; /* network byte order */
		struct in6_addr v6;
	};
};

struct conf_peer {
	char name[CONF_NAME_SIZE];
	struct conf_address address;
};

struct conf_link {
	bool present; /* without a link block this node never holds */
	struct conf_address address;
	uint16_t port;
	unsigned int num_keys;
	char *key_file[CONF_KEYS_MAX]; /* in the order of the file */
	size_t num_peers;	       /* other nodes only, at least 1 */
	struct conf_peer *peers;
};

/* A block in track {}: `script "isp" { ... }`. */
struct conf_track {
	enum conf_track_kind kind;
	char name[CONF_NAME_SIZE]; /* its title */
	uint8_t weight; /* added to the demotion while it is down; 1 to 254 */
	char *command;	/* of a script, for sh -c */
	int64_t interval_ms, timeout_ms; /* of a script */
	unsigned int rise, fall;	 /* of a script: results in a row */
};

/* In routes {}: `route "10.3.0.0/16" { via = "10.1.0.9" }`; the master alone
 * has it. */
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

#define CONF_NODES_MAX 32
#define CONF_PEERS_MAX 8 /* unicast addresses of one vhost */

struct conf_carp {
	char name[CONF_NAME_SIZE];
	char interface[IF_NAMESIZE];
	uint8_t vhid;
	uint8_t advbase; /* s */
	uint8_t advskew; /* 1/256 s */
	enum conf_mac mac;
	uint8_t pass[CONF_PASS_MAX + 1]; /* padded with zeros */
	size_t num_addresses;		 /* at least 1 */
	struct conf_address *addresses;	 /* the automatic link-local, too */
	char alias[CONF_NAME_SIZE];	 /* "" unless given */
	unsigned int num_unicast;	 /* 0: multicast */
	struct conf_address unicast[CONF_PEERS_MAX]; /* `peer`, no prefix */
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
	/* strict-peers: who may advertise besides the peers of the link, and
	 * with which intervals */
	unsigned int num_allowed;
	struct conf_allowed {
		struct conf_address address;
		int advbase, advskew; /* -1: any */
	} allowed[CONF_PEERS_MAX];
};

struct conf {
	char node[CONF_NAME_SIZE];
	bool preempt, independent, witness, router_advertisement, strict_peers;
	int64_t preempt_delay_ms;
	unsigned int witness_limit; /* master-down times */
	enum conf_require_sync require_sync;
	int64_t require_sync_ms;
	uint32_t event_buffer_bytes;
	char *state_dir;
	char *stats_socket;
	struct conf_link link;
	size_t num_carps; /* at least 1 */
	struct conf_carp *carps;
};

/*
 * The mistakes found, in the order of the file, each a full sentence with
 * its place in front ("FILE:LINE:COL: ..."), without a newline.
 */
struct conf_errors {
	unsigned int count;
	char text[CONF_ERRORS_MAX][CONF_ERROR_SIZE];
};

/*
 * Reads and checks the file at `path`, and the key and pass files it names
 * (mode, form). `node` overrides the node's name (NULL: the key `node`, or
 * else the host name). Returns 0 and a tree in *out that the caller gives
 * back with conf_free(); CONF_REFUSED with at least one sentence in
 * *errors (also when the file cannot be read), -ENOMEM otherwise. *out is
 * NULL unless 0 is returned.
 */
int conf_load(const char *path, const char *node, struct conf **out,
	      struct conf_errors *errors) __attribute__((warn_unused_result));

/* Gives back a tree, the passwords overwritten; NULL is fine. */
void conf_free(struct conf *conf);

#endif
