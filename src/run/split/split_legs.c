/* split_legs.c - the deal in legs: now and then all ranks come to rest behind some split, and what is known
 * then is all that another run needs to go on from there, with any number of ranks.
 * Invariant: behind a leg every shard's file holds the rows of the splits so far, and the state says its
 * bytes and their checksum, by which another run knows it again; so files need not be synced. Keys and
 * types that the state has beside may be of more rows: those are met again.
 * The state: folder's id; i64 splits; evidence of the legs and of the plan; the feed; ROWS: rows before each
 * split; RANGE: the cuts; then of each rank, behind a u64 length: its rejected rows, and mp_split_tell. */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/fault.h"
#include "run/journal/run_dir.h"
#include "run/split/split_priv.h"

enum { FLUSH_AT_ONCE = 1024, TEST_SPLITS = 2 };
static const int64_t leg_ns = 3000000000, leg_to_cost = 20;

/* ---- rank 0: how long a leg is ---- */

static void hear_signals(mp_split *s) {
    struct signalfd_siginfo info;
    while (s->stop.fd >= 0 && read(s->stop.fd, &info, sizeof info) == (ssize_t)sizeof info)
        s->asked_to_stop = true;
}

bool mp_split_pause(void *ctx) {
    mp_split *s = ctx;
    bool all;
    int64_t n = mp_feed_given(s->job.feed, &all) - s->first_split;
    if (n == 0) s->leg_began_ns = mp_clock_ns();
    if (n == 0) return false;
    hear_signals(s);
    if (s->asked_to_stop) return true;
    if (s->amiss) return false;
    if (s->job.spec->run.n_test_splits > 0) return n >= TEST_SPLITS;
    int64_t most = leg_to_cost * s->leg_cost_ns;
    return mp_clock_ns() - s->leg_began_ns > (most > leg_ns ? most : leg_ns);
}

/* ---- the state ---- */

static void put_evidence(const mp_split *s, const mp_evidence *seen, mp_buf *b) {
    mp_buf_bytes(b, seen, (size_t)s->job.table.n_columns * sizeof *seen);
}

static void put_cuts(const mp_split *s, mp_buf *b) {
    mp_buf_bytes(b, s->rows_before, s->rows_before ? (size_t)(s->n_splits + 1) * 8 : 0);
    mp_buf_i64(b, s->cuts ? s->n_cuts : -1);
    for (int64_t i = 0; s->cuts && i < s->n_cuts; i++) {
        size_t from = i ? s->cuts[i - 1] : 0;
        mp_buf_bytes(b, s->cut_keys.data + from, s->cuts[i] - from);
    }
}

/* This rank's part. */
static mp_status put_own(mp_split *s, mp_buf *b, mp_error *err) {
    const mp_buf *rejects = mp_scan_save_rejects(s->job.scan);
    bool done = false;
    mp_status st = mp_fault_check(mp_comm_rank(s->job.c), "leg", err);
    while (!st && !done)
        st = mp_shard_files_flush(s->files, FLUSH_AT_ONCE, &done, err);
    mp_buf_bytes(b, rejects->data, rejects->len);
    return st ? st : mp_split_tell(s, b, err);
}

static mp_status put_state(mp_split *s, const mp_buf *ranks, mp_error *err) {
    mp_buf b, feed;
    mp_buf_init(&b, s->job.mem);
    mp_buf_text(&b, mp_shard_folder_id(s->target));
    mp_buf_i64(&b, s->first_split);
    put_evidence(s, s->legs_seen, &b);
    put_evidence(s, s->plan_seen, &b);
    mp_buf_init(&feed, s->job.mem);
    mp_feed_save(s->job.feed, &feed);
    mp_buf_bytes(&b, feed.data, feed.len);
    b.failed = b.failed || feed.failed;
    mp_buf_release(&feed);
    put_cuts(s, &b);
    mp_buf_put(&b, ranks->data, ranks->len);
    mp_status st = mp_buf_check(&b, err);
    if (!st) st = mp_split_journal_put(s, &b, mp_feed_bytes_done(s->job.feed), err);
    if (!st) mp_shard_folder_lasts(s->target);
    mp_buf_release(&b);
    return st;
}

static mp_status save(mp_split *s, mp_error *err) {
    mp_comm *c = s->job.c;
    mp_error mine = MP_ERROR_INIT;
    mp_buf own, all;
    int64_t start = mp_clock_ns();
    mp_buf_init(&own, s->job.mem);
    mp_buf_init(&all, s->job.mem);
    mp_status st = mp_comm_agree_on(c, put_own(s, &own, &mine), &mine, err);
    if (!st) st = mp_comm_gather(c, own.data, own.len, &all, err);
    if (!st) {
        mp_status put = mp_comm_rank(c) == 0 ? put_state(s, &all, &mine) : MP_OK;
        st = mp_comm_agree_on(c, put, &mine, err);
    }
    s->leg_cost_ns = mp_clock_ns() - start;
    mp_buf_release(&own);
    mp_buf_release(&all);
    return st;
}

