/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The listener: what it takes for a request, and what it bears with. */
#include "httpsock.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS "127.0.0.1:19788"

static struct event_base *base;
static struct httpsock *hs;

static enum httpsock_end parse(const char *text, size_t len, char *path)
{
	char *copy = malloc(len + 1);
	enum httpsock_end end;
	struct httpsock_request r;

	memcpy(copy, text, len);
	end = httpsock_parse(copy, len, &r);
	if (end == HTTPSOCK_OK)
		snprintf(path, 64, "%s%s%s%s", r.path, r.body ? "" : " (head)",
			 *r.host ? " of " : "", r.host);
	free(copy);
	return end;
}

START_TEST(requests)
{
	static const struct {
		const char *text;
		enum httpsock_end end;
		const char *path;
	} list[] = {
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", HTTPSOCK_OK, "/ of x" },
		{ "GET / HTTP/1.1\nA: host: a\nhOST:x:1 \nHost: b\n\n",
		  HTTPSOCK_OK, "/ of x:1" },
		{ "GET / HTTP/1.1\r\nHost:\r\nA: b\r\n\r\n", HTTPSOCK_OK, "/" },
		{ "GET /a?b=c HTTP/1.0\n\n", HTTPSOCK_OK, "/a" },
		{ "HEAD /a#b HTTP/1.1\r\n\r\n", HTTPSOCK_OK, "/a (head)" },
		{ "GET / HTTP/1.1\r\nHost: x\r\n", HTTPSOCK_ENDS, NULL },
		{ "GET / HTTP/1.1\r\n", HTTPSOCK_ENDS, NULL },
		{ "", HTTPSOCK_ENDS, NULL },
		{ "POST / HTTP/1.1\r\n\r\nabc", HTTPSOCK_METHOD, NULL },
		{ "get / HTTP/1.1\r\n\r\n", HTTPSOCK_METHOD, NULL },
		{ "GET http://x/ HTTP/1.1\r\n\r\n", HTTPSOCK_BAD, NULL },
		{ "GET /\r\n\r\n", HTTPSOCK_BAD, NULL },
		{ "GET / HTTP/2.0\r\n\r\n", HTTPSOCK_BAD, NULL },
		{ "\r\n\r\n", HTTPSOCK_BAD, NULL },
		{ "\n\n", HTTPSOCK_BAD, NULL },
		{ "\x16\x03\x01 \n\n", HTTPSOCK_BAD, NULL },
	};
	char path[64], large[HTTPSOCK_HEAD_MAX + 1];

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		ck_assert_msg(parse(list[i].text, strlen(list[i].text), path) ==
				      list[i].end,
			      "%zu", i);
		if (list[i].path)
			ck_assert_str_eq(path, list[i].path);
	}
	ck_assert_int_eq(parse("GET /\0 HTTP/1.1\n\n", 17, path), HTTPSOCK_BAD);
	ck_assert_int_eq(parse("GET / HTTP/1.1\n\0\n\n", 18, path),
			 HTTPSOCK_BAD);
	memset(large, 'a', sizeof(large));
	ck_assert_int_eq(parse(large, sizeof(large), path), HTTPSOCK_LARGE);
	ck_assert_int_eq(parse(large, sizeof(large) - 1, path), HTTPSOCK_ENDS);
}
END_TEST

