/* test_comm.c - messages, collectives, agreement and waiting, on any number of ranks. Guarded by alarm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "comm/comm.h"
#include "on_ranks.h"

static int64_t sum_of(mp_comm *c, int64_t v) {
    assert_int_equal(mp_comm_allreduce(c, &v, 1, MP_SUM, NULL), MP_OK);
    return v;
}

/* True on every rank if it is true on all. */
static bool everywhere(mp_comm *c, bool ok) {
    return sum_of(c, ok ? 0 : 1) == 0;
}

static void test_environment(void **state) {
    mp_comm *c = *state;
    assert_string_equal(getenv("OMPI_MCA_io"), "ompio"); /* chosen in main before prepare */
    assert_string_equal(getenv("OMPI_MCA_mpi_yield_when_idle"), "1");
    assert_int_equal(mp_comm_env_rank(), mp_comm_rank(c));
    assert_true(mp_comm_under_launcher() || mp_comm_size(c) == 1);
    assert_true(mp_comm_host_ranks(c) >= 1 && mp_comm_host_ranks(c) <= mp_comm_size(c));
    assert_int_equal(mp_comm_one_host(c), mp_comm_host_ranks(c) == mp_comm_size(c));
    assert_true(mp_comm_host(c)[0] != 0);
    assert_false(mp_comm_broken(c));
}

static int no_delay(int fd) {
    int yes = -1;
    socklen_t len = sizeof yes;
    return getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, &len) == 0 ? yes != 0 : -1;
}

/* TCP sockets from here on, a launcher's among them, send at once; other descriptors are left alone. */
static void test_after_init(void **state) {
    (void)state;
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), end[2];
    assert_true(tcp >= 0 && udp >= 0);
    assert_int_equal(pipe(end), 0);
    assert_int_equal(no_delay(tcp), 0);
    setenv("HWLOC_COMPONENTS", "xml", 1); /* the user's: children have it, too */
    mp_comm_after_init();
    assert_string_equal(getenv("HWLOC_COMPONENTS"), "xml");
    unsetenv("HWLOC_COMPONENTS");
    mp_comm_prepare_env();
    mp_comm_after_init();
    assert_null(getenv("HWLOC_COMPONENTS"));
    assert_int_equal(no_delay(tcp), 1);
    for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
        assert_int_not_equal(no_delay(fd), 0);
    close(tcp);
    close(udp);
    close(end[0]);
    close(end[1]);
}

static void test_allreduce(void **state) {
    mp_comm *c = *state;
    int64_t rank = mp_comm_rank(c), n = mp_comm_size(c);
    int64_t v[4] = {rank, -rank, INT64_C(1) << 40, 7};
    assert_int_equal(mp_comm_allreduce(c, v, 4, MP_SUM, NULL), MP_OK);
    int64_t min[2] = {rank + 5, -rank}, max[2] = {rank + 5, -rank}, or = INT64_C(1) << rank;
    assert_int_equal(mp_comm_allreduce(c, min, 2, MP_MIN, NULL), MP_OK);
    assert_int_equal(mp_comm_allreduce(c, max, 2, MP_MAX, NULL), MP_OK);
    assert_int_equal(mp_comm_allreduce(c, & or, 1, MP_OR, NULL), MP_OK);
    assert_int_equal(mp_comm_allreduce(c, NULL, 0, MP_SUM, NULL), MP_OK);
    assert_int_equal(v[0], n * (n - 1) / 2);
    assert_int_equal(v[1], -n * (n - 1) / 2);
    assert_int_equal(v[2], n << 40);
    assert_int_equal(v[3], 7 * n);
    assert_int_equal(min[0], 5);
    assert_int_equal(min[1], 1 - n);
    assert_int_equal(max[0], n + 4);
    assert_int_equal(max[1], 0);
    if (n < 64) assert_int_equal(or, (INT64_C(1) << n) - 1);
}

static uint8_t byte_at(size_t i, int seed) {
    return (uint8_t)((i * 2654435761u >> 11) + (size_t)seed * 31);
}

