/* map_merge.c - results of units, in the order of the units, into one output: a file that every rank
 * writes its share of, or a stream that rank 0 writes while units are still under way.
 * Invariant: what is written is a function of the results alone, not of where or when they came. */
#include <errno.h>
#include <unistd.h>

#include "run/map/map_priv.h"

enum { COPY_BYTES = 1 << 20 };

/* ---- result logs, for reading ---- */

static int keep_log(mp_map_job *j, int32_t run, int32_t rank, int fd, mp_error *err) {
    if (j->n_logs == j->cap_logs) {
        int cap = j->cap_logs ? 2 * j->cap_logs : 16;
        mp_map_log *grown = mp_mem_realloc(j->mem, j->logs, (size_t)cap * sizeof *grown);
        if (!grown) {
            close(fd);
            (void)mp_mem_error(j->mem, (size_t)cap * sizeof *grown, err);
            return -1;
        }
        j->logs = grown;
        j->cap_logs = cap;
    }
    j->logs[j->n_logs++] = (mp_map_log){run, rank, fd};
    return fd;
}

int mp_map_log_fd(mp_map_job *j, int32_t run, int32_t rank, mp_error *err) {
    for (int i = j->n_logs - 1; i >= 0; i--)
        if (j->logs[i].run == run && j->logs[i].rank == rank) return j->logs[i].fd;
    int fd = mp_run_log_open(j->folder, run, rank);
    if (fd >= 0) return keep_log(j, run, rank, fd, err);
    mp_error_errno(err, errno, "cannot read results", j->folder);
    return -1;
}

void mp_map_close_logs(mp_map_job *j) {
    for (int i = 0; i < j->n_logs; i++)
        close(j->logs[i].fd);
    mp_mem_free(j->mem, j->logs);
    j->logs = NULL;
    j->n_logs = j->cap_logs = 0;
}

mp_status mp_map_hide(mp_map_job *j, mp_error *err) {
    for (int r = 0; r < mp_comm_size(j->c); r++)
        if (mp_map_log_fd(j, j->run, r, err) < 0) {
            mp_error_hint(err, "--run-dir DIR names a folder that all ranks see");
            return MP_IO;
        }
    mp_run_dir_remove(j->dir);
    return MP_OK;
}