/* Somebody's name that leads here is not ours. */
START_TEST(hosts)
{
	static const char *const ours[] = {
		"",	 "127.0.0.1",	 "127.0.0.1:9788", "[::1]:9788",
		"[::1]", "localhost",	 "LocalHost:9788", "fw1",
		"FW1:1", "192.0.2.1:80",
	};
	static const char *const others[] = {
		"evil.example:9788", "fw1.evil.example", "fw",	       ":9788",
		"localhost.evil",    "127.0.0.1.evil",	 "127.0.0.1a", "fw12",
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		ck_assert_msg(httpsock_host_is(ours[i], "fw1"), "%s", ours[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_msg(!httpsock_host_is(others[i], "fw1"), "%s",
			      others[i]);
}
END_TEST

/* Any bytes are some answer. */
START_TEST(noise)
{
	char bytes[64], path[64];

	srandom(1);
	for (int n = 0; n < 20000; n++) {
		size_t len = (size_t)random() % sizeof(bytes);

		for (size_t i = 0; i < len; i++)
			bytes[i] = "GET /\r\n\n\0 HTTP1."[random() % 16];
		(void)parse(bytes, len, path);
	}
}
END_TEST

/* --- with a socket -------------------------------------------------------------- */

static void show(void *arg, const struct httpsock_request *r,
		 struct httpsock_page *page)
{
	size_t size = !strcmp(r->path, "/large") ? 8 << 20 : 5;

	(void)arg;
	page->type = "text/plain";
	page->body = malloc(size);
	page->len = size;
	memset(page->body, 'x', size);
}

static void open_listener(void)
{
	base = event_base_new();
	ck_assert_int_eq(httpsock_new(base, ADDRESS, show, NULL, &hs), 0);
}

static void close_listener(void)
{
	httpsock_free(hs);
	event_base_free(base);
}

static int client(const char *text)
{
	struct sockaddr_storage where;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert(httpsock_address(ADDRESS, &where, &len));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&where, len), 0);
	ck_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static void turn(int ms)
{
	const struct timeval tv = { .tv_usec = ms % 1000 * 1000,
				    .tv_sec = ms / 1000 };

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

/* All that comes until the end, while the loop turns. */
static size_t read_all(int fd, char *text, size_t size)
{
	size_t used = 0;

	for (int i = 0; i < 1000; i++) {
		ssize_t n =
			recv(fd, text + used, size - 1 - used, MSG_DONTWAIT);

		if (n == 0)
			break;
		if (n > 0)
			used += (size_t)n;
		else
			turn(5);
	}
	text[used] = '\0';
	close(fd);
	return used;
}

START_TEST(an_answer)
{
	char text[1024];

	read_all(client("GET / HTTP/1.1\r\n\r\n"), text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 200 OK\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 5\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nxxxxx"));
	read_all(client("HEAD / HTTP/1.1\r\n\r\n"), text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Length: 5\r\n"));
	ck_assert_ptr_null(strstr(text, "xxxxx"));
	read_all(client("DELETE / HTTP/1.1\r\n\r\n"), text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "405 Method Not Allowed\r\n"));
	ck_assert_uint_eq(httpsock_count(hs, HTTPSOCK_OK), 2);
	ck_assert_uint_eq(httpsock_count(hs, HTTPSOCK_METHOD), 1);
}
END_TEST

/* The seventeenth waits, and has its turn when one goes. */
START_TEST(clients_are_few)
{
	int idle[HTTPSOCK_CLIENTS_MAX], fd;
	char text[1024];
	struct pollfd p;

	for (int i = 0; i < HTTPSOCK_CLIENTS_MAX; i++)
		idle[i] = client("GET /");
	turn(50);
	fd = client("GET / HTTP/1.1\r\n\r\n");
	turn(200);
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	close(idle[0]);
	ck_assert_uint_gt(read_all(fd, text, sizeof(text)), 0);
	for (int i = 1; i < HTTPSOCK_CLIENTS_MAX; i++)
		close(idle[i]);
}
END_TEST

/* One says a byte now and then, one does not read: both are gone in time. */
START_TEST(clients_are_quick)
{
	int slow = client("GET / HTTP/1.1\r\n"), deaf, small = 4096;
	char byte;

	deaf = client("GET /large HTTP/1.1\r\n\r\n");
	setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < 2 * HTTPSOCK_TIME_S + 2; i++) {
		(void)!send(slow, "a", 1, MSG_NOSIGNAL);
		turn(500);
	}
	ck_assert_uint_eq(httpsock_count(hs, HTTPSOCK_SLOW), 2);
	ck_assert_int_le(recv(slow, &byte, 1, MSG_DONTWAIT), 0);
	ck_assert(errno != EAGAIN);
	close(slow);
	close(deaf);
}
END_TEST

/* Who goes on talking is answered, and cut off long before his time is up. */
START_TEST(clients_are_brief)
{
	static const char *const begins[] = { "POST / HTTP/1.1\r\n\r\n",
					      "GET / HTTP/1.1\r\nA: b" };
	static char much[65536];
	const struct timespec moment = { .tv_nsec = 2000000 };
	char text[1024];
	ssize_t n;
	int fd;

	memset(much, 'a', sizeof(much));
	for (int i = 0; i < 2; i++) {
		fd = client(begins[i]);
		for (int k = 0; k < 2000; k++) {
			n = send(fd, much, sizeof(much),
				 MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN)
				break;
			turn(1);
			nanosleep(&moment, NULL);
		}
		ck_assert(n < 0 && errno != EAGAIN);
		n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
		ck_assert_int_gt(n, 12);
		ck_assert_int_eq(
			strncmp(text, i ? "HTTP/1.1 431" : "HTTP/1.1 405", 12),
			0);
		close(fd);
	}
	ck_assert_uint_eq(httpsock_count(hs, HTTPSOCK_SLOW), 0);
	ck_assert_uint_eq(httpsock_count(hs, HTTPSOCK_LARGE), 1);
}
END_TEST

START_TEST(addresses)
{
	struct httpsock *second;

	ck_assert_int_eq(httpsock_new(base, ADDRESS, show, NULL, &second),
			 -EADDRINUSE);
	ck_assert_ptr_null(second);
	ck_assert_int_eq(
		httpsock_new(base, "192.0.2.1:19788", show, NULL, &second),
		-EADDRNOTAVAIL);
	ck_assert_int_eq(httpsock_new(base, "nowhere", show, NULL, &second),
			 -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("httpsock");
	TCase *pure = tcase_create("pure"), *tc = tcase_create("socket");
	SRunner *sr;
	int failed;

	tcase_add_test(pure, requests);
	tcase_add_test(pure, hosts);
	tcase_add_test(pure, noise);
	suite_add_tcase(s, pure);
	tcase_add_checked_fixture(tc, open_listener, close_listener);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, an_answer);
	tcase_add_test(tc, clients_are_few);
	tcase_add_test(tc, clients_are_quick);
	tcase_add_test(tc, clients_are_brief);
	tcase_add_test(tc, addresses);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
