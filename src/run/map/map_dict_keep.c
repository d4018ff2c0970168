/* map_dict_keep.c - the dictionary in the run's folder, for a run that is gone on from: a file of each rank, of the
 * operations that make its pairs, and a line in the journal that names them.
 * Invariant: the line is written last, while no unit is under way and all that ended stand before it. So what is taken
 * up again has what these units did, each once; units behind it are done again. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/output/output.h"
#include "run/map/map_dict.h"

enum { PIECE = 256 * 1024, SUBS_PER_RECORD = 1024, PATH_BYTES = 4096, RECORDS_PER_ROUND = 64 };

static void file_name(const mp_map_job *j, int number, int rank, char *out) {
    snprintf(out, PATH_BYTES, "%s/dict-%d-%d", j->folder, number, rank);
}

/* ---- keep ---- */

typedef struct {
    int fd;
    const char *path;
    mp_buf b;
    const mp_dict_entry *outer; /* whose fields or members come */
    size_t at, n_at;            /* of the open record, and of its number of them */
    uint32_t n;
    int64_t bytes;
    mp_status st;
    mp_error *err;
} keeping;

static void write_out(keeping *k) {
    if (k->st == MP_OK) k->st = mp_buf_check(&k->b, k->err);
    for (size_t at = 0; k->st == MP_OK && at < k->b.len;) {
        ssize_t n = write(k->fd, k->b.data + at, k->b.len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) k->st = mp_error_errno(k->err, errno, "cannot keep the dictionary", k->path);
        at += n > 0 ? (size_t)n : 0;
    }
    k->bytes += (int64_t)k->b.len;
    mp_buf_clear(&k->b);
}

static void open_record(keeping *k, mp_dict_op op, const mp_dict_entry *e) {
    k->at = mp_dict_record_open(&k->b, op, 0, e->key, e->key_len);
}

static void close_record(keeping *k) {
    mp_dict_record_close(&k->b, k->at);
    if (k->b.len >= PIECE || k->b.failed) write_out(k);
}

static void close_subs(keeping *k) {
    if (k->n == 0) return;
    if (!k->b.failed) memcpy(k->b.data + k->n_at, &k->n, sizeof k->n);
    k->n = 0;
    close_record(k);
}

/* Some of them to a record, so that none is too long. */
static bool keep_sub(void *ctx, const mp_dict_entry *e) {
    keeping *k = ctx;
    bool hash = k->outer->type == MP_DICT_HASH;
    if (k->n == 0) {
        open_record(k, hash ? MP_DICT_HSET : MP_DICT_SADD, k->outer);
        k->n_at = k->b.len;
        mp_buf_u32(&k->b, 0);
    }
    mp_buf_bytes(&k->b, e->key, e->key_len);
    mp_dict_value v = mp_dict_entry_value(e);
    if (hash) mp_dict_put_value(&k->b, &v);
    k->n++;
    if (k->n == SUBS_PER_RECORD || k->b.len - k->at >= PIECE) close_subs(k);
    return k->st == MP_OK;
}

/* Long bytes in pieces: they may have grown beyond what may be under way at a time. */
static void keep_value(keeping *k, const mp_dict_entry *e) {
    mp_dict_value v = mp_dict_entry_value(e), piece = v;
    size_t at = 0, n = v.type == MP_DICT_BYTES ? v.bytes.n : 0;
    do {
        if (v.type == MP_DICT_BYTES) {
            piece.bytes.p = v.bytes.p + at;
            piece.bytes.n = n - at < PIECE ? n - at : PIECE;
        }
        open_record(k, at == 0 ? MP_DICT_PUT : MP_DICT_APPEND, e);
        mp_dict_put_value(&k->b, &piece);
        close_record(k);
        at += PIECE;
    } while (at < n && k->st == MP_OK);
}

static bool keep_entry(void *ctx, const mp_dict_entry *e) {
    keeping *k = ctx;
    if (e->type == MP_DICT_HASH || e->type == MP_DICT_SET) {
        k->outer = e;
        mp_dict_table_each(e->sub, keep_sub, k);
        close_subs(k);
        return k->st == MP_OK;
    }
    keep_value(k, e);
    return k->st == MP_OK;
}

static mp_status keep_own(mp_map_job *j, const char *path, int64_t *bytes, mp_error *err) {
    keeping k = {.path = path, .err = err};
    k.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (k.fd < 0) return mp_error_errno(err, errno, "cannot keep the dictionary", path);
    mp_buf_init(&k.b, NULL);
    mp_dict_table_each(mp_dict_own(j->dict->dict), keep_entry, &k);
    write_out(&k);
    mp_buf_release(&k.b);
    if (k.st == MP_OK && fdatasync(k.fd) != 0)
        k.st = mp_error_errno(err, errno, "cannot keep the dictionary", path);
    close(k.fd);
    *bytes = k.bytes;
    return k.st;
}

