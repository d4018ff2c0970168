/* test_shards.c - rows to the owners of their shards: whole and in input order, whatever the ranks, the memory for what comes early,
 * and the order in which splits are finished; with numbered shards and with described ones; when a rank fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "on_ranks.h"
#include "run/split/shard.h"

enum { SPLITS = 37, BATCHES = 5, ROWS = 400, SHARDS = 23, TEXT = 40 };

typedef struct {
    mp_comm *c;
    mp_shards *shards;
    int rank;
    bool described;
    int64_t next; /* rank 0: the next split */
    int64_t split, batch;
    int32_t known[SHARDS]; /* described: the number of each shard here, -1: not yet */
    /* owner: what came of each shard */
    int64_t rows[SHARDS], last[SHARDS];
    int64_t wrong;
    int64_t fail_at; /* the n-th rows fail on the last rank, -1: never */
} fake;

/* Row r of all: its shard, and its text, of some length. */
static int32_t shard_of(int64_t r) {
    return (int32_t)((uint64_t)r * 0x9E3779B97F4A7C15u >> 40) % SHARDS;
}

static int text_of(int64_t r, char *out) {
    int n = snprintf(out, TEXT, "%lld:%d", (long long)r, (int)shard_of(r));
    for (int pad = (int)(r % 17); pad > 0; pad--)
        out[n++] = '.';
    out[n++] = '\n';
    return n;
}

/* ---- source ---- */

static mp_status next_split(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err) {
    fake *f = ctx;
    (void)desc, (void)err;
    *state = f->next++ < SPLITS ? MP_SPLIT_GOT : MP_SPLIT_NONE;
    return MP_OK;
}

static mp_status split_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                             mp_error *err) {
    fake *f = ctx;
    (void)desc, (void)len, (void)err;
    f->split = split;
    f->batch = 0;
    return MP_OK;
}

static mp_status name_shard(fake *f, int32_t *shard, mp_error *err) {
    int32_t k = *shard;
    mp_status st = MP_OK;
    if (!f->described) return MP_OK;
    if (f->known[k] < 0)
        st = mp_shards_describe(f->shards, f->split, (k * 7 + 3) % mp_comm_size(f->c), &k, sizeof k,
                                &f->known[k], err);
    *shard = f->known[k];
    return st;
}

static mp_status split_step(void *ctx, bool *done, mp_error *err) {
    fake *f = ctx;
    enum { EMPTY = 5 }; /* every fifth has no rows, and is over before the others */
    char text[ROWS * TEXT];
    int64_t ends[ROWS];
    int32_t shard[ROWS];
    size_t len = 0;
    mp_status st = MP_OK;
    *done = f->split % EMPTY == EMPTY - 1 || f->batch == BATCHES;
    if (*done) return MP_OK;
    for (int i = 0; i < ROWS && !st; i++) {
        int64_t r = (f->split * BATCHES + f->batch) * ROWS + i;
        len += (size_t)text_of(r, text + len);
        ends[i] = (int64_t)len;
        shard[i] = shard_of(r);
        st = name_shard(f, &shard[i], err);
    }
    f->batch++;
    return st ? st
              : mp_shards_put(f->shards, f->split, shard, ROWS, (const uint8_t *)text, ends, err);
}

static mp_status split_end(void *ctx, mp_buf *report, mp_error *err) {
    fake *f = ctx;
    (void)report;
    return mp_shards_end_split(f->shards, f->split, err);
}

static void attach(void *ctx, mp_flow_run *run) {
    mp_shards_attach(((fake *)ctx)->shards, run, 0);
}

/* ---- owner ---- */

static mp_status on_rows(void *ctx, int64_t shard, const uint8_t *text, size_t n, int64_t n_rows,
                         mp_error *err) {
    fake *f = ctx;
    if (f->fail_at >= 0 && f->rank == mp_comm_size(f->c) - 1 && f->fail_at-- == 0)
        return mp_error_set(err, MP_IO, "broken", "on purpose");
    for (const uint8_t *p = text; p < text + n;) {
        long long r = -1;
        int k = -1;
        char want[TEXT];
        if (sscanf((const char *)p, "%lld:%d", &r, &k) != 2 || k != shard || r <= f->last[shard]) {
            f->wrong++;
            return MP_OK;
        }
        int len = text_of(r, want);
        f->wrong += memcmp(p, want, (size_t)len) != 0;
        f->last[shard] = r;
        f->rows[shard]++;
        n_rows--;
        p += len;
    }
    f->wrong += n_rows != 0;
    return MP_OK;
}