static void test_bcast(void **state) {
    mp_comm *c = *state;
    static const size_t sizes[] = {0, 1, 4096, 4194303, 4194304, 4194305, 20000000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        mp_buf b;
        mp_buf_init(&b, NULL);
        mp_buf_text(&b, "what was there before");
        if (mp_comm_rank(c) == 0) {
            mp_buf_clear(&b);
            mp_buf_reserve(&b, sizes[k]);
            for (size_t i = 0; i < sizes[k]; i++)
                mp_buf_u8(&b, byte_at(i, 3));
        }
        bool ok = mp_comm_bcast(c, &b, NULL) == MP_OK && b.len == sizes[k];
        for (size_t i = 0; ok && i < sizes[k]; i++)
            ok = b.data[i] == byte_at(i, 3);
        mp_buf_release(&b);
        assert_true(everywhere(c, ok));
    }
}

/* A rank without memory gets the error; the ranks behind it in the tree get the bytes. */
static void test_bcast_without_memory(void **state) {
    mp_comm *c = *state;
    int poor = mp_comm_size(c) > 1 ? 1 : 0;
    mp_mem mem;
    mp_mem_init(&mem, mp_comm_rank(c) == poor ? 1000 : 0);
    mp_buf b;
    mp_buf_init(&b, &mem);
    if (mp_comm_rank(c) == 0 && poor != 0)
        for (int i = 0; i < 1000; i++)
            mp_buf_i64(&b, i);
    mp_error err = MP_ERROR_INIT;
    mp_status s = mp_comm_bcast(c, &b, &err);
    mp_status wanted = mp_comm_rank(c) == poor && poor != 0 ? MP_NOMEM : MP_OK;
    bool ok = s == wanted && (s != MP_OK || poor == 0 || b.len == 8000);
    mp_buf_release(&b);
    assert_true(everywhere(c, ok));
}

static void test_gather(void **state) {
    mp_comm *c = *state;
    int rank = mp_comm_rank(c);
    size_t len = rank == 0 ? 0 : rank == 1 ? 9000001 : (size_t)rank * 100;
    uint8_t *own = malloc(len + 1);
    mp_buf all;
    mp_buf_init(&all, NULL);
    for (size_t i = 0; i < len; i++)
        own[i] = byte_at(i, rank);
    bool ok = mp_comm_gather(c, own, len, &all, NULL) == MP_OK;
    free(own);
    if (rank > 0) ok = ok && all.len == 0;
    mp_rd r = mp_rd_of(all.data, all.len);
    for (int src = 0; ok && rank == 0 && src < mp_comm_size(c); src++) {
        size_t n = (size_t)mp_rd_u64(&r);
        const uint8_t *p = mp_rd_raw(&r, n);
        ok = n == (src == 0 ? 0 : src == 1 ? 9000001 : (size_t)src * 100);
        for (size_t i = 0; ok && i < n; i++)
            ok = p && p[i] == byte_at(i, src);
    }
    ok = ok && !r.bad && mp_rd_left(&r) == 0;
    mp_buf_release(&all);
    assert_true(everywhere(c, ok));
}

/* Many collectives in a row: fast ranks run ahead. */
static void test_many_collectives(void **state) {
    mp_comm *c = *state;
    bool ok = true;
    for (int i = 0; i < 200; i++) {
        mp_buf b, all;
        int64_t number = i;
        mp_buf_init(&b, NULL);
        mp_buf_init(&all, NULL);
        if (mp_comm_rank(c) == 0) mp_buf_i64(&b, i);
        ok = ok && mp_comm_bcast(c, &b, NULL) == MP_OK;
        ok = ok && mp_comm_gather(c, &number, sizeof number, &all, NULL) == MP_OK;
        ok = ok && b.len == 8 && memcmp(b.data, &number, 8) == 0;
        ok = ok && all.len == (mp_comm_rank(c) == 0 ? 16 * (size_t)mp_comm_size(c) : 0);
        if (i % 50 == 0) ok = ok && mp_comm_barrier(c, NULL) == MP_OK;
        mp_buf_release(&b);
        mp_buf_release(&all);
    }
    assert_true(everywhere(c, ok));
}

