/* test_units.c - units that do nothing: what the unit phase promises, with every callback failing on rank 0 and on the last rank,
 * early and as the last thing that happens. Guarded by alarm: a hang is a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "on_ranks.h"
#include "run/map/unit.h"

enum { N_UNITS = 40 };

typedef enum {
    DESCRIBE,
    ENDED,
    COMMIT,
    PUSH,
    BESIDE,
    BEGIN,
    STEP,
    END,
    SYNC,
    KEEP,
    N_PLACES
} place;

static const char *const place_names[] = {"describe", "ended", "commit", "push", "beside",
                                          "begin",    "step",  "end",    "sync", "keep"};

typedef struct {
    int rank;
    mp_comm *c;
    int64_t n_ended, n_committed; /* rank 0 */
    bool working;
    int64_t keep_ns, n_kept_while_working, n_kept_uncommitted;
    int64_t seen[N_PLACES];
    bool has_failed;
    int ended_by[N_UNITS]; /* rank 0: 1 + rank */
    int failing_try;       /* units fail up to this try */
    int64_t tries[N_UNITS];
    int64_t unit;
    bool timed; /* units take some ms, the first long_ms */
    int64_t long_ms;
    int64_t began_ns;
    /* what goes wrong */
    place at;
    int on_rank; /* -1: nothing */
    bool late;   /* rank 0: the first time behind the last unit's end; else the first time */
} fake;

static mp_status maybe(fake *f, place at, mp_error *err) {
    f->seen[at]++;
    if (f->on_rank != f->rank || f->at != at || f->has_failed) return MP_OK;
    if (f->late && f->n_ended < N_UNITS) return MP_OK;
    f->has_failed = true;
    return mp_error_set(err, MP_IO, "broken", "at '%s'", place_names[at]);
}

static mp_status describe(void *ctx, int64_t unit, mp_buf *desc, mp_error *err) {
    mp_buf_i64(desc, unit * 3);
    return maybe(ctx, DESCRIBE, err);
}

static mp_status ended(void *ctx, const mp_unit_record *r, int src, mp_error *err) {
    fake *f = ctx;
    f->n_ended++;
    f->ended_by[r->unit] = src + 1;
    return maybe(f, ENDED, err);
}

static mp_status commit(void *ctx, const mp_buf *lines, mp_error *err) {
    fake *f = ctx;
    for (size_t i = 0; i < lines->len; i++)
        f->n_committed += lines->data[i] == '\n';
    return maybe(f, COMMIT, err);
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    (void)did;
    return maybe(ctx, PUSH, err);
}

static mp_status beside(void *ctx, bool *did, mp_error *err) {
    (void)did;
    return maybe(ctx, BESIDE, err);
}

static mp_status begin(void *ctx, int64_t unit, const uint8_t *desc, size_t len, mp_error *err) {
    fake *f = ctx;
    mp_rd rd = mp_rd_of(desc, len);
    f->unit = unit;
    f->began_ns = mp_clock_ns();
    f->working = true;
    if (mp_rd_i64(&rd) != unit * 3) return mp_error_set(err, MP_FAILED, "another unit", NULL);
    return maybe(f, BEGIN, err);
}

static mp_status step(void *ctx, bool *did, bool *done, mp_error *err) {
    const fake *f = ctx;
    int64_t ms = f->unit == 0 ? f->long_ms : 4;
    *did = *done = !f->timed || mp_clock_ns() - f->began_ns > ms * 1000 * 1000;
    return maybe(ctx, STEP, err);
}

static mp_status end(void *ctx, mp_unit_record *r, mp_error *err) {
    fake *f = ctx;
    f->working = false;
    r->outcome = r->tries <= f->failing_try ? MP_UNIT_EXIT : MP_UNIT_OK;
    return maybe(f, END, err);
}

static int64_t patience(void *ctx) {
    return ((const fake *)ctx)->timed ? 500 * 1000 : 0;
}

