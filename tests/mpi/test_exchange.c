/* test_exchange.c - records of all sizes from every rank to every rank; ends of every kind; passes. Guarded by alarm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "comm/exchange.h"
#include "on_ranks.h"

typedef struct {
    mp_comm *c;
    mp_exchange *x;
    uint32_t pass;
    int64_t wrong, n_got;
    uint64_t digest;
    int64_t *last; /* [src] number of the last record */
} side;

/* A record: u32 length of all, u32 pass, u32 src, u32 dest, i64 number, bytes that follow from the number. */
enum { RECORD_HEAD = 24 };

static uint8_t fill_of(int64_t number, size_t i) {
    return (uint8_t)((uint64_t)number * 37 + i * 11);
}

static void write_record(uint8_t *out, uint32_t len, uint32_t pass, int src, int dest,
                         int64_t number) {
    uint32_t h[4] = {len, pass, (uint32_t)src, (uint32_t)dest};
    memcpy(out, h, sizeof h);
    memcpy(out + 16, &number, 8);
    for (size_t i = RECORD_HEAD; i < len; i++)
        out[i] = fill_of(number, i);
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    side *s = ctx;
    (void)err;
    size_t at = 0;
    while (at < len) {
        uint32_t h[4];
        int64_t number;
        if (len - at < RECORD_HEAD) break;
        memcpy(h, bytes + at, sizeof h);
        memcpy(&number, bytes + at + 16, 8);
        if (h[0] < RECORD_HEAD || h[0] > len - at) break;
        if (h[1] != s->pass || (int)h[2] != src || (int)h[3] != mp_comm_rank(s->c)) s->wrong++;
        if (number <= s->last[src]) s->wrong++; /* in the order of the puts */
        s->last[src] = number;
        for (size_t i = RECORD_HEAD; i < h[0]; i += 61)
            s->wrong += bytes[at + i] != fill_of(number, i);
        s->digest += mp_hash_bytes(bytes + at, h[0]);
        s->n_got++;
        at += h[0];
    }
    if (at != len) s->wrong++;
    return MP_OK;
}

static int64_t sum_of(mp_comm *c, int64_t v) {
    assert_int_equal(mp_comm_allreduce(c, &v, 1, MP_SUM, NULL), MP_OK);
    return v;
}

static void open_side(side *s, mp_comm *c, int64_t budget, uint32_t pass, mp_mem *mem) {
    mp_exchange_args args = {
        .budget_bytes = budget, .pass = pass, .on_block = on_block, .ctx = s, .mem = mem};
    *s = (side){.c = c, .pass = pass};
    s->last = malloc((size_t)mp_comm_size(c) * sizeof *s->last);
    for (int r = 0; r < mp_comm_size(c); r++)
        s->last[r] = -1;
    args.ctx = s;
    assert_int_equal(mp_exchange_new(c, &args, &s->x, NULL), MP_OK);
}

static void close_side(side *s) {
    mp_exchange_free(&s->x);
    free(s->last);
}

static mp_status round_of(side *s, int *idle) {
    int events = 0;
    mp_status st = mp_comm_progress(s->c, &events, NULL);
    if (st == MP_OK) st = mp_exchange_push(s->x, NULL);
    *idle = events ? 0 : *idle + 1;
    if (*idle) mp_comm_idle(s->c, *idle);
    return st;
}

static mp_status drain(side *s) {
    int idle = 0;
    mp_status st = MP_OK;
    while (st == MP_OK && !mp_exchange_done(s->x))
        st = round_of(s, &idle);
    return st;
}

static uint32_t size_of(uint64_t i, uint32_t large) {
    uint64_t h = mp_hash_16(i, 99);
    if (large && h % 97 == 0) return RECORD_HEAD + (uint32_t)(h >> 20) % large;
    return RECORD_HEAD + (uint32_t)(h >> 40) % 60;
}

typedef struct {
    int64_t n, budget;
    uint32_t large;
    bool in_place; /* room and commit */
    bool one_dest;
} load;

