// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Metrics of this process, under the names that Prometheus' own libraries
 * give them. Invariant: what cannot be read stops none of the others.
 */
#include "metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* proc(5): the 22nd word of stat, in clock ticks since the boot. */
static double started(void)
{
	unsigned long long ticks = 0;
	struct timespec wall, boot;
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f)
		return 0;
	if (fscanf(f,
		   "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
		   "%*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ticks) != 1)
		ticks = 0;
	fclose(f);
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(wall.tv_sec - boot.tv_sec) +
	       (double)(wall.tv_nsec - boot.tv_nsec) / 1e9 +
	       (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double resident(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 3; /* ".", ".." and this directory */
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

void metrics_process(struct metrics *m)
{
	static double start; /* the same at every scrape */
	struct rusage used;

	if (!start)
		start = started();
	getrusage(RUSAGE_SELF, &used);
	metrics_family(m, "process_start_time_seconds", METRICS_GAUGE,
		       "Start time of the process since the Unix epoch in "
		       "seconds.");
	METRICS_VALUE(m, start);
	metrics_family(m, "process_cpu_seconds_total", METRICS_COUNTER,
		       "Total user and system CPU time spent in seconds.");
	METRICS_VALUE(m, seconds(used.ru_utime) + seconds(used.ru_stime));
	metrics_family(m, "process_resident_memory_bytes", METRICS_GAUGE,
		       "Resident memory size in bytes.");
	METRICS_VALUE(m, resident());
	metrics_family(m, "process_open_fds", METRICS_GAUGE,
		       "Number of open file descriptors.");
	METRICS_VALUE(m, open_files());
}
