/* merge_runs.c - sorted runs of rows in scratch. See merge_priv.h.
 * Invariant: a run is whole records (rows.h) in order, one behind the other; runs lie behind one another in
 * one file, of which a block at a time is read. */
#include <errno.h>
#include <unistd.h>

#include "io/output/output.h"
#include "run/merge/merge_priv.h"

enum { BLOCK_BYTES = 128 << 10, WRITE_BYTES = 1 << 20 };

typedef struct {
    int64_t at, end;
} run;

void mp_merge_runs_init(mp_merge_runs *r, const char *scratch, mp_mem *mem) {
    *r = (mp_merge_runs){.scratch = scratch, .fd = -1};
    mp_buf_init(&r->runs, mem);
    mp_buf_init(&r->block, mem);
}

void mp_merge_runs_release(mp_merge_runs *r) {
    mp_buf_release(&r->runs);
    mp_buf_release(&r->block);
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
}

void mp_merge_runs_clear(mp_merge_runs *r) {
    mp_buf_clear(&r->runs);
    r->end = r->n_rows = 0;
}

/* ---- writing ---- */

static mp_status write_block(mp_merge_runs *r, mp_error *err) {
    mp_status st = mp_buf_check(&r->block, err);
    for (size_t done = 0; done < r->block.len && !st;) {
        ssize_t n = pwrite(r->fd, r->block.data + done, r->block.len - done, (off_t)r->end);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            st = mp_error_errno(err, n ? errno : ENOSPC, "cannot write to scratch",
                                mp_out_spool_folder(r->scratch));
            mp_error_hint(err, "name a folder with room: --scratch DIR");
        } else {
            done += (size_t)n;
            r->end += n;
        }
    }
    mp_buf_clear(&r->block);
    return st;
}

mp_status mp_merge_runs_add(mp_merge_runs *r, mp_rows *rows, mp_row_order *order, mp_error *err) {
    mp_status st = r->fd < 0 ? mp_out_spool(r->scratch, &r->fd, err) : MP_OK;
    if (!st) st = mp_rows_sort(rows, order, err);
    run added = {r->end, 0};
    mp_buf_clear(&r->block);
    for (int64_t i = 0; !st && i < order->n; i++) {
        mp_row row = mp_row_at(order->at[i].record);
        mp_buf_put(&r->block, row.record, row.len);
        if (r->block.len >= WRITE_BYTES || r->block.failed) st = write_block(r, err);
    }
    if (!st) st = write_block(r, err);
    if (st) return st;
    added.end = r->end;
    r->n_rows += rows->n_rows;
    mp_rows_release(rows);
    mp_buf_put(&r->runs, &added, sizeof added);
    return mp_buf_check(&r->runs, err);
}

/* ---- reading ---- */

/* n bytes of the run. */
static mp_status read_block(mp_merge_runs *r, const run *from, size_t n, mp_error *err) {
    mp_buf_clear(&r->block);
    if (!mp_buf_reserve(&r->block, n + MP_ROW_SLACK)) return mp_buf_check(&r->block, err);
    while (r->block.len < n) {
        ssize_t got = pread(r->fd, r->block.data + r->block.len, n - r->block.len,
                            (off_t)(from->at + (int64_t)r->block.len));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return mp_error_errno(err, got ? errno : EIO, "cannot read scratch",
                                  mp_out_spool_folder(r->scratch));
        r->block.len += (size_t)got;
    }
    memset(r->block.data + n, 0, MP_ROW_SLACK);
    return MP_OK;
}

mp_status mp_merge_runs_next(mp_merge_runs *r, int64_t *i,
                             mp_status (*take)(void *ctx, const mp_row *row, bool *over,
                                               mp_error *err),
                             void *ctx, mp_error *err) {
    if (*i >= (int64_t)(r->runs.len / sizeof(run))) {
        *i = -1;
        return MP_OK;
    }
    run *from = (run *)(void *)r->runs.data + *i;
    const uint8_t *at = NULL;
    mp_row row;
    bool over = from->at == from->end;
    mp_status st = MP_OK;
    for (size_t n = BLOCK_BYTES; !over && !st; n *= 8) { /* a record may be longer than a block */
        if ((int64_t)n > from->end - from->at) n = (size_t)(from->end - from->at);
        st = read_block(r, from, n, err);
        at = r->block.data;
        if (st || mp_row_read(&at, r->block.data + n, &row)) break;
        if ((int64_t)n == from->end - from->at)
            st = mp_error_set(err, MP_FAILED, "broken rows", "a run in scratch is malformed");
    }
    const uint8_t *end = r->block.data + r->block.len;
    for (at = r->block.data; !over && !st && mp_row_read(&at, end, &row);) {
        st = take(ctx, &row, &over, err);
        if (!over) from->at += (int64_t)row.len;
    }
    if (over || from->at == from->end) ++*i;
    return st;
}