/* Puts the load; returns the digest of what was put. */
static uint64_t put_all(side *s, const load *l, mp_status *st) {
    int rank = mp_comm_rank(s->c), n = mp_comm_size(s->c), idle = 0;
    uint8_t *own = malloc(RECORD_HEAD + 60 + (size_t)l->large);
    uint64_t digest = 0;
    for (int64_t i = 0; i < l->n && *st == MP_OK; i++) {
        uint32_t len = size_of((uint64_t)(i * n + rank), l->large);
        int dest =
            l->one_dest ? n / 2 : (int)(mp_hash_16((uint64_t)i, (uint64_t)rank) % (uint64_t)n);
        uint8_t *p = l->in_place ? mp_exchange_room(s->x, dest, len + 10) : own;
        if (!p) break;
        write_record(p, len, s->pass, rank, dest, i);
        digest += mp_hash_bytes(p, len);
        *st = l->in_place ? mp_exchange_commit(s->x, dest, len, NULL)
                          : mp_exchange_put(s->x, dest, p, len, NULL);
        idle = 0; /* a rank that has work does not sleep */
        if (i % 1000 == 0) *st = round_of(s, &idle);
        while (*st == MP_OK && mp_exchange_full(s->x))
            *st = round_of(s, &idle);
    }
    free(own);
    return digest;
}

static void all_to_all(mp_comm *c, const load *l, uint32_t pass) {
    side s;
    mp_status st = MP_OK;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    open_side(&s, c, l->budget, pass, &mem);
    uint64_t digest = put_all(&s, l, &st);
    if (st == MP_OK) st = mp_exchange_end(s.x, MP_END_OK, NULL);
    if (st == MP_OK) st = drain(&s);
    mp_exchange_counts n = mp_exchange_stats(s.x);
    bool ok = st == MP_OK && s.wrong == 0 && mp_exchange_worst(s.x) == MP_END_OK;
    close_side(&s);
    if (mem.used_bytes != 0) ok = false;
    /* all blocks have been delivered, so no rank may hold anything */
    bool all_ok = sum_of(c, !ok) == 0;
    int64_t balance = sum_of(c, (int64_t)(digest - s.digest));
    int64_t count = sum_of(c, s.n_got), blocks = sum_of(c, n.blocks_sent - n.blocks_received);
    int64_t bytes = sum_of(c, n.bytes_sent - n.bytes_received);
    assert_true(all_ok);
    assert_int_equal(balance, 0);
    assert_int_equal(count, l->n * mp_comm_size(c));
    assert_int_equal(blocks, 0);
    assert_int_equal(bytes, 0);
}

static void test_all_to_all(void **state) {
    static const load loads[] = {
        {.n = 0, .budget = 1 << 20},
        {.n = 1, .budget = 1 << 20},
        {.n = 200000, .budget = 1 << 20},
        {.n = 200000, .budget = 1 << 20, .in_place = true},
        {.n = 50000, .budget = 0},
        {.n = 3000, .budget = 1 << 16, .large = 900000},
        {.n = 3000, .budget = 1 << 26, .large = 900000, .in_place = true},
        {.n = 50000, .budget = 1 << 18, .one_dest = true},
    };
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        all_to_all(*state, &loads[i], (uint32_t)i);
}

/* One rank ends with a status while the others are in the middle: all learn of it, and all come to the end. */
static void test_bad_ends(void **state) {
    mp_comm *c = *state;
    uint32_t pass = 100;
    for (int status = MP_END_ENOUGH; status <= MP_END_FAILED; status++)
        for (int on = 0; on < mp_comm_size(c); on += mp_comm_size(c) / 6 + 1)
            for (int64_t after = 0; after <= 20000; after += 10000) {
                load l = {.n = 20000, .budget = 1 << 17, .large = 50000};
                side s;
                mp_status st = MP_OK;
                bool bad = mp_comm_rank(c) == on;
                open_side(&s, c, l.budget, pass++, NULL);
                if (bad) l.n = after;
                put_all(&s, &l, &st);
                if (st == MP_OK)
                    st = mp_exchange_end(s.x, bad ? (mp_end_status)status : MP_END_OK, NULL);
                /* too late: dropped */
                uint8_t late[64];
                write_record(late, sizeof late, s.pass, mp_comm_rank(c), 0, INT64_MAX);
                if (st == MP_OK) st = mp_exchange_put(s.x, 0, late, sizeof late, NULL);
                uint8_t *room = mp_exchange_room(s.x, 0, 100);
                if (!room) st = MP_FAILED;
                if (st == MP_OK) st = mp_exchange_commit(s.x, 0, 64, NULL);
                if (st == MP_OK) st = drain(&s);
                bool ok = st == MP_OK && s.wrong == 0 && (int)mp_exchange_worst(s.x) == status;
                for (int r = 0; r < mp_comm_size(c); r++)
                    ok = ok && s.last[r] != INT64_MAX;
                close_side(&s);
                assert_true(sum_of(c, !ok) == 0);
            }
}