static void test_agree(void **state) {
    mp_comm *c = *state;
    int rank = mp_comm_rank(c), n = mp_comm_size(c);
    mp_error e = MP_ERROR_INIT;
    mp_status s = mp_comm_agree(c, &e);
    bool ok = s == MP_OK && e.status == MP_OK && mp_comm_agree(c, NULL) == MP_OK;
    for (int bad = 0; bad < n; bad++) {
        /* others: the lowest rank; a data error goes first; of those the smallest place */
        mp_error_init(&e);
        if (rank >= bad) mp_error_set(&e, MP_IO, "cannot open", "rank %d", rank);
        s = mp_comm_agree(c, &e);
        char why[40];
        snprintf(why, sizeof why, "rank %d", bad);
        ok = ok && s == MP_IO && e.status == MP_IO && e.rank == bad && strcmp(e.why, why) == 0;
        mp_error_init(&e);
        mp_error_set(&e, rank < bad ? MP_IO : MP_DATA, NULL, "rank %d", rank);
        if (rank >= bad) mp_error_place(&e, 0, 1000 - rank, 0, 0);
        s = mp_comm_agree(c, &e);
        ok = ok && s == MP_DATA && e.rank == n - 1 && e.offset == 1000 - (n - 1);
    }
    assert_true(everywhere(c, ok));
}

typedef struct {
    mp_comm *c;
    int *next[2]; /* [tag][src] expected number */
    int64_t n_got;
    int64_t wrong;
    int64_t wanted;
} inbox;

static size_t message_size(int i) {
    return i % 7 == 3 ? 300000 : i % 5 == 2 ? 5000 : (size_t)(i % 40);
}

static mp_status take(inbox *b, int tag, int src, const uint8_t *bytes, size_t len) {
    int i = b->next[tag][src]++;
    b->n_got++;
    if (len != 4 + message_size(i)) b->wrong++;
    int number = -1;
    if (len >= 4) memcpy(&number, bytes, 4);
    if (number != i) b->wrong++;
    for (size_t k = 4; k < len; k += 97)
        b->wrong += bytes[k] != byte_at(k, i);
    return MP_OK;
}

static mp_status take_user(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    (void)err;
    return take(ctx, 0, src, bytes, len);
}

static mp_status take_order(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    (void)err;
    return take(ctx, 1, src, bytes, len);
}

static bool have_all(void *ctx) {
    const inbox *b = ctx;
    return b->n_got >= b->wanted;
}

static mp_status post(mp_comm *c, int dest, mp_tag tag, int i) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    mp_buf_u32(&b, (uint32_t)i);
    for (size_t k = 4; k < 4 + message_size(i); k++)
        mp_buf_u8(&b, byte_at(k, i));
    mp_status s = i % 2 ? mp_comm_send_buf(c, dest, tag, &b, i % 3 == 0, NULL)
                        : mp_comm_send(c, dest, tag, b.data, b.len, NULL);
    mp_buf_release(&b);
    return s;
}

static void test_messages_keep_order(void **state) {
    mp_comm *c = *state;
    int n = mp_comm_size(c), each = n > 8 ? 12 : 60;
    inbox b = {.c = c, .wanted = (int64_t)each * n};
    bool ok = true;
    for (int t = 0; t < 2; t++)
        b.next[t] = calloc((size_t)n, sizeof(int));
    mp_comm_listen(c, MP_TAG_USER, take_user, &b);
    for (int i = 0; i < each; i++)
        for (int dest = 0; dest < n; dest++) {
            ok = ok && post(c, dest, MP_TAG_USER, i) == MP_OK;
            ok = ok && post(c, dest, MP_TAG_ORDER, i) == MP_OK;
        }
    ok = ok && mp_comm_wait(c, have_all, &b, "messages", NULL) == MP_OK && b.wrong == 0;
    ok = ok && b.n_got == b.wanted; /* nobody listened to the others */
    b.wanted *= 2;
    mp_comm_listen(c, MP_TAG_ORDER, take_order, &b);
    ok = ok && mp_comm_wait(c, have_all, &b, "messages", NULL) == MP_OK && b.wrong == 0;
    ok = everywhere(c, ok);
    for (int dest = 0; dest < n && ok; dest++) {
        while (mp_comm_unsent(c, dest, MP_TAG_USER) || mp_comm_unsent(c, dest, MP_TAG_ORDER))
            ok = ok && mp_comm_progress(c, NULL, NULL) == MP_OK;
    }
    mp_comm_listen(c, MP_TAG_USER, NULL, NULL);
    mp_comm_listen(c, MP_TAG_ORDER, NULL, NULL);
    for (int t = 0; t < 2; t++)
        free(b.next[t]);
    assert_true(everywhere(c, ok));
}