static mp_status describe(void *ctx, const uint8_t *bytes, size_t n, int64_t *shard,
                          mp_error *err) {
    int32_t k = -1;
    (void)ctx, (void)err;
    if (n == sizeof k) memcpy(&k, bytes, n);
    *shard = k;
    return MP_OK;
}

static mp_status on_block(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    return mp_shards_on_block(((fake *)ctx)->shards, src, bytes, len, err);
}
static mp_status push(void *ctx, bool *did, mp_error *err) {
    return mp_shards_push(((fake *)ctx)->shards, did, err);
}
static bool quiet(void *ctx) {
    return mp_shards_quiet(((fake *)ctx)->shards);
}

/* ---- tests ---- */

static mp_status run_pass(fake *f, int64_t exchange_bytes) {
    const mp_flow flow = {.name = "scan",
                          .ctx = f,
                          .exchange_bytes = exchange_bytes,
                          .attach = attach,
                          .next_split = next_split,
                          .split_begin = split_begin,
                          .split_step = split_step,
                          .split_end = split_end,
                          .on_block = on_block,
                          .push = push,
                          .quiet = quiet};
    mp_flow_result result;
    f->next = f->wrong = 0;
    for (int k = 0; k < SHARDS; k++) {
        f->known[k] = -1;
        f->rows[k] = 0;
        f->last[k] = -1;
    }
    return mp_flow_execute(f->c, &flow, &result, NULL);
}

/* All ranks have got all rows, each of its own shards, in order. */
static bool complete(fake *f) {
    int64_t want[SHARDS] = {0}, bad = f->wrong;
    for (int64_t split = 0; split < SPLITS; split++)
        for (int64_t i = 0; split % 5 != 4 && i < BATCHES * ROWS; i++)
            want[shard_of(split * BATCHES * ROWS + i)]++;
    for (int k = 0; k < SHARDS; k++) {
        int owner = f->described ? (k * 7 + 3) % mp_comm_size(f->c)
                                 : mp_shards_owner(k, mp_comm_size(f->c));
        bad += f->rows[k] != (owner == f->rank ? want[k] : 0);
    }
    if (mp_comm_allreduce(f->c, &bad, 1, MP_SUM, NULL) != MP_OK) return false;
    return bad == 0;
}

static void passes(mp_comm *c, bool described, int64_t budget_bytes, int64_t exchange_bytes) {
    fake *f = calloc(1, sizeof *f);
    assert_non_null(f);
    *f = (fake){.c = c, .rank = mp_comm_rank(c), .described = described, .fail_at = -1};
    mp_mem mem;
    mp_mem_init(&mem, 0);
    const mp_shards_args args = {.c = c,
                                 .mem = &mem,
                                 .budget_bytes = budget_bytes,
                                 .ctx = f,
                                 .rows = on_rows,
                                 .describe = described ? describe : NULL};
    assert_int_equal(mp_shards_new(&args, &f->shards, NULL), MP_OK);
    for (int pass = 0; pass < 3; pass++) {
        assert_int_equal(run_pass(f, exchange_bytes), MP_OK);
        assert_true(complete(f));
        /* one that fails in between leaves nothing behind */
        f->fail_at = 5;
        assert_int_equal(run_pass(f, exchange_bytes), MP_IO);
        f->fail_at = -1;
    }
    mp_shards_free(&f->shards);
    assert_int_equal(mem.used_bytes, 0);
    free(f);
}

static void test_in_memory(void **state) {
    passes(*state, false, 1 << 30, 1 << 20);
    passes(*state, true, 1 << 30, 1 << 20);
}

static void test_in_scratch(void **state) {
    passes(*state, false, 0, 1 << 20);
    passes(*state, true, 0, 1 << 20);
    passes(*state, false, 20000, 0);
}

int main(int argc, char **argv) {
    begin_on_ranks(&argc, &argv, 60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test(test_in_scratch),
    };
    return end_on_ranks(cmocka_run_group_tests(tests, open_comm, close_comm));
}