mp_status mp_map_dict_keep(mp_map_job *j, mp_error *err) {
    bool head = mp_comm_rank(j->c) == 0;
    char path[PATH_BYTES];
    mp_error mine = MP_ERROR_INIT;
    int64_t number = head ? mp_run_dir_next_dict(j->dir) : 0, bytes = 0;
    mp_status st = mp_comm_allreduce(j->c, &number, 1, MP_MAX, err);
    if (st != MP_OK) return st;
    file_name(j, (int)number, mp_comm_rank(j->c), path);
    st = mp_comm_agree_on(j->c, keep_own(j, path, &bytes, &mine), &mine, err);
    if (st != MP_OK) (void)unlink(path);
    if (st == MP_OK) st = mp_comm_allreduce(j->c, &bytes, 1, MP_SUM, err);
    if (st != MP_OK) return st;
    const mp_journal_dict d = {(int)number, mp_comm_size(j->c), bytes};
    if (head) st = mp_run_dir_put_dict(j->dir, &d, &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}

/* ---- take up ---- */

static mp_status check_files(const mp_map_job *j, const mp_journal_dict *d, mp_error *err) {
    char path[PATH_BYTES];
    struct stat st;
    int64_t bytes = 0;
    for (int r = 0; r < d->n_ranks; r++) {
        file_name(j, d->number, r, path);
        if (stat(path, &st) == 0) bytes += st.st_size;
    }
    if (bytes == d->bytes) return MP_OK;
    mp_error_set(err, MP_FAILED, "cannot go on", "a part of the kept dictionary is missing");
    mp_error_file(err, j->folder);
    mp_error_hint(err, "without --resume the run starts afresh");
    return MP_FAILED;
}

static bool has_room(void *ctx) {
    return !mp_dict_full(ctx);
}

/* The whole records at the front of b, of which n bytes are used. */
static mp_status put_records(mp_map_job *j, const mp_buf *b, size_t *used, mp_error *err) {
    mp_dict *d = j->dict->dict;
    mp_dict_record r;
    mp_status st = MP_OK;
    *used = 0;
    for (int n = 1; st == MP_OK && mp_dict_record_read(b->data + *used, b->len - *used, &r); n++) {
        mp_buf *args = mp_dict_open(d, (mp_dict_op)r.op, 0, r.key, r.key_len);
        if (!args) return mp_mem_error(&j->dict->mem, r.total, err);
        mp_buf_put(args, r.args, r.args_len);
        st = mp_dict_close(d, NULL, NULL, 0, err);
        *used += r.total;
        if (st == MP_OK && n % RECORDS_PER_ROUND == 0) st = mp_comm_progress(j->c, NULL, err);
        if (st == MP_OK && mp_dict_full(d))
            st = mp_comm_wait(j->c, has_room, d, "room in the dictionary", err);
    }
    return st;
}

static mp_status read_file(mp_map_job *j, const char *path, mp_error *err) {
    mp_buf b;
    mp_status st = MP_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return mp_error_errno(err, errno, "cannot read the kept dictionary", path);
    mp_buf_init(&b, &j->dict->mem);
    for (ssize_t n = 1; st == MP_OK && n != 0;) {
        size_t used = 0;
        if (!mp_buf_reserve(&b, PIECE)) st = mp_buf_check(&b, err);
        if (st != MP_OK) break;
        n = read(fd, b.data + b.len, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) st = mp_error_errno(err, errno, "cannot read the kept dictionary", path);
        b.len += n > 0 ? (size_t)n : 0;
        if (st == MP_OK) st = put_records(j, &b, &used, err);
        if (used) memmove(b.data, b.data + used, b.len - used);
        b.len -= used;
    }
    if (st == MP_OK && b.len > 0) {
        mp_error_set(err, MP_FAILED, "cannot go on", "the kept dictionary is broken");
        mp_error_file(err, path);
        st = MP_FAILED;
    }
    mp_buf_release(&b);
    close(fd);
    return st;
}

mp_status mp_map_dict_take_up(mp_map_job *j, bool *taken, mp_error *err) {
    char path[PATH_BYTES];
    mp_error mine = MP_ERROR_INIT;
    mp_journal_dict d = {0};
    mp_status st = MP_OK;
    if (mp_comm_rank(j->c) == 0 && j->journalled) d = mp_run_dir_dict(j->dir);
    if (d.number > 0) st = check_files(j, &d, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    int64_t chosen[2] = {d.number, d.n_ranks};
    if (st == MP_OK) st = mp_comm_allreduce(j->c, chosen, 2, MP_MAX, err);
    *taken = st == MP_OK && chosen[0] > 0;
    if (!*taken) return st;
    mine = MP_ERROR_INIT;
    for (int r = mp_comm_rank(j->c); r < chosen[1] && st == MP_OK; r += mp_comm_size(j->c)) {
        file_name(j, (int)chosen[0], r, path);
        st = read_file(j, path, &mine);
    }
    mp_status quiet = mp_dict_quiet(j->dict->dict, st == MP_OK ? &mine : NULL);
    if (st == MP_OK) st = quiet;
    if (st == MP_OK) st = mp_dict_lost(j->dict->dict, &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}
