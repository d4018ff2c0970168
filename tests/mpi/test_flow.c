/* test_flow.c - a fake source of integers, an exchange by hash, a sum at the owner: what the flow engine promises, with every
 * callback failing on every rank. Guarded by alarm: a hang is a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "on_ranks.h"
#include "run/flow.h"

typedef enum {
    AT_NEXT,
    AT_REPORT,
    AT_BEGIN,
    AT_STEP,
    AT_END,
    AT_FINISH,
    AT_BLOCK,
    AT_PUSH,
    AT_LATE_PUSH, /* behind quiet: the rank's last message is sent */
    AT_COUNT
} place;

typedef enum { DO_NOTHING, DO_FAIL, DO_REDO, DO_ENOUGH } deed;

typedef struct {
    mp_comm *c;
    mp_flow_run *run;
    int rank;
    /* the source */
    int64_t n_splits, rows, later_every;
    size_t pad; /* bytes behind each integer */
    int64_t next, calls;
    int64_t bad_split[2]; /* data errors there, -1 none */
    /* a split in work */
    int64_t split, row;
    /* what came out */
    int64_t sum, count, begun, ended;
    int64_t reports, report_sum;
    int64_t bad_records;
    bool attached, judged, quiet;
    /* what goes wrong */
    place at;
    deed deed;
    int on_rank, nth;
    int seen[AT_COUNT];
    uint8_t *record;
    mp_flow_verdict judge_says; /* OK: leaves it */
} fake;

static int64_t value_of(int64_t split, int64_t row) {
    return split * 1000 + row * 7 + 1;
}

static int owner_of(const fake *f, int64_t v) {
    return (int)(((uint64_t)v * 0x9E3779B97F4A7C15u >> 33) % (uint64_t)mp_comm_size(f->c));
}

/* The n-th call at this place on this rank does what the test asks for. */
static mp_status maybe(fake *f, place at, mp_error *err) {
    int n = f->seen[at]++;
    if (f->deed == DO_NOTHING || at != f->at || f->rank != f->on_rank || n != f->nth) return MP_OK;
    if (f->deed == DO_FAIL)
        return mp_error_set(err, MP_IO, "broken", "place %d, call %d", (int)at, n);
    mp_flow_stop(f->run, f->deed == DO_REDO ? MP_FLOW_REDO : MP_FLOW_ENOUGH);
    return MP_OK;
}

static void attach(void *ctx, mp_flow_run *run) {
    fake *f = ctx;
    f->run = run;
    f->attached = true;
}

static mp_status next_split(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err) {
    fake *f = ctx;
    if (f->later_every && f->calls++ % f->later_every != 0) {
        *state = MP_SPLIT_LATER;
        return MP_OK;
    }
    mp_status s = maybe(f, AT_NEXT, err);
    if (s != MP_OK) return s;
    *state = f->next < f->n_splits ? MP_SPLIT_GOT : MP_SPLIT_NONE;
    if (*state == MP_SPLIT_GOT) mp_buf_i64(desc, f->next++);
    return MP_OK;
}

static mp_status split_report(void *ctx, int src, int64_t split, mp_status status, mp_rd *report,
                              mp_error *err) {
    fake *f = ctx;
    int64_t n = mp_rd_i64(report), again = mp_rd_i64(report);
    if (report->bad || again != split || src < 0) f->bad_records++;
    if (status == MP_OK && n != f->rows) f->bad_records++;
    f->reports++;
    f->report_sum += n;
    return maybe(f, AT_REPORT, err);
}

static void judge(void *ctx, mp_flow_verdict *verdict, mp_error *error) {
    fake *f = ctx;
    f->judged = true;
    if (f->judge_says != MP_FLOW_OK) *verdict = f->judge_says;
    if (error->status == MP_DATA) error->row = error->split * f->rows + error->row_in_split + 1;
}

static mp_status split_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                             mp_error *err) {
    fake *f = ctx;
    mp_rd r = mp_rd_of(desc, len);
    mp_status s = maybe(f, AT_BEGIN, err);
    if (s != MP_OK) return s;
    f->split = mp_rd_i64(&r);
    if (r.bad || f->split != split) f->bad_records++;
    f->row = 0;
    f->begun++;
    return MP_OK;
}

