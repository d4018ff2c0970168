/* map_bisect.c - --bisect: a command that crashes or hangs on a shard is run on its halves, and so on, until
 * the rows that it cannot take are found.
 * Invariant: rows are given in their order, each to one run that ends well, or rejected; the results of
 * the runs are one result, with one header. */
#include <string.h>

#include "run/map/map_priv.h"

void mp_map_cut_begin(mp_map_job *j, const uint8_t *desc, size_t len, int64_t rows) {
    mp_map_cut *c = &j->cut;
    c->desc = desc;
    c->len = len;
    c->n_todo = 0;
    c->used = c->headed = false;
    c->now = (mp_map_range){0, rows};
    c->from = j->log_end;
    c->n_rejected = 0;
    mp_buf_clear(&c->rejects);
}

/* Two halves instead of the range under way. */
static void halve(mp_map_cut *c) {
    int64_t half = c->now.n / 2;
    c->todo[c->n_todo++] = (mp_map_range){c->now.low + half, c->now.n - half};
    c->todo[c->n_todo++] = (mp_map_range){c->now.low, half};
}

static void put_quoted(mp_buf *out, const char *text, size_t n) {
    mp_buf_u8(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"') mp_buf_u8(out, '"');
        mp_buf_u8(out, (uint8_t)text[i]);
    }
    mp_buf_u8(out, '"');
}

/* The row under way, with what the command did about it. */
static mp_status reject(mp_map_job *j, const mp_work_result *result, mp_error *err) {
    mp_map_cut *c = &j->cut;
    mp_map_table *t = &j->table;
    const uint8_t *bytes;
    char why[128];
    size_t n = 0;
    mp_map_result r = {.outcome = (uint8_t)result->outcome, .code = result->code};
    mp_rd rd = mp_rd_of(c->desc, c->len);
    mp_status st = mp_map_shard_begin(t, &rd, err);
    if (st == MP_OK) {
        mp_map_shard_narrow(t, c->now.low, 1);
        st = mp_map_shard_next(t, &bytes, &n, err); /* the header */
        if (st == MP_OK && t->format.format == MP_FORMAT_CSV)
            st = mp_map_shard_next(t, &bytes, &n, err);
    }
    if (st == MP_OK) {
        const char *file = t->job.table.files[t->at_file].path;
        mp_map_outcome_text(&r, why, sizeof why);
        if (n > 0 && bytes[n - 1] == '\n') n--;
        put_quoted(&c->rejects, file, strlen(file));
        mp_buf_printf(&c->rejects, ",%lld,%lld,", (long long)t->at_row, (long long)t->at_offset);
        put_quoted(&c->rejects, why, strlen(why));
        mp_buf_u8(&c->rejects, ',');
        put_quoted(&c->rejects, (const char *)bytes, n);
        mp_buf_u8(&c->rejects, '\n');
        c->n_rejected++;
        st = mp_buf_check(&c->rejects, err);
    }
    mp_map_shard_end(t);
    return st;
}

/* A run of a part has ended well: its header is that of the others. */
static bool same_header(mp_map_job *j, const mp_unit_record *r, int64_t len) {
    mp_map_cut *c = &j->cut;
    if (!j->headed || len == 0) return true;
    if (c->headed) return r->head_hash == c->head_hash;
    c->headed = true;
    c->head_hash = r->head_hash;
    c->head_len = r->head_len;
    return true;
}

mp_status mp_map_cut_next(mp_map_job *j, const mp_work_result *result, mp_unit_record *ended,
                          mp_cut_step *step, mp_error *err) {
    mp_map_cut *c = &j->cut;
    bool crashed = result->outcome == MP_UNIT_SIGNAL || result->outcome == MP_UNIT_TIMEOUT;
    mp_status st = MP_OK;
    *step = MP_CUT_OVER;
    if (j->stopping || (!crashed && !c->used)) return MP_OK;
    if (!crashed && result->outcome != MP_UNIT_OK) return MP_OK;
    if (crashed) {
        j->log_end = c->from;
        mp_buf_clear(&j->log);
        c->used = true;
        if (c->now.n > 1)
            halve(c);
        else
            st = reject(j, result, err);
    } else if (!same_header(j, ended, j->log_end + (int64_t)j->log.len - c->from)) {
        *step = MP_CUT_BAD;
        return MP_OK;
    }
    if (st != MP_OK) return st;
    if (c->n_todo == 0) {
        *step = MP_CUT_DONE;
        return MP_OK;
    }
    c->now = c->todo[--c->n_todo];
    *step = MP_CUT_AGAIN;
    return MP_OK;
}

/* ---- rank 0, at the end ---- */

static mp_status add_rejects(mp_map_job *j, mp_buf *csv, mp_error *err) {
    for (int64_t i = 0; i < j->n_units; i++) {
        const mp_map_result *r = &j->results[i];
        if (r->outcome != MP_UNIT_OK || r->reject_len == 0) continue;
        size_t n = (size_t)r->reject_len;
        int fd = mp_map_log_fd(j, r->run, r->rank, err);
        if (fd < 0) return MP_IO;
        if (!mp_buf_reserve(csv, n)) return mp_buf_check(csv, err);
        mp_status st = mp_map_read_log(j, fd, csv->data + csv->len, n, r->offset + r->len, err);
        if (st != MP_OK) return st;
        csv->len += n;
        j->table.n_bad += r->n_rejected;
    }
    return mp_buf_check(csv, err);
}

mp_status mp_map_write_rejects(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_map_table *t = &j->table;
    mp_out_file *file = t->job.rejects;
    mp_status st = MP_OK;
    if (mp_comm_rank(j->c) == 0) {
        st = add_rejects(j, &t->rejects, &mine);
        if (st == MP_OK && file)
            st = mp_out_write_at(file, 0, t->rejects.data, t->rejects.len, &mine);
        if (st == MP_OK && file) st = mp_out_sync(file, &mine);
    }
    st = mp_comm_agree_on(j->c, st, &mine, err);
    return st == MP_OK ? mp_comm_allreduce(j->c, &t->n_bad, 1, MP_MAX, err) : st;
}
