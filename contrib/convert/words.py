# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of keepalived.conf and conntrackd.conf that need no counterpart, and
why; and protocols by both names."""

AUTOMATIC = "is so without being asked for"
INITIAL = "the election alone decides"
OWN = "is keepalived's own"

KEEPALIVED_FINE = {
    "state": INITIAL,
    "version|vrrp_version|native_ipv6|strict_mode|vrrp_strict": "CARP is "
    "spoken instead",
    "use_vmac|vmac_xmit_base|use_vmac_addr|vmac_.*": "mac = \"virtual\" is "
    "the default, without a device of its own",
    "garp_.*|vrrp_garp_.*|vrrp_gna_.*": AUTOMATIC,
    "mcast_src_ip|unicast_src_ip|vrrp_mcast_group.|track_src_ip|"
    "unicast_fault_no_peer|check_unicast_src": "adverts come from the "
    "interface's own address",
    "dont_track_primary|higher_prio_send_advert|lower_prio_no_advert|"
    "promote_secondaries|accept|no_accept|debug|linkbeat_use_polling|"
    "skip_check_adv_addr|vrrp_skip_check_adv_addr|global_tracking|"
    "sync_group_tracking_weight|preempt": OWN,
    "notification_.*|smtp_.*|email_.*|snmp.*|enable_snmp.*|enable_dbus|"
    "dbus_.*": "mail, SNMP and D-Bus are not; see statesync history and the "
    "metrics",
    "enable_script_security|user|init_fail|max_auto_priority|"
    "vrrp_(rlimit|rt|prior|no_swap|process|startup|notify).*|process_names|"
    "nftables.*|vrrp_ipsets|vrrp_iptables|dynamic_interfaces|net_namespace|"
    "instance|use_pid_dir|iptables|checker_.*|lvs_.*|default_interface|"
    "child_wait_time|data_use_instance|json_.*|startup_script.*|"
    "shutdown_script.*|description": OWN,
}

CONNTRACKD_FINE = {
    **dict.fromkeys(("resendqueuesize", "ackwindowsize", "refreshtime",
                     "cachetimeout", "disableinternalcache",
                     "disableexternalcache", "hashsize", "hashlimit"),
                    "there is no cache: the kernel's table is the only one"),
    **dict.fromkeys(("committimeout", "purgetimeout", "startupresync"),
                    "there is no commit step, and a joining node is given "
                    "the whole table"),
    **dict.fromkeys(("sndsocketbuffer", "rcvsocketbuffer", "checksum",
                     "interface"),
                    "the link is TLS over TCP, found by its addresses"),
    **dict.fromkeys(("tcpwindowtracking", "expectationsync",
                     "netlinkoverrunresync", "netlinkeventsreliable",
                     "eventiterationlimit", "pollsecs",
                     "netlinkbuffersize"), AUTOMATIC),
    **dict.fromkeys(("systemd", "nice", "scheduler", "logfile", "syslog",
                     "lockfile", "unix"), "is conntrackd's own"),
}

PROTOCOLS = {p: p for p in ("tcp", "udp", "icmp", "sctp", "dccp", "gre",
                            "udplite", "esp", "ah", "ipip", "icmpv6")}
PROTOCOLS["ipv6-icmp"] = "icmpv6"