static mp_status put(fake *f, int64_t v) {
    memcpy(f->record, &v, sizeof v);
    memset(f->record + sizeof v, (int)(v & 0xff), f->pad);
    mp_error e = MP_ERROR_INIT;
    return mp_exchange_put(mp_flow_exchange(f->run), owner_of(f, v), f->record, sizeof v + f->pad,
                           &e);
}

static mp_status split_step(void *ctx, bool *done, mp_error *err) {
    fake *f = ctx;
    mp_status s = maybe(f, AT_STEP, err);
    for (int i = 0; i < 100 && s == MP_OK && f->row < f->rows; i++, f->row++) {
        if ((f->split == f->bad_split[0] || f->split == f->bad_split[1]) && f->row == f->rows / 2) {
            mp_error_set(err, MP_DATA, NULL, "split %d", (int)f->split);
            mp_error_place(err, 0, f->split * 1000000 + f->row, f->split, f->row);
            return MP_DATA;
        }
        s = put(f, value_of(f->split, f->row));
    }
    *done = f->row == f->rows;
    return s;
}

static mp_status split_end(void *ctx, mp_buf *report, mp_error *err) {
    fake *f = ctx;
    mp_buf_i64(report, f->row);
    mp_buf_i64(report, f->split);
    f->ended++;
    return maybe(f, AT_END, err);
}

/* Three steps, of which the second puts one more value. */
static mp_status finish_step(void *ctx, bool *done, mp_error *err) {
    fake *f = ctx;
    mp_status s = maybe(f, AT_FINISH, err);
    if (s == MP_OK && f->seen[AT_FINISH] == 2) s = put(f, 1000000007);
    *done = f->seen[AT_FINISH] == 3;
    return s;
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    fake *f = ctx;
    size_t size = sizeof(int64_t) + f->pad;
    if (!f->attached || src < 0 || len == 0 || len % size) f->bad_records++;
    for (size_t at = 0; at + size <= len; at += size) {
        int64_t v;
        memcpy(&v, bytes + at, sizeof v);
        if (f->pad && (bytes[at + sizeof v] != (uint8_t)v || bytes[at + size - 1] != (uint8_t)v ||
                       bytes[at + size / 2] != (uint8_t)v))
            f->bad_records++;
        if (owner_of(f, v) != f->rank) f->bad_records++;
        f->sum += v;
        f->count++;
    }
    return maybe(f, AT_BLOCK, err);
}

static bool quiet(void *ctx) {
    fake *f = ctx;
    f->quiet = true;
    return true;
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    fake *f = ctx;
    *did = false;
    return maybe(f, f->quiet ? AT_LATE_PUSH : AT_PUSH, err);
}

static fake new_fake(mp_comm *c, int64_t n_splits, int64_t rows) {
    return (fake){
        .c = c, .rank = mp_comm_rank(c), .n_splits = n_splits, .rows = rows, .bad_split = {-1, -1}};
}

static mp_flow flow_of(fake *f) {
    return (mp_flow){.name = "scan",
                     .ctx = f,
                     .exchange_bytes = 1 << 20,
                     .attach = attach,
                     .next_split = next_split,
                     .split_report = split_report,
                     .judge = judge,
                     .split_begin = split_begin,
                     .split_step = split_step,
                     .split_end = split_end,
                     .finish_step = finish_step,
                     .on_block = on_block,
                     .quiet = quiet,
                     .push = push};
}

static mp_flow_verdict run(fake *f, mp_flow_result *result) {
    mp_flow flow = flow_of(f);
    mp_error err = MP_ERROR_INIT;
    f->record = malloc(sizeof(int64_t) + f->pad);
    mp_status s = mp_flow_execute(f->c, &flow, result, &err);
    free(f->record);
    if ((s == MP_OK) != (result->verdict != MP_FLOW_FAILED) || err.status != (int)s)
        f->bad_records++;
    if (f->begun != f->ended) f->bad_records++;
    if (f->judged != (f->rank == 0)) f->bad_records++;
    return result->verdict;
}

