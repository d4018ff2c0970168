/* split_journal.c - the journal of a split: a unit is a leg (split_legs.c), its result the state behind it, in
 * the log of rank 0. Small splits have none: it is made with the first leg.
 * Invariant: a state is synced before its line is written; of several the last one counts. The folder that
 * an earlier run left is taken over or removed. All functions are rank 0's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "run/journal/run_dir.h"
#include "run/journal/run_facts.h"
#include "run/split/split_priv.h"

enum { LAST = -1 }; /* the unit that says: the folder gets its name; head_hash: of its manifest */

struct mp_split_journal {
    mp_arena arena;
    const char *path;
    mp_run_dir *dir; /* NULL: not made yet */
    mp_buf facts;
    mp_buf records;  /* mp_unit_record, of earlier runs */
    int64_t n_legs;  /* of all runs */
    int log;         /* -1 */
    int64_t log_end; /* of it; its last state began at log_at */
    int64_t log_at;
    int64_t start_ns; /* of the leg under way */
};

/* ---- what the run is ---- */

static void put_facts(const mp_split *s, mp_buf *out) {
    const mp_split_spec *p = s->spec;
    char way[8];
    snprintf(way, sizeof way, "--%s", mp_split_method_name(p->method));
    mp_buf_printf(out, "command: split\noutput: ");
    mp_facts_quote(p->folder, out);
    mp_buf_u8(out, '\n');
    mp_facts_texts(out, way, p->keys, p->n_keys);
    mp_facts_number(out, "--rows", p->n_rows);
    mp_facts_number(out, "--parts", p->n_parts);
    mp_facts_number(out, "--format", p->format);
    mp_facts_number(out, "--compress", p->packing);
    mp_facts_number(out, "--rejects", s->job.spec->input.rejects != NULL);
    mp_facts_inputs(&s->job.spec->input, s->job.mem, out);
    mp_buf_u8(out, 0);
}

static const char *choose_path(const mp_split *s, mp_arena *arena) {
    static const char ending[] = ".mpart-run";
    const char *out = s->spec->folder;
    size_t n = strlen(out);
    if (s->spec->run_dir) return s->spec->run_dir;
    while (n > 1 && out[n - 1] == '/')
        n--;
    char *name = mp_arena_alloc(arena, n + sizeof ending, 1);
    if (!name) return NULL;
    memcpy(name, out, n);
    memcpy(name + n, ending, sizeof ending);
    return name;
}

/* ---- what an earlier run has done ---- */

static void on_record(void *ctx, const mp_unit_record *r) {
    mp_buf_put(ctx, r, sizeof *r);
}

static mp_status open_dir(mp_split *s, bool resume, mp_error *err) {
    mp_split_journal *j = s->journal;
    const mp_run_dir_args args = {.path = j->path,
                                  .resume = resume,
                                  .look_only = s->spec->explain,
                                  .facts = (const char *)j->facts.data,
                                  .n_ranks = mp_comm_size(s->job.c),
                                  .mem = s->job.mem,
                                  .ctx = &j->records,
                                  .on_record = on_record};
    mp_status st = mp_run_dir_open(&args, &j->dir, err);
    if (st) mp_run_dir_free(&j->dir); /* another run's */
    return st ? st : mp_buf_check(&j->records, err);
}

/* The state of a record; false: it is gone or not what was written. */
static bool read_state(const mp_split_journal *j, const mp_unit_record *r, mp_buf *out) {
    int fd = mp_run_log_open(j->path, r->run, r->rank);
    mp_buf_clear(out);
    if (fd < 0) return false;
    bool good = mp_buf_reserve(out, (size_t)r->len);
    while (good && (int64_t)out->len < r->len) {
        ssize_t got = pread(fd, out->data + out->len, (size_t)r->len - out->len,
                            (off_t)(r->offset + (int64_t)out->len));
        if (got < 0 && errno == EINTR) continue;
        good = got > 0;
        if (good) out->len += (size_t)got;
    }
    close(fd);
    return good && mp_hash_bytes(out->data, out->len) == r->head_hash;
}

/* The last state of the records that can be read. */
static bool find_state(const mp_split_journal *j, const mp_buf *records, mp_buf *out) {
    const mp_unit_record *r = (const mp_unit_record *)(const void *)records->data;
    for (size_t i = records->len / sizeof *r; i > 0; i--)
        if (r[i - 1].unit >= 0 && read_state(j, &r[i - 1], out)) return true;
    mp_buf_clear(out);
    return false;
}

/* The folder that s->state tells of; without it the state is of no use. */
static mp_status open_left(mp_split *s, mp_error *err) {
    mp_rd in = mp_rd_of(s->state.data, s->state.len);
    const char *id = NULL;
    bool there = false;
    mp_status st = MP_OK;
    if (mp_rd_text(&in, &s->journal->arena, &id) && id)
        st = mp_shard_folder_again(s->spec->folder, s->spec->force, id, &there, &s->target, err);
    if (!there) mp_buf_clear(&s->state);
    return st;
}

static bool came_to_its_end(const mp_split *s, const mp_unit_record *last) {
    int64_t bytes;
    uint64_t sum;
    mp_error unused = MP_ERROR_INIT;
    char *path = mp_manifest_path(&s->journal->arena, s->spec->folder, MP_MANIFEST_NAME);
    return last->unit == LAST && path && !mp_manifest_sum(path, &bytes, &sum, &unused) &&
           sum == last->head_hash;
}

