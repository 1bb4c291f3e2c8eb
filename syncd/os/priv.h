/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rights that the daemon keeps: two capabilities, and the system calls
 * that it makes. What else is needed once in a while its helper does (exec.h).
 *
 *   CAP_NET_ADMIN  conntrack and nftables by netlink, addresses, routes and
 *                  their rules, sysctls of an interface, marks of packets
 *   CAP_NET_RAW    packet sockets (ARP, neighbour discovery, adverts from the
 *                  virtual MAC), raw sockets of protocol 112
 *
 * Not CAP_IPC_LOCK and CAP_SYS_NICE: limits do (memory that stays, threads in
 * real time). Not CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETUID: the helper.
 * Not CAP_NET_BIND_SERVICE: no port below 1024.
 */
#ifndef STATESYNC_PRIV_H
#define STATESYNC_PRIV_H

/*
 * The keys are in this process's memory: no core of it is written, and none of
 * its user's other processes may look into it. Before the first key is read;
 * who is forked inherits it, a program that is started does not.
 */
void priv_hide(void);

/*
 * Gives up all but those, for good, and becomes another user (NULL: stays who
 * it is). Before any thread is started. 0, or -errno, logged: -EPERM where one
 * of the two is not there.
 */
int priv_drop(const char *user) __attribute__((warn_unused_result));

/*
 * The loop is in real time, as far as it may, until the threads of standin.c
 * have been started, which inherit it: no right is needed for that later.
 * Returns the policy that priv_ordinary() puts back.
 */
int priv_realtime(void);
void priv_ordinary(int policy);

/*
 * Once all threads are there, and before anybody is listened to. From now on
 * other system calls than those of the list fail with ENOSYS, which
 * libraries take for an older kernel. STATESYNC_SECCOMP in the environment:
 * "kill" ends the process instead, "log" lets them pass, both for the kernel's
 * log to say which; "off". 0 or -errno, logged.
 */
int priv_filter(void) __attribute__((warn_unused_result));

#endif