static int64_t sum_of(mp_comm *c, int64_t v) {
    assert_int_equal(mp_comm_allreduce(c, &v, 1, MP_SUM, NULL), MP_OK);
    return v;
}

/* Every rank left with the same verdict and the same text. */
static bool all_agree(mp_comm *c, const mp_flow_result *result) {
    char text[2048];
    mp_buf b;
    mp_buf_init(&b, NULL);
    mp_error_format(&result->error, text, sizeof text);
    mp_buf_u8(&b, (uint8_t)result->verdict);
    mp_buf_u32(&b, (uint32_t)result->error.status);
    mp_buf_u32(&b, (uint32_t)result->error.rank);
    mp_buf_text(&b, text);
    mp_buf all;
    mp_buf_init(&all, NULL);
    mp_buf_put(&all, b.data, b.len);
    bool ok = mp_comm_bcast(c, &all, NULL) == MP_OK && all.len == b.len &&
              memcmp(all.data, b.data, b.len) == 0;
    mp_buf_release(&b);
    mp_buf_release(&all);
    return sum_of(c, ok ? 0 : 1) == 0;
}

static int64_t expected_sum(const fake *f) {
    int64_t sum = 1000000007 * (int64_t)mp_comm_size(f->c);
    for (int64_t s = 0; s < f->n_splits; s++)
        for (int64_t r = 0; r < f->rows; r++)
            sum += value_of(s, r);
    return sum;
}

static void check_success(fake *f) {
    mp_flow_result result;
    mp_flow_verdict v = run(f, &result);
    int64_t bad = sum_of(f->c, f->bad_records), sum = sum_of(f->c, f->sum);
    int64_t count = sum_of(f->c, f->count), n = sum_of(f->c, result.n_splits);
    int64_t reports = sum_of(f->c, f->reports), rows = sum_of(f->c, f->report_sum);
    assert_true(all_agree(f->c, &result));
    assert_int_equal(v, MP_FLOW_OK);
    assert_int_equal(bad, 0);
    assert_int_equal(sum, expected_sum(f));
    assert_int_equal(count, f->n_splits * f->rows + mp_comm_size(f->c));
    assert_int_equal(n, f->n_splits);
    assert_int_equal(reports, f->n_splits);
    assert_int_equal(rows, f->n_splits * f->rows);
}

static void test_sums(void **state) {
    mp_comm *c = *state;
    static const int64_t n_splits[] = {0, 1, 2, 3, 17, 200};
    static const int64_t rows[] = {0, 1, 99, 100, 5000};
    for (size_t i = 0; i < sizeof n_splits / sizeof *n_splits; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            fake f = new_fake(c, n_splits[i], rows[j]);
            check_success(&f);
        }
}

static void test_later(void **state) {
    fake f = new_fake(*state, 50, 100);
    f.later_every = 3;
    check_success(&f);
}

static void test_big_records(void **state) {
    fake f = new_fake(*state, 6, 40);
    f.pad = 300 * 1000;
    check_success(&f);
    f = new_fake(*state, 3, 1);
    f.pad = mp_comm_size(*state) > 8 ? 10 * 1000 * 1000 : 100 * 1000 * 1000;
    check_success(&f);
}

static void test_failures(void **state) {
    mp_comm *c = *state;
    static const int calls[] = {0, 1, 2, 7};
    int fired = 0;
    for (int at = 0; at < AT_COUNT; at++)
        for (int on = 0; on < mp_comm_size(c); on += mp_comm_size(c) / 6 + 1)
            for (size_t k = 0; k < sizeof calls / sizeof *calls; k++)
                for (int d = DO_FAIL; d <= DO_ENOUGH; d++) {
                    fake f = new_fake(c, 40, 1000);
                    f.at = (place)at;
                    f.deed = (deed)d;
                    f.on_rank = on;
                    f.nth = calls[k];
                    mp_flow_result result;
                    mp_flow_verdict v = run(&f, &result);
                    bool hit = sum_of(c, f.rank == on && f.seen[at] > f.nth) > 0;
                    mp_flow_verdict wanted = !hit           ? MP_FLOW_OK
                                             : d == DO_FAIL ? MP_FLOW_FAILED
                                             : d == DO_REDO ? MP_FLOW_REDO
                                                            : MP_FLOW_ENOUGH;
                    int64_t bad = sum_of(c, f.bad_records);
                    assert_true(all_agree(c, &result));
                    assert_int_equal(bad, 0);
                    /* behind its last message only rank 0 is heard */
                    bool unheard = at == AT_LATE_PUSH && on > 0 && v == MP_FLOW_OK;
                    if (!unheard) assert_int_equal(v, wanted);
                    fired += v != MP_FLOW_OK;
                    if (v == MP_FLOW_FAILED) {
                        assert_int_equal(result.error.status, MP_IO);
                        assert_int_equal(result.error.rank, on);
                        assert_string_equal(result.error.what, "broken");
                    }
                }
    /* on rank 0 alone these can be told in advance: every place but the later calls of next, finish */
    assert_true(fired > 3 * (AT_COUNT - 2));
}