/* Passes with one agreement between them; nobody ever sees a record of another pass (checked in on_block). */
static void test_passes(void **state) {
    for (uint32_t pass = 1000; pass < 1050; pass++) {
        load l = {.n = 100 + pass % 7 * 100, .budget = 1 << 20};
        all_to_all(*state, &l, pass);
    }
}

/* A rank that gets no memory says so, and ends with FAILED: the others come to their end. */
static void test_no_memory(void **state) {
    mp_comm *c = *state;
    int poor = mp_comm_size(c) - 1;
    mp_mem mem;
    side s;
    mp_error e = MP_ERROR_INIT;
    mp_mem_init(&mem, mp_comm_rank(c) == poor ? 4096 : 0);
    open_side(&s, c, 1 << 20, 5, &mem);
    uint8_t record[64];
    write_record(record, sizeof record, 5, mp_comm_rank(c), 0, 0);
    mp_status put = mp_exchange_put(s.x, 0, record, sizeof record, &e);
    bool ok = put == (mp_comm_rank(c) == poor ? MP_NOMEM : MP_OK);
    if (mp_comm_rank(c) == poor) ok = ok && !mp_exchange_room(s.x, 0, 10);
    mp_status st = mp_exchange_end(s.x, put == MP_OK ? MP_END_OK : MP_END_FAILED, NULL);
    if (st == MP_OK) st = drain(&s);
    ok = ok && st == MP_OK && mp_exchange_worst(s.x) == MP_END_FAILED;
    close_side(&s);
    assert_true(sum_of(c, !ok || mem.used_bytes != 0) == 0);
}

static void test_too_long(void **state) {
    mp_comm *c = *state;
    side s;
    mp_error e = MP_ERROR_INIT;
    open_side(&s, c, 1 << 20, 6, NULL);
    mp_status put = mp_exchange_put(s.x, 0, "", (size_t)1 << 31, &e);
    mp_status st = mp_exchange_end(s.x, MP_END_OK, NULL);
    if (st == MP_OK) st = drain(&s);
    close_side(&s);
    assert_true(sum_of(c, st != MP_OK || put != MP_FAILED) == 0);
    assert_string_equal(e.what, "value too long");
}

/* Puts without progress: full says so, and stops saying so once blocks can go. */
static void test_full(void **state) {
    mp_comm *c = *state;
    side s;
    uint8_t record[1000];
    mp_status st = MP_OK;
    int idle = 0;
    open_side(&s, c, 1 << 20, 7, NULL);
    int64_t n = 0;
    while (!mp_exchange_full(s.x) && n < 100000 && st == MP_OK) {
        write_record(record, sizeof record, 7, mp_comm_rank(c), 0, n);
        st = mp_exchange_put(s.x, 0, record, sizeof record, NULL);
        n++;
    }
    bool ok = mp_exchange_full(s.x) && n * 1000 <= 1 << 20;
    while (mp_exchange_full(s.x) && st == MP_OK)
        st = round_of(&s, &idle);
    if (st == MP_OK) st = mp_exchange_end(s.x, MP_END_OK, NULL);
    if (st == MP_OK) st = drain(&s);
    ok = ok && st == MP_OK && s.wrong == 0;
    close_side(&s);
    int64_t bad = sum_of(c, !ok), put = sum_of(c, n), got = sum_of(c, s.n_got);
    assert_int_equal(bad, 0);
    assert_int_equal(put, got);
}

int main(int argc, char **argv) {
    begin_on_ranks(&argc, &argv, 60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_to_all), cmocka_unit_test(test_bad_ends),
        cmocka_unit_test(test_passes),     cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_too_long),   cmocka_unit_test(test_full),
    };
    return end_on_ranks(cmocka_run_group_tests(tests, open_comm, close_comm));
}