static void stop(void *ctx) {
    (void)ctx;
}

static mp_status sync_all(void *ctx, mp_error *err) {
    return maybe(ctx, SYNC, err);
}

/* Collective, as a dictionary's is. */
static mp_status keep(void *ctx, mp_error *err) {
    fake *f = ctx;
    int64_t working = f->working;
    mp_status st = mp_comm_allreduce(f->c, &working, 1, MP_SUM, err);
    f->n_kept_while_working += working;
    f->n_kept_uncommitted += f->n_ended != f->n_committed;
    return st == MP_OK ? maybe(f, KEEP, err) : st;
}

static mp_status execute(mp_comm *c, fake *f, bool journalled, int64_t retries,
                         mp_units_result *result, mp_error *err) {
    mp_mem mem;
    mp_mem_init(&mem, 0);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    mp_units u = {.ctx = f,
                  .mem = &mem,
                  .n_units = N_UNITS,
                  .retries = retries,
                  .journalled = journalled,
                  .stop_fd = -1,
                  .epoll_fd = epoll_fd,
                  .describe = describe,
                  .ended = ended,
                  .commit = commit,
                  .push = push,
                  .beside = beside,
                  .begin = begin,
                  .step = step,
                  .end = end,
                  .patience = patience,
                  .stop = stop,
                  .sync = sync_all,
                  .keep = f->keep_ns ? keep : NULL,
                  .keep_ns = f->keep_ns};
    f->rank = mp_comm_rank(c);
    f->c = c;
    mp_status st = mp_units_execute(c, &u, result, err);
    close(epoll_fd);
    return st;
}

/* Has every rank this status, and the same words? */
static bool all_have(mp_comm *c, mp_status st, mp_status want, const mp_error *e) {
    int64_t wrong = st != want;
    if (want != MP_OK) wrong = wrong || strcmp(e->what, "broken") != 0;
    if (mp_comm_allreduce(c, &wrong, 1, MP_SUM, NULL) != MP_OK) return false;
    return wrong == 0;
}

static void test_all_done(void **state) {
    mp_comm *c = *state;
    for (int journalled = 0; journalled < 2; journalled++) {
        fake f = {.on_rank = -1, .failing_try = 0};
        mp_units_result result;
        mp_error e = MP_ERROR_INIT;
        mp_status st = execute(c, &f, journalled, 0, &result, &e);
        assert_true(all_have(c, st, MP_OK, &e));
        if (f.rank != 0) continue;
        assert_int_equal(f.n_ended, N_UNITS);
        assert_int_equal(result.n_done, N_UNITS);
        assert_int_equal(result.n_failed, 0);
        for (int i = 0; i < N_UNITS; i++)
            assert_true(f.ended_by[i] > 0);
        if (journalled) assert_true(f.seen[COMMIT] > 0);
    }
}

static void test_retries(void **state) {
    mp_comm *c = *state;
    fake f = {.on_rank = -1, .failing_try = 1};
    mp_units_result result;
    mp_error e = MP_ERROR_INIT;
    mp_status st = execute(c, &f, true, 1, &result, &e);
    assert_true(all_have(c, st, MP_OK, &e));
    if (f.rank == 0) assert_int_equal(result.n_failed, 0);
    f = (fake){.on_rank = -1, .failing_try = 2};
    st = execute(c, &f, true, 1, &result, &e);
    assert_true(all_have(c, st, MP_OK, &e));
    if (f.rank == 0) assert_int_equal(result.n_failed, N_UNITS);
}