static mp_status stopped(const mp_split *s, mp_error *err) {
    int64_t done = mp_feed_bytes_done(s->job.feed), of = 0;
    for (int f = 0; f < s->job.table.n_files; f++) {
        const mp_table_file *file = &s->job.table.files[f];
        of += file->h5 ? file->size_bytes : file->text_bytes;
    }
    int percent = of > 0 ? (int)((double)done * 100 / (double)of) : 0;
    mp_error_set(err, MP_STOPPED, NULL, "%d %% of the input is in its shards",
                 percent < 100 ? percent : 100);
    mp_run_dir_hint(mp_comm_size(s->job.c), s->spec->resume_command, err);
    return MP_STOPPED;
}

mp_status mp_split_leg_done(mp_split *s, bool *all, mp_error *err) {
    mp_comm *c = s->job.c;
    int64_t said[2] = {0, 0};
    if (mp_comm_rank(c) == 0) said[0] = mp_feed_given(s->job.feed, all);
    if (mp_comm_rank(c) == 0) said[1] = *all;
    mp_status st = mp_comm_allreduce(c, said, 2, MP_SUM, err);
    if (st) return st;
    s->first_split = said[0];
    *all = said[1] != 0;
    return MP_OK;
}

mp_status mp_split_leg_save(mp_split *s, mp_error *err) {
    mp_comm *c = s->job.c;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = save(s, err);
    if (st) return st;
    st = s->asked_to_stop ? stopped(s, &mine) : MP_OK;
    return mp_comm_agree_on(c, st, &mine, err);
}

/* ---- taken over ---- */

typedef struct {
    mp_shard_file file;
    const uint8_t *key, *json; /* EACH */
    size_t key_len, json_len;
    bool known;
} item;

static void take_file(mp_rd *in, mp_arena *arena, bool each, item *it, int64_t *no) {
    *no = mp_rd_i64(in);
    it->known = mp_rd_text(in, arena, &it->file.path) && it->file.path;
    it->file.rows = mp_rd_i64(in);
    it->file.bytes = mp_rd_i64(in);
    it->file.xxh64 = mp_rd_u64(in);
    if (!each) return;
    it->key = mp_rd_bytes(in, &it->key_len);
    it->json = mp_rd_bytes(in, &it->json_len);
}

static mp_status adopt(mp_split *s, const item *it, bool *fits, mp_error *err) {
    bool same = false;
    mp_status st = mp_shard_files_go_on(s->files, &it->file, &same, err);
    *fits = *fits && same;
    if (st || !same || s->spec->method != MP_SPLIT_EACH) return st;
    return mp_split_adopt(s, it->file.path, it->key, it->key_len, it->json, it->json_len, err);
}

/* What one rank said: its files, those of this rank now into items (EACH: at once), and keys. */
static mp_status take_rank(mp_split *s, mp_rd *in, item *items, bool *fits, mp_error *err) {
    mp_job *j = &s->job;
    bool each = s->spec->method == MP_SPLIT_EACH;
    int rank = mp_comm_rank(j->c), size = mp_comm_size(j->c);
    int64_t n = mp_rd_i64(in), no;
    mp_status st = MP_OK;
    for (int64_t i = 0; i < n && !st && !in->bad; i++) {
        item it = {0};
        take_file(in, &j->arena, each, &it, &no);
        if (in->bad || !it.known) break;
        bool mine = each ? mp_split_path_owner(s, it.file.path, strlen(it.file.path)) == rank
                         : no >= 0 && no < s->n_shards && no % size == rank;
        if (mine && each) st = adopt(s, &it, fits, err);
        if (mine && !each) items[no / size] = it;
    }
    while (mp_rd_left(in) && rank == 0 && !st) {
        no = mp_rd_i64(in);
        if (no < 0 || no >= s->n_shards) break;
        st = mp_split_put_bounds(s, no, in, err);
    }
    if (rank == 0) *fits = *fits && !in->bad && mp_rd_left(in) == 0;
    return st;
}

static mp_status take_ranks(mp_split *s, mp_rd *in, bool *fits, mp_error *err) {
    mp_job *j = &s->job;
    int rank = mp_comm_rank(j->c), size = mp_comm_size(j->c);
    int64_t n = s->spec->method == MP_SPLIT_EACH ? 0 : (s->n_shards + size - 1 - rank) / size;
    item *items = mp_mem_calloc(j->mem, (size_t)n + 1, sizeof *items);
    mp_buf rejects;
    mp_buf_init(&rejects, j->mem);
    mp_status st = items ? MP_OK : mp_mem_error(j->mem, (size_t)n * sizeof *items, err);
    while (mp_rd_left(in) && !st && *fits) {
        size_t len = (size_t)mp_rd_u64(in), n_rejects = 0;
        const void *p = mp_rd_raw(in, len);
        mp_rd rd = mp_rd_of(p, p ? len : 0);
        p = mp_rd_bytes(&rd, &n_rejects);
        *fits = p && !rd.bad;
        mp_buf_put(&rejects, p, p ? n_rejects : 0);
        if (*fits) st = take_rank(s, &rd, items, fits, err);
    }
    for (int64_t i = 0; i < n && !st && *fits; i++) {
        *fits = items[i].known;
        if (*fits) st = adopt(s, &items[i], fits, err);
    }
    if (!st) st = mp_buf_check(&rejects, err);
    if (!st && rank == 0) st = mp_scan_restore_rejects(j->scan, rejects.data, rejects.len, err);
    mp_buf_release(&rejects);
    mp_mem_free(j->mem, items);
    return st;
}