mp_status mp_map_read_log(mp_map_job *j, int fd, uint8_t *out, size_t n, int64_t at,
                          mp_error *err) {
    while (n > 0) {
        ssize_t got = pread(fd, out, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mp_error_errno(err, errno, "cannot read results", j->folder);
        if (got == 0) {
            mp_error_set(err, MP_IO, "cannot read results", "a result log is cut short");
            mp_error_file(err, j->folder);
            return MP_IO;
        }
        out += got;
        at += got;
        n -= (size_t)got;
    }
    return MP_OK;
}

/* ---- the target ---- */

static const char *target_name(const mp_map_job *j) {
    const char *path = j->spec->output.path;
    return path && strcmp(path, "-") != 0 ? path : NULL;
}

/* The text of one header, for a message. */
static void header_text(mp_map_job *j, const mp_map_result *r, char *out, size_t cap) {
    size_t n = (size_t)r->head_len < cap ? (size_t)r->head_len : cap - 1;
    int fd = mp_map_log_fd(j, r->run, r->rank, NULL);
    out[0] = 0;
    if (fd < 0 || mp_map_read_log(j, fd, (uint8_t *)out, n, r->offset, NULL) != MP_OK) return;
    out[n] = 0;
    out[strcspn(out, "\r\n")] = 0;
}

mp_status mp_map_check_header(mp_map_job *j, int64_t unit, int64_t *skip, mp_error *err) {
    const mp_map_result *r = &j->results[unit];
    *skip = 0;
    if (!j->headed || r->outcome != MP_UNIT_OK || r->len == 0) return MP_OK;
    if (j->headed_by < 0) j->headed_by = unit;
    if (j->headed_by == unit) return MP_OK;
    const mp_map_result *first = &j->results[j->headed_by];
    if (r->head_hash == first->head_hash) {
        *skip = r->head_len;
        return MP_OK;
    }
    char a[200], b[200];
    header_text(j, first, a, sizeof a);
    header_text(j, r, b, sizeof b);
    mp_error_set(err, MP_DATA, "results have different headers",
                 "that of shard %lld is '%s', that of shard %lld is '%s'",
                 (long long)j->headed_by + 1, a, (long long)unit + 1, b);
    mp_error_hint(err, "the command has to print the same header every time; --raw joins bytes");
    return MP_DATA;
}

mp_status mp_map_open_target(mp_map_job *j, mp_error *err) {
    bool terminal;
    j->stream_fd = -1;
    if (j->map->results) return MP_OK;
    if (!target_name(j)) {
        j->streams = true;
        return mp_stdout_open(&j->stream_fd, &terminal, err);
    }
    mp_status st = mp_out_create(target_name(j), &j->file, err);
    if (st != MP_OK) return st;
    j->stream_fd = mp_out_direct_fd(j->file);
    j->streams = j->stream_fd >= 0;
    /* it was made to see that it can be: a run that is killed leaves none behind */
    if (!j->streams) mp_out_abandon(&j->file);
    return MP_OK;
}

/* ---- streams ---- */

bool mp_map_enough(void *ctx) {
    const mp_map_job *j = ctx;
    return j->closed;
}

/* Up to COPY_BYTES of the result at the front; *did false: it is not there yet, or all is written. */
static mp_status push_some(mp_map_job *j, bool *did, mp_error *err) {
    while (j->front < j->n_units && !j->closed) {
        const mp_map_result *r = &j->results[j->front];
        if (r->outcome == MP_UNIT_OUTCOMES) return MP_OK;
        mp_status checked = MP_OK;
        if (j->front_at == 0) checked = mp_map_check_header(j, j->front, &j->front_at, err);
        if (checked != MP_OK) return checked;
        int64_t left = r->outcome == MP_UNIT_OK ? r->len - j->front_at : 0;
        if (left <= 0) {
            j->front++;
            j->front_at = 0;
            continue;
        }
        size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        mp_buf b;
        mp_buf_init(&b, j->mem);
        int fd = mp_map_log_fd(j, r->run, r->rank, err);
        mp_status st = fd < 0 ? MP_IO
                       : mp_buf_reserve(&b, n)
                           ? mp_map_read_log(j, fd, b.data, n, r->offset + j->front_at, err)
                           : mp_buf_check(&b, err);
        if (st == MP_OK) st = mp_stdout_write(j->stream_fd, b.data, n, &j->closed, err);
        mp_buf_release(&b);
        j->front_at += (int64_t)n;
        *did = true;
        return st;
    }
    return MP_OK;
}

mp_status mp_map_push(void *ctx, bool *did, mp_error *err) {
    mp_map_job *j = ctx;
    if (j->joblog.len >= 1 << 16) {
        mp_status st = mp_map_flush_joblog(j, err);
        if (st != MP_OK) return st;
    }
    return j->streams ? push_some(j, did, err) : MP_OK;
}

static mp_status write_stream(mp_map_job *j, mp_error *err) {
    mp_status st = MP_OK;
    for (bool did = true; did && st == MP_OK;) {
        did = false;
        st = push_some(j, &did, err);
    }
    if (st != MP_OK || !j->file) return st;
    st = mp_out_sync(j->file, err);
    return st == MP_OK ? mp_out_commit(&j->file, err) : st;
}

mp_status mp_map_write(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    int64_t kind = mp_comm_rank(j->c) == 0 && !j->map->results ? (j->streams ? 1 : 2) : 0;
    mp_status st = mp_comm_allreduce(j->c, &kind, 1, MP_MAX, err);
    if (st != MP_OK || kind == 0) return st;
    if (kind == 2) return mp_map_write_file(j, err);
    if (mp_comm_rank(j->c) == 0) st = write_stream(j, &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}
