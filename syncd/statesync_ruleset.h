/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's nftables ruleset as a file that nft -f takes back.
 */
#ifndef STATESYNC_RULESET_H
#define STATESYNC_RULESET_H

/*
 * Prints the ruleset on standard output, or into the file at path (NULL: none)
 * in one step; a file that exists keeps its mode and owner, and is untouched
 * where anything fails. Tables that one program owns are left out: nobody
 * else may write them (NFT_TABLE_F_OWNER), so a file with one is refused as a
 * whole. Runs nft; needs no daemon. The exit status of the tool; what is
 * wrong is said on standard error.
 */
int ruleset_save(const char *path);

#endif