/* Trouble of a callback is the run's error on every rank, whenever it comes. */
static void fails_at(mp_comm *c, place at, int on_rank, bool late, bool journalled) {
    fake f = {.on_rank = on_rank, .at = at, .late = late, .keep_ns = at == KEEP};
    mp_units_result result;
    mp_error e = MP_ERROR_INIT;
    mp_status st = execute(c, &f, journalled, 0, &result, &e);
    int64_t failed = f.has_failed;
    assert_int_equal(mp_comm_allreduce(c, &failed, 1, MP_MAX, NULL), MP_OK);
    /* a callback that was not called could not fail */
    bool right = all_have(c, st, failed ? MP_IO : MP_OK, &e);
    if (!right && f.rank == 0)
        print_error("failure at '%s' of rank %d, late %d, journalled %d: it is lost\n",
                    place_names[at], on_rank, late, journalled);
    assert_true(right);
    /* these are always called, by rank 0 or with journal */
    bool always = on_rank == 0 && (at == ENDED || at == PUSH || at == BESIDE || at == COMMIT);
    if (always && (journalled || at != COMMIT)) assert_true(failed);
}

static void test_failures(void **state) {
    mp_comm *c = *state;
    int last = mp_comm_size(c) - 1;
    for (int at = 0; at < N_PLACES; at++)
        for (int journalled = 0; journalled < 2; journalled++) {
            fails_at(c, (place)at, 0, false, journalled);
            fails_at(c, (place)at, 0, true, journalled);
            if (last > 0) fails_at(c, (place)at, last, false, journalled);
        }
}

/* What is kept belongs to the records in the journal; units that come again are not lost. */
static void test_keep(void **state) {
    mp_comm *c = *state;
    for (int failing = 0; failing < 2; failing++) {
        fake f = {.on_rank = -1, .timed = true, .long_ms = 4, .failing_try = failing};
        mp_units_result result;
        mp_error e = MP_ERROR_INIT;
        f.keep_ns = 5 * 1000 * 1000;
        alarm(60);
        assert_int_equal(execute(c, &f, true, 1, &result, &e), MP_OK);
        alarm(0);
        assert_true(f.seen[KEEP] > 0);
        assert_int_equal(f.n_kept_while_working, 0);
        if (mp_comm_rank(c) != 0) continue;
        assert_int_equal(f.n_kept_uncommitted, 0);
        assert_int_equal(f.n_ended, N_UNITS);
        assert_int_equal(result.n_failed, 0);
    }
}

/* A unit that takes long is not waited for, so that the others go on beside it. */
static void test_keep_later(void **state) {
    mp_comm *c = *state;
    fake f = {.on_rank = -1, .timed = true, .long_ms = 1000, .keep_ns = 5 * 1000 * 1000};
    mp_units_result result;
    mp_error e = MP_ERROR_INIT;
    alarm(60);
    assert_int_equal(execute(c, &f, true, 0, &result, &e), MP_OK);
    alarm(0);
    if (mp_comm_rank(c) == 0) assert_int_equal(f.n_ended, N_UNITS);
    if (mp_comm_size(c) > 1) assert_int_equal(f.seen[KEEP], 0);
}

/* A rank that is long with one unit gives back what it has beside it, and is given no more until that is done. */
static void test_long_unit(void **state) {
    mp_comm *c = *state;
    fake f = {.on_rank = -1, .timed = true, .long_ms = 250};
    mp_units_result result;
    mp_error e = MP_ERROR_INIT;
    alarm(60);
    assert_int_equal(execute(c, &f, false, 0, &result, &e), MP_OK);
    alarm(0);
    if (mp_comm_rank(c) != 0) return;
    assert_int_equal(f.n_ended, N_UNITS);
    assert_true(f.seen[DESCRIBE] <= N_UNITS + 4 * mp_comm_size(c));
}

int main(int argc, char **argv) {
    begin_on_ranks(&argc, &argv, 60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_unit),  cmocka_unit_test(test_keep),
        cmocka_unit_test(test_keep_later), cmocka_unit_test(test_all_done),
        cmocka_unit_test(test_retries),    cmocka_unit_test(test_failures),
    };
    return end_on_ranks(cmocka_run_group_tests(tests, open_comm, close_comm));
}