static void test_smallest_data_error(void **state) {
    mp_comm *c = *state;
    for (int64_t a = 0; a < 12; a++)
        for (int64_t b = a; b < 12; b += 5) {
            fake f = new_fake(c, 30, 2000);
            f.bad_split[0] = b;
            f.bad_split[1] = a;
            mp_flow_result result;
            mp_flow_verdict v = run(&f, &result);
            int64_t bad = sum_of(c, f.bad_records);
            assert_true(all_agree(c, &result));
            assert_int_equal(v, MP_FLOW_FAILED);
            assert_int_equal(bad, 0);
            assert_int_equal(result.error.status, MP_DATA);
            assert_int_equal(result.error.split, a);
            assert_int_equal(result.error.row, a * 2000 + 1000 + 1);
        }
}

static void test_judge_redo(void **state) {
    mp_comm *c = *state;
    fake f = new_fake(c, 30, 2000);
    f.bad_split[0] = 11;
    f.judge_says = MP_FLOW_REDO;
    mp_flow_result result;
    mp_flow_verdict v = run(&f, &result);
    assert_true(all_agree(c, &result));
    assert_int_equal(v, MP_FLOW_REDO);
    assert_int_equal(result.error.status, MP_OK);
}

/* A pass that is undone leaves nothing behind that the next one would see. */
static void test_passes(void **state) {
    mp_comm *c = *state;
    for (int i = 0; i < 60; i++) {
        fake f = new_fake(c, 20, 500);
        f.deed = i % 2 ? DO_REDO : DO_FAIL;
        f.at = i % 3 ? AT_STEP : AT_BLOCK;
        f.on_rank = i % mp_comm_size(c);
        f.nth = i % 5;
        mp_flow_result result;
        run(&f, &result);
        fake again = new_fake(c, 20, 500);
        check_success(&again);
        assert_true(all_agree(c, &result));
    }
}

/* Without a source and without an exchange a phase is an agreement. */
static void test_nothing(void **state) {
    mp_comm *c = *state;
    mp_flow flow = {.name = "gather"};
    mp_flow_result result;
    mp_status s = mp_flow_execute(c, &flow, &result, NULL);
    assert_true(all_agree(c, &result));
    assert_int_equal(s, MP_OK);
    int last = mp_comm_size(c) - 1;
    char request[40];
    snprintf(request, sizeof request, "%d:gather", last);
    setenv("MPART_TEST_FAIL", request, 1);
    s = mp_flow_execute(c, &flow, &result, NULL);
    unsetenv("MPART_TEST_FAIL");
    assert_true(all_agree(c, &result));
    assert_int_equal(s, MP_FAILED);
    assert_int_equal(result.error.rank, last);
    assert_string_equal(result.error.what, "test failure");
}

int main(int argc, char **argv) {
    begin_on_ranks(&argc, &argv, 60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),    cmocka_unit_test(test_sums),
        cmocka_unit_test(test_later),      cmocka_unit_test(test_big_records),
        cmocka_unit_test(test_failures),   cmocka_unit_test(test_smallest_data_error),
        cmocka_unit_test(test_judge_redo), cmocka_unit_test(test_passes),
    };
    return end_on_ranks(cmocka_run_group_tests(tests, open_comm, close_comm));
}