static mp_status go_on(mp_split *s, bool *done, mp_error *err) {
    mp_split_journal *j = s->journal;
    mp_status st = open_dir(s, true, err);
    size_t n = j->records.len / sizeof(mp_unit_record);
    const mp_unit_record *r = (const mp_unit_record *)(const void *)j->records.data;
    for (size_t i = 0; i < n; i++)
        if (r[i].unit >= j->n_legs) j->n_legs = r[i].unit + 1;
    if (st || n == 0) return st;
    *done = came_to_its_end(s, &r[n - 1]);
    if (*done || !find_state(j, &j->records, &s->state) || s->spec->explain) return MP_OK;
    return open_left(s, err);
}

mp_status mp_split_journal_open(mp_split *s, bool *done, mp_error *err) {
    mp_split_journal *j = mp_mem_calloc(s->job.mem, 1, sizeof *j);
    struct stat info;
    *done = false;
    if (!j) return mp_mem_error(s->job.mem, sizeof *j, err);
    s->journal = j;
    j->log = -1;
    j->start_ns = mp_clock_ns();
    mp_arena_init(&j->arena, s->job.mem);
    mp_buf_init(&j->facts, s->job.mem);
    mp_buf_init(&j->records, s->job.mem);
    put_facts(s, &j->facts);
    mp_status st = mp_buf_check(&j->facts, err);
    j->path = choose_path(s, &j->arena);
    if (!st && !j->path) st = mp_mem_error(s->job.mem, 64, err);
    if (st) return st;
    if (s->spec->resume || s->spec->explain) return go_on(s, done, err);
    return stat(j->path, &info) == 0 ? open_dir(s, false, err) : MP_OK;
}

/* ---- what this one does ---- */

static mp_status write_log(mp_split_journal *j, const mp_buf *state, mp_error *err) {
    const uint8_t *p = state->data;
    for (size_t left = state->len; left > 0;) {
        ssize_t put = pwrite(j->log, p, left, (off_t)(j->log_end + (p - state->data)));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return mp_error_errno(err, put ? errno : ENOSPC, "cannot write", j->path);
        p += put;
        left -= (size_t)put;
    }
    return fdatasync(j->log) == 0 ? MP_OK : mp_error_errno(err, errno, "cannot write", j->path);
}

static mp_status commit(mp_split *s, const mp_unit_record *r, mp_error *err) {
    mp_buf line;
    mp_buf_init(&line, s->job.mem);
    mp_journal_put(&line, r);
    mp_status st = mp_run_dir_commit(s->journal->dir, &line, err);
    mp_buf_release(&line);
    return st;
}

mp_status mp_split_journal_put(mp_split *s, const mp_buf *state, int64_t bytes_done,
                               mp_error *err) {
    mp_split_journal *j = s->journal;
    mp_status st = j->dir ? MP_OK : open_dir(s, false, err);
    if (!st && j->log < 0) st = mp_run_log_create(j->path, mp_run_dir_run(j->dir), 0, &j->log, err);
    if (!st) st = write_log(j, state, err);
    if (st) return st;
    const mp_unit_record r = {.unit = j->n_legs,
                              .run = mp_run_dir_run(j->dir),
                              .offset = j->log_end,
                              .len = (int64_t)state->len,
                              .head_hash = mp_hash_bytes(state->data, state->len),
                              .tries = 1,
                              .run_ns = mp_clock_ns() - j->start_ns,
                              .n_rejected = bytes_done};
    st = commit(s, &r, err);
    if (st) return st;
    j->n_legs++;
    j->start_ns = mp_clock_ns();
    /* an older state is of no use any more */
    int64_t page = sysconf(_SC_PAGESIZE), from = j->log_at / page * page;
    int64_t to = j->log_end / page * page;
    if (to > from)
        (void)!fallocate(j->log, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                         (off_t)(to - from));
    j->log_at = j->log_end;
    j->log_end += (int64_t)state->len;
    return MP_OK;
}

mp_status mp_split_journal_last(mp_split *s, const char *manifest, mp_error *err) {
    int64_t bytes;
    if (!s->journal || !s->journal->dir) return MP_OK;
    mp_unit_record r = {.unit = LAST, .run = mp_run_dir_run(s->journal->dir)};
    mp_status st = mp_manifest_sum(manifest, &bytes, &r.head_hash, err);
    return st ? st : commit(s, &r, err);
}

int64_t mp_split_journal_legs(const mp_split *s) {
    return s->journal ? s->journal->n_legs : 0;
}

void mp_split_journal_close(mp_split *s, bool keep) {
    mp_split_journal *j = s->journal;
    if (!j) return;
    if (j->log >= 0) close(j->log);
    if (j->dir && !keep) mp_run_dir_remove(j->dir);
    mp_run_dir_free(&j->dir);
    mp_buf_release(&j->facts);
    mp_buf_release(&j->records);
    mp_arena_release(&j->arena);
    mp_mem_free(s->job.mem, j);
    s->journal = NULL;
}

void mp_split_journal_explain(const mp_split *s, bool done, mp_buf *out) {
    const mp_split_journal *j = s->journal;
    const mp_unit_record *r = (const mp_unit_record *)(const void *)j->records.data;
    int64_t from = 0;
    bool have = s->state.len > 0;
    for (size_t i = 0; i < j->records.len / sizeof *r; i++) {
        if (r[i].unit < 0) continue;
        mp_buf_printf(out, "%" PRId64 "\t%s\t%s\tinput bytes %" PRId64 " to %" PRId64 "\n",
                      r[i].unit + 1, done || have ? "kept" : "redone",
                      done || have ? "done" : "its result is gone", from, r[i].n_rejected);
        from = r[i].n_rejected;
    }
    if (!done)
        mp_buf_printf(out,
                      "%" PRId64 "\tredone\tnot finished\tthe input from byte %" PRId64 " on\n",
                      j->n_legs + 1, have ? from : 0);
}