static mp_status refuse(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    (void)bytes, (void)len;
    ++*(int *)ctx;
    return mp_error_set(err, MP_DATA, NULL, "from %d", src);
}

/* An error of a handler comes out of progress, once, and never out of a collective. */
static void test_handler_error(void **state) {
    mp_comm *c = *state;
    int n = mp_comm_size(c), calls = 0, errors = 0;
    mp_error e = MP_ERROR_INIT;
    mp_comm_listen(c, MP_TAG_USER, refuse, &calls);
    bool ok = mp_comm_send(c, (mp_comm_rank(c) + 1) % n, MP_TAG_USER, "x", 1, NULL) == MP_OK;
    ok = everywhere(c, ok) && ok;
    int64_t deadline = mp_clock_ns() + INT64_C(10000000000);
    while (errors == 0 && mp_clock_ns() < deadline)
        errors += mp_comm_progress(c, NULL, &e) != MP_OK;
    ok = ok && errors == 1 && calls == 1 && e.status == MP_DATA;
    ok = ok && mp_comm_progress(c, NULL, NULL) == MP_OK;
    mp_comm_listen(c, MP_TAG_USER, NULL, NULL);
    assert_true(everywhere(c, ok));
}

static void test_too_long(void **state) {
    mp_comm *c = *state;
    mp_error e = MP_ERROR_INIT;
    char byte = 0;
    mp_status s = mp_comm_send(c, 0, MP_TAG_USER, &byte, (size_t)3 << 30, &e);
    assert_true(everywhere(c, s == MP_FAILED && e.status == MP_FAILED));
    assert_string_equal(e.what, "message too long");
    assert_false(mp_comm_broken(c));
}

static bool later_than(void *ctx) {
    return mp_clock_ns() > *(int64_t *)ctx;
}

static double cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waiting costs next to nothing, is named, and ends with the predicate. */
static void test_waiting(void **state) {
    mp_comm *c = *state;
    int64_t until = mp_clock_ns() + 400 * 1000 * 1000;
    double before = cpu_s();
    bool ok = mp_comm_wait(c, later_than, &until, "the clock", NULL) == MP_OK;
    double cost = cpu_s() - before;
    ok = ok && mp_clock_ns() >= until && cost < 0.1;
    ok = ok && mp_comm_waiting(c, NULL) == NULL;
    assert_true(everywhere(c, ok));
}

/* A watched descriptor ends a sleep. */
static void test_watched(void **state) {
    mp_comm *c = *state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    mp_comm_watch_fd(c, fds[0]);
    mp_comm_idle(c, 1);
    usleep(100 * 1000); /* from now on a sleep would be of 1 ms at least */
    int64_t shortest = INT64_MAX;
    for (int i = 2; i < 50; i++) {
        int64_t start = mp_clock_ns();
        mp_comm_idle(c, i);
        int64_t took = mp_clock_ns() - start;
        if (took < shortest) shortest = took;
    }
    bool quick = shortest < 500 * 1000;
    mp_comm_watch_fd(c, -1);
    close(fds[0]);
    close(fds[1]);
    assert_true(everywhere(c, quick));
}

static mp_status echo(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    inbox *b = ctx;
    b->n_got++;
    if (src == mp_comm_rank(b->c) || mp_comm_rank(b->c) == 0) return MP_OK;
    return mp_comm_send(b->c, src, MP_TAG_USER, bytes, len, err);
}

static bool said_stop(void *ctx) {
    const inbox *b = ctx;
    return b->n_got >= b->wanted;
}