static bool take_evidence(mp_split *s, mp_rd *in, mp_evidence *to) {
    size_t n = 0;
    const void *p = mp_rd_bytes(in, &n);
    if (!p || n != (size_t)s->job.table.n_columns * sizeof *to) return false;
    if (n) memcpy(to, p, n);
    return true;
}

static mp_status take_cuts(mp_split *s, mp_rd *in, bool *fits, mp_error *err) {
    size_t n = 0;
    const void *rows = mp_rd_bytes(in, &n);
    int64_t n_cuts = mp_rd_i64(in);
    *fits = *fits && !in->bad && n_cuts < (s->n_shards ? s->n_shards : 1) &&
            (s->spec->method == MP_SPLIT_ROWS) == (n >= 16) &&
            (s->spec->method == MP_SPLIT_RANGE) == (n_cuts >= 0);
    if (!*fits) return MP_OK;
    if (n) {
        s->rows_before = mp_mem_alloc(s->job.mem, n);
        if (!s->rows_before) return mp_mem_error(s->job.mem, n, err);
        memcpy(s->rows_before, rows, n);
        mp_split_set_rows(s, (int64_t)(n / 8) - 1);
    }
    return n_cuts < 0 ? MP_OK : mp_split_read_cuts(s, in, n_cuts, err);
}

/* Local. fits: this rank finds what the state says. */
static mp_status take_state(mp_split *s, const mp_buf *b, bool *fits, mp_error *err) {
    mp_job *j = &s->job;
    mp_rd in = mp_rd_of(b->data, b->len);
    size_t n_id, n_feed = 0;
    (void)mp_rd_bytes(&in, &n_id);
    s->first_split = mp_rd_i64(&in);
    *fits = take_evidence(s, &in, s->legs_seen) && take_evidence(s, &in, s->plan_seen);
    const void *feed = mp_rd_bytes(&in, &n_feed);
    mp_status st = *fits && feed ? take_cuts(s, &in, fits, err) : MP_OK;
    if (!feed || !*fits || st) {
        *fits = false;
        return st;
    }
    if (j->feed) {
        mp_rd rd = mp_rd_of(feed, n_feed);
        bool all;
        st = mp_feed_restore(j->feed, &rd, fits, err);
        *fits = *fits && mp_feed_given(j->feed, &all) == s->first_split;
    }
    if (!st && *fits) st = mp_split_open_files(s, err);
    if (!st && *fits) st = take_ranks(s, &in, fits, err);
    if (j->table.n_columns)
        memcpy(j->seen, s->plan_seen, (size_t)j->table.n_columns * sizeof *j->seen);
    return st;
}

mp_status mp_split_restore(mp_split *s, mp_error *err) {
    mp_comm *c = s->job.c;
    mp_error mine = MP_ERROR_INIT;
    bool fits = false;
    int64_t all_fit = 0;
    mp_status st = mp_comm_bcast(c, &s->state, err);
    if (st || s->state.len == 0) return st;
    s->restored = true;
    /* inputs that rank 0 reads for all cannot be gone on with in the middle */
    mp_status taken = s->legs ? take_state(s, &s->state, &fits, &mine) : MP_OK;
    mp_buf_release(&s->state);
    st = mp_comm_agree_on(c, taken, &mine, err);
    all_fit = fits;
    if (!st) st = mp_comm_allreduce(c, &all_fit, 1, MP_MIN, err);
    if (st || all_fit) return st;
    s->first_split = 0;
    mp_mem_free(s->job.mem, s->rows_before);
    mp_mem_free(s->job.mem, s->cuts);
    s->rows_before = NULL;
    s->cuts = NULL;
    s->n_cuts = 0;
    mp_buf_clear(&s->cut_keys);
    size_t n = (size_t)s->job.table.n_columns * sizeof *s->job.seen;
    if (n) memcpy(s->job.seen, s->job.table.sample, n);
    return MP_OK;
}

mp_status mp_split_forget(mp_split *s, mp_error *err) {
    if (!s->restored) return MP_OK;
    s->restored = false;
    if (s->files) mp_shard_files_drop(s->files);
    mp_status st = mp_comm_barrier(s->job.c, err);
    if (!st && s->target) mp_shard_folder_clear(s->target);
    return st ? st : mp_comm_barrier(s->job.c, err);
}
