/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A comparison of two tables, as the engine keeps it: for each peer what came
 * out last, one round of our own at a time, and what we answer to the rounds
 * of peers.
 */
#ifndef STATESYNC_ENGINE_AUDIT_H
#define STATESYNC_ENGINE_AUDIT_H

#include "audit.h"
#include "engine_answer.h"
#include "mono.h"
#include "session.h"

/* At least so long are two looks apart (rules 8). */
#define AUDIT_APART_NS (2 * MONO_S)
/* A copy's life is counted in periods of at least that. */
#define AUDIT_PERIOD_LEAST_NS (5 * MONO_S)
/* That differ and are judged in one look. */
#define AUDIT_FINDINGS_MAX 4096
/* Flows of which it is remembered that they were repaired. */
#define AUDIT_MEMORY 256
/* With fewer differences nothing is a gap. */
#define AUDIT_GAP_LEAST 2048

/* What a comparison found. From where we stand: AUDIT_MISSING is what the peer
 * lacks. */
struct audit_report {
	mono_t at; /* its end; 0: there was none yet */
	uint64_t count[AUDIT_COUNTS];
	size_t ntexts;
	uint32_t examples[SESSION_AUDIT_TEXTS_MAX];
	char texts[SESSION_AUDIT_TEXTS_MAX][SESSION_AUDIT_TEXT_SIZE];
};

/* A finding that counts, if its tuple did not change meanwhile. */
struct audit_finding {
	struct flow flow; /* ours */
	uint64_t tuple;
	bool missing;
	struct audit_entry theirs; /* unless missing */
};

enum audit_phase {
	AUDIT_SUMMING,	 /* our dump, and their sums */
	AUDIT_SUMMED,	 /* our events are still to be read */
	AUDIT_PAUSE,	 /* until pause_until */
	AUDIT_LISTING,	 /* their entries */
	AUDIT_COMPARING, /* our dump */
	AUDIT_JUDGING,	 /* our events are still to be read */
	AUDIT_FINDING,	 /* what is extra at theirs */
};

/* A round of ours. Large; it exists while it runs. */
struct audit_round {
	unsigned peer;
	uint64_t id;
	bool verify; /* a person waits: at once, to its end, nothing repaired */
	enum audit_phase phase;
	mono_t started, phase_at, summed_at, pause_until;
	uint8_t key[DIGEST_KEY_LEN];
	unsigned bits, sums, looks;	 /* sums, looks: how often */
	int64_t looks_ns;		 /* from the sums on, for looks */
	bool dumping;			 /* our dump runs */
	bool dumped, summed;		 /* of AUDIT_SUMMING */
	size_t differ;			 /* buckets, as the sums say */
	uint64_t theirs;		 /* entries there */
	uint32_t sum[AUDIT_BUCKETS_MAX]; /* ours less theirs */
	struct audit_touched touched;
	struct audit_set dirty, doubt, listed, seen; /* seen: listed before */
	struct audit_set passed, copies; /* where several nodes work */
	/* Tuples of seen buckets that are still to be judged. */
	struct audit_tuples again;
	struct audit_list entries;
	struct audit_finding
		*findings; /* room for AUDIT_FINDINGS_MAX, or NULL */
	size_t nfindings, nmore, nextra; /* more: found, and not kept */
	uint64_t extra[SESSION_AUDIT_TUPLES_MAX];
	struct audit_report report;
	uint64_t repaired[AUDIT_MEMORY]; /* hashes, for the next round */
	size_t nrepaired;
	uint64_t uncured;
};

/* Of each peer. */
struct engine_audit {
	struct audit_report last;
	mono_t next_at;
	bool wanted; /* a person waits here */
	bool asked;  /* one waits at the peer's */
	bool by_us;  /* what is wanted is a round of ours */
	mono_t wanted_at;
	uint64_t rounds, given_up; /* of ours */
	uint64_t repaired[2];	   /* ever: missing, differing */
	uint64_t cut;		   /* ever: timeouts of ours, as extra */
	/* what was repaired in the last round, and what its kernel refused
	 * before that */
	uint64_t memory[AUDIT_MEMORY];
	size_t nmemory;
	uint64_t refused[SESSION_REFUSALS_MAX];
	int64_t period_ns;  /* that it was told */
	mono_t extra_since; /* each round since then found some */
	bool swept;	    /* a bulk was to remove those, since then */
	bool again;	    /* one was to bring what is missing or differs */
	uint64_t uncured;   /* differ after a repair */
	char alarm[SESSION_REASON_MAX * 2]; /* why; "" unless there is one */
	struct audit_answer *answer;
};

#endif