/* A rank that has slept for long answers at once when a message comes: rank 0 asks each of the others, fast asleep, 20 times. */
static void test_doorbell(void **state) {
    enum { N = 20 };
    mp_comm *c = *state;
    inbox b = {.c = c, .wanted = mp_comm_rank(c) == 0 ? 0 : N};
    mp_comm_listen(c, MP_TAG_USER, echo, &b);
    bool ok = true;
    int64_t slowest = 0;
    if (mp_comm_rank(c) == 0) {
        usleep(200 * 1000);
        for (int dest = 1; dest < mp_comm_size(c); dest++) {
            int64_t start = mp_clock_ns();
            for (int i = 0; i < N && ok; i++) {
                b.wanted++;
                ok = mp_comm_send(c, dest, MP_TAG_USER, "?", 1, NULL) == MP_OK &&
                     mp_comm_wait(c, said_stop, &b, "answer", NULL) == MP_OK;
            }
            if (mp_clock_ns() - start > slowest) slowest = mp_clock_ns() - start;
        }
    } else {
        ok = mp_comm_wait(c, said_stop, &b, "question", NULL) == MP_OK;
    }
    ok = everywhere(c, ok && slowest < INT64_C(2000000000));
    mp_comm_listen(c, MP_TAG_USER, NULL, NULL);
    assert_true(ok);
}

static void test_serial(void **state) {
    mp_comm *c = *state;
    int64_t a = mp_comm_serial(c), b = mp_comm_serial(c), same[2] = {a, -a};
    assert_int_equal(mp_comm_allreduce(c, same, 2, MP_MAX, NULL), MP_OK);
    assert_int_equal(same[0], -same[1]);
    assert_int_equal(b, a + 1);
}

/* Two communicators at once do not mix their messages, and one may go first. */
static void test_two(void **state) {
    mp_comm *c = *state, *other = NULL;
    assert_int_equal(mp_comm_new(MPI_COMM_WORLD, &other, NULL), MP_OK);
    int64_t a = mp_comm_rank(c), b = 1;
    assert_int_equal(mp_comm_allreduce(other, &b, 1, MP_SUM, NULL), MP_OK);
    assert_int_equal(mp_comm_allreduce(c, &a, 1, MP_MAX, NULL), MP_OK);
    assert_int_equal(a, mp_comm_size(c) - 1);
    assert_int_equal(b, mp_comm_size(c));
    mp_comm_free(&other);
    assert_null(other);
    mp_comm_free(&other);
}

/* Long messages that nobody listens to must not keep their senders (the alarm ends this otherwise). */
static void test_free_with_messages_left(void **state) {
    (void)state;
    mp_comm *other = NULL;
    assert_int_equal(mp_comm_new(MPI_COMM_WORLD, &other, NULL), MP_OK);
    for (int dest = 0; dest < mp_comm_size(other); dest++) {
        mp_buf b;
        mp_buf_init(&b, NULL);
        assert_true(mp_buf_reserve(&b, 3 << 20));
        memset(b.data, 7, 3 << 20);
        b.len = 3 << 20;
        assert_int_equal(mp_comm_send_buf(other, dest, MP_TAG_ORDER, &b, dest % 2, NULL), MP_OK);
    }
    mp_comm_free(&other);
    assert_null(other);
}

int main(int argc, char **argv) {
    setenv("OMPI_MCA_io", "ompio", 1);
    begin_on_ranks(&argc, &argv, 60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment),   cmocka_unit_test(test_allreduce),
        cmocka_unit_test(test_bcast),         cmocka_unit_test(test_bcast_without_memory),
        cmocka_unit_test(test_gather),        cmocka_unit_test(test_many_collectives),
        cmocka_unit_test(test_agree),         cmocka_unit_test(test_messages_keep_order),
        cmocka_unit_test(test_handler_error), cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_waiting),       cmocka_unit_test(test_watched),
        cmocka_unit_test(test_doorbell),      cmocka_unit_test(test_serial),
        cmocka_unit_test(test_two),           cmocka_unit_test(test_free_with_messages_left),
        cmocka_unit_test(test_after_init),
    };
    return end_on_ranks(cmocka_run_group_tests(tests, open_comm, close_comm));
}
