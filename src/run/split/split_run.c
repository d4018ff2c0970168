/* split_run.c - `mpart split` from beginning to end: table, what has to be known before rows can be
 * dealt, the dealing, the manifest, the name.
 * Invariant: every step ends in an agreement. The folder has another name until all is on the disk;
 * the manifest is written last. */
#include "run/split/split_priv.h"

#include <inttypes.h>

#include "base/clock.h"
#include "run/fault.h"
#include "run/journal/run_dir.h"

static void begin(mp_split *s, mp_comm *c, const mp_spec *spec, const mp_split_spec *split,
                  mp_mem *mem, mp_report *report) {
    bool h5 = split->format == MP_FORMAT_H5;
    *s = (mp_split){.spec = split, .split = -1, .n_shards = split->n_parts};
    mp_job_begin(&s->job, c, spec, mem, report);
    s->text = (mp_text_args){.format = h5 ? MP_FORMAT_CSV : split->format,
                             .delimiter = split->format == MP_FORMAT_TSV ? '\t' : ',',
                             .comment = h5 ? 0 : spec->input.comment};
    mp_buf_init(&s->lines, mem);
    mp_buf_init(&s->line_ends, mem);
    mp_buf_init(&s->keys, mem);
    mp_buf_init(&s->cut_keys, mem);
    mp_shard_ids_init(&s->values, mem);
    mp_shard_ids_init(&s->paths, mem);
    mp_buf_init(&s->state, mem);
    s->stop.fd = -1;
}

static void end(mp_split *s) {
    mp_mem *mem = s->job.mem;
    mp_shards_free(&s->shards);
    mp_shard_files_free(&s->files);
    mp_split_release_bounds(s);
    mp_shard_ids_release(&s->values);
    mp_shard_ids_release(&s->paths);
    mp_buf_release(&s->lines);
    mp_buf_release(&s->line_ends);
    mp_buf_release(&s->keys);
    mp_buf_release(&s->cut_keys);
    mp_mem_free(mem, s->cuts);
    mp_mem_free(mem, s->rows_before);
    mp_buf_release(&s->state);
    mp_job_end(&s->job);
}

/* Room for the evidence, and the keys looked up once, so that a wrong one is known at once. */
static mp_status check_plan(mp_split *s, mp_error *err) {
    mp_job *j = &s->job;
    mp_scan_plan plan;
    size_t n = (size_t)j->table.n_columns * sizeof *j->seen;
    mp_status st = mp_fault_check(mp_comm_rank(j->c), "plan", err);
    if (st) return st;
    j->seen = mp_arena_alloc(&j->arena, n + 1, 16);
    s->legs_seen = mp_arena_alloc(&j->arena, n + 1, 16);
    s->plan_seen = mp_arena_alloc(&j->arena, n + 1, 16);
    s->order = mp_arena_alloc(&j->arena, (size_t)s->spec->n_keys * sizeof *s->order + 1, 16);
    if (!j->seen || !s->legs_seen || !s->plan_seen || !s->order)
        return mp_mem_error(j->mem, n, err);
    if (n) memcpy(j->seen, j->table.sample, n);
    return mp_split_bind(s->spec, &j->table, j->seen, MP_SPLIT_READ_ALL, &j->arena, &plan, &s->cols,
                         err);
}

/* Collective. */
static mp_status open_table(mp_split *s, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_job_open_table(&s->job, err);
    if (!st) st = mp_job_find_keys(&s->job, err);
    return st ? st : mp_comm_agree_on(s->job.c, check_plan(s, &mine), &mine, err);
}

/* Collective: the rows are in the files of their shards. */
static mp_status deal(mp_split *s, mp_error *err) {
    mp_job *j = &s->job;
    double start = mp_clock_s();
    mp_status st = mp_job_start_scan(j, err);
    if (!st && (s->legs || s->spec->resume)) st = mp_split_restore(s, err);
    if (!st && s->spec->method == MP_SPLIT_RANGE && !s->cuts) st = mp_split_find_cuts(s, err);
    if (!st && s->spec->method == MP_SPLIT_ROWS && !s->rows_before) st = mp_split_count(s, err);
    if (!st && s->legs) {
        mp_error mine = MP_ERROR_INIT;
        st = mp_comm_agree_on(j->c, mp_stop_begin(&s->stop, j->c, &mine), &mine, err);
        mp_stop_hold();
    }
    if (!st) st = mp_split_deal(s, err);
    if (s->stop.fd >= 0 || s->legs) mp_stop_end(&s->stop);
    mp_report_phase *p = mp_report_phase_of(j->report, "scan");
    if (p) p->seconds = mp_clock_s() - start;
    if (j->scan) mp_job_note_scan(j);
    mp_report_sample(j->report);
    return st;
}

/* ---- the folder ---- */

/* Collective: the folder that shards are written to, by whatever name it has now. */
static mp_status open_folder(mp_split *s, mp_error *err) {
    mp_job *j = &s->job;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = MP_OK;
    mp_buf b;
    if (mp_comm_rank(j->c) == 0 && !s->target)
        st = mp_shard_folder_new(s->spec->folder, s->spec->force, &s->target, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st) return st;
    mp_buf_init(&b, NULL);
    if (mp_comm_rank(j->c) == 0) mp_buf_text(&b, mp_shard_folder_temp(s->target));
    st = mp_comm_bcast(j->c, &b, err);
    if (!st) {
        mp_rd rd = mp_rd_of(b.data, b.len);
        mp_status read = mp_rd_text(&rd, &j->arena, &s->folder) && s->folder
                             ? MP_OK
                             : mp_mem_error(j->mem, b.len, &mine);
        st = mp_comm_agree_on(j->c, read, &mine, err);
    }
    mp_buf_release(&b);
    s->name = s->spec->folder;
    return st;
}

static mp_status write_manifest(mp_split *s, const mp_manifest *m, mp_error *err) {
    mp_job *j = &s->job;
    mp_out_file *file = NULL;
    mp_buf text;
    mp_buf_init(&text, j->mem);
    mp_manifest_text(m, &text);
    mp_status st = mp_buf_check(&text, err);
    char *path = mp_manifest_path(&j->arena, s->folder, MP_MANIFEST_NAME);
    if (!st && !path) st = mp_mem_error(j->mem, 64, err);
    if (!st) st = mp_out_create(path, &file, err);
    if (!st) st = mp_out_write_at(file, 0, text.data, text.len, err);
    if (!st) st = mp_out_commit(&file, err);
    if (!st) st = mp_split_journal_last(s, path, err);
    mp_out_abandon(&file);
    mp_buf_release(&text);
    for (int64_t i = 0; i < m->n_shards; i++) {
        j->report->rows_out += m->shards[i].rows;
        j->report->bytes_out += m->shards[i].bytes;
    }
    return st;
}

/* Collective: all on the disk, the manifest, the name. */
static mp_status finish(mp_split *s, mp_error *err) {
    mp_job *j = &s->job;
    mp_error mine = MP_ERROR_INIT;
    mp_manifest m;
    int64_t n_bad = 0;
    mp_status st = mp_split_store(s, err);
    if (!st) st = mp_split_list(s, &j->arena, &m, err);
    if (!st && !s->stored)
        st = mp_comm_agree_on(j->c, mp_shard_files_sync(s->files, &mine), &mine, err);
    if (!st) st = mp_job_write_rejects(j, &n_bad, err);
    if (st) return st;
    st = mp_fault_check(mp_comm_rank(j->c), MP_FAULT_LAST, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st) return st;
    if (mp_comm_rank(j->c) == 0) {
        st = write_manifest(s, &m, &mine);
        if (!st) st = mp_shard_folder_commit(s->target, &mine);
    }
    st = mp_comm_agree_on(j->c, st, &mine, err);
    return st ? st : mp_job_name_rejects(j, n_bad, err);
}

static void describe(const mp_split *s, mp_buf *text) {
    const mp_split_spec *p = s->spec;
    mp_buf_printf(text, "split %d file%s, %d columns, into %s: ", s->job.table.n_files,
                  s->job.table.n_files == 1 ? "" : "s", s->cols.n_out, p->folder);
    switch (p->method) {
    case MP_SPLIT_BY:
        mp_buf_printf(text, "%" PRId64 " shards by the hash of", p->n_parts);
        break;
    case MP_SPLIT_RANGE:
        mp_buf_printf(text, "%" PRId64 " shards by ranges of", p->n_parts);
        break;
    case MP_SPLIT_ROWS:
        mp_buf_printf(text, "shards of %" PRId64 " rows", p->n_rows);
        break;
    case MP_SPLIT_EACH:
        mp_buf_printf(text, "one shard per value of");
        break;
    }
    for (int k = 0; k < p->n_keys; k++)
        mp_buf_printf(text, "%s %s", k ? "," : "", p->keys[k]);
    mp_buf_printf(text, "\npasses: %s\n",
                  p->method == MP_SPLIT_RANGE  ? "a sample of the keys; the rows"
                  : p->method == MP_SPLIT_ROWS ? "rows counted; the rows"
                                               : "the rows");
}

/* Inputs that rank 0 reads for all cannot be gone on from in the middle, and a solid one is dealt at once, so
 * that a stop would wait for all of it. */
static bool may_go_on(const mp_table *t) {
    for (int f = 0; f < t->n_files; f++)
        if (t->files[f].by_data || t->files[f].solid) return false;
    return true;
}

/* Collective. *over: there is nothing to do. */
static mp_status open_journal(mp_split *s, mp_buf *text, bool *over, mp_error *err) {
    mp_job *j = &s->job;
    mp_error mine = MP_ERROR_INIT;
    bool done = false;
    s->legs = may_go_on(&j->table);
    mp_status st = MP_OK;
    if (mp_comm_rank(j->c) == 0 && (s->legs || s->spec->resume || s->spec->explain))
        st = mp_split_journal_open(s, &done, &mine);
    if (!st && s->journal && s->spec->explain) mp_split_journal_explain(s, done, text);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    int64_t said = done;
    if (!st) st = mp_comm_allreduce(j->c, &said, 1, MP_MAX, err);
    *over = said != 0 || s->spec->explain;
    return st;
}

static mp_status run(mp_split *s, mp_buf *text, mp_error *err) {
    mp_job *j = &s->job;
    mp_status st = open_table(s, err);
    if (st) return st;
    if (j->spec->run.plan_only) {
        if (mp_comm_rank(j->c) == 0) describe(s, text);
        return MP_OK;
    }
    bool over = false;
    st = open_journal(s, text, &over, err);
    if (st || over) return st;
    st = open_folder(s, err);
    if (!st) st = mp_job_open_rejects(j, err);
    if (!st) st = deal(s, err);
    double start = mp_clock_s();
    if (!st) st = finish(s, err);
    mp_report_phase *p = mp_report_phase_of(j->report, "output");
    if (p) p->seconds = mp_clock_s() - start;
    return st;
}

/* Rank 0: what has been done can be gone on from; with other data it could not. */
static bool keeps_journal(const mp_split *s, mp_status st) {
    return mp_split_journal_legs(s) > 0 && st && st != MP_PARTIAL && st != MP_DATA;
}

mp_status mp_split_run(mp_comm *c, const mp_spec *spec, const mp_split_spec *split, mp_mem *mem,
                       mp_buf *text, mp_report *report, mp_error *err) {
    mp_split *s = mp_mem_alloc(NULL, sizeof *s);
    mp_error mine = MP_ERROR_INIT;
    double begun = mp_clock_s();
    mp_status st =
        mp_comm_agree_on(c, s ? MP_OK : mp_mem_error(NULL, sizeof *s, &mine), &mine, err);
    if (!st) {
        begin(s, c, spec, split, mem, report);
        st = run(s, text, err);
        /* what a rank still has open is closed before rank 0 removes the files */
        mp_shard_files_free(&s->files);
        if (st && st != MP_PARTIAL) (void)!mp_comm_barrier(c, NULL);
        bool keep = keeps_journal(s, st);
        if (keep && err && !*err->hint)
            mp_run_dir_hint(mp_comm_size(c), split->resume_command, err);
        if (keep) mp_shard_folder_keep(s->target);
        mp_shard_folder_free(&s->target);
        mp_split_journal_close(s, keep || split->explain);
        end(s);
    }
    mp_mem_free(NULL, s);
    report->seconds = mp_clock_s() - begun;
    mp_status collected = mp_report_collect(report, c, mem, st ? NULL : err);
    return st ? st : collected;
}

/* ---- shards for others ---- */

static mp_status spool(mp_split *s, mp_arena *arena, mp_split_part *parts, mp_schema *schema,
                       int64_t *n_bad, mp_error *err) {
    mp_job *j = &s->job;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = open_table(s, err);
    if (!st) st = deal(s, err);
    if (st) return st;
    int rank = mp_comm_rank(j->c), size = mp_comm_size(j->c);
    memset(parts, 0, (size_t)s->n_shards * sizeof *parts);
    for (int64_t i = 0; i < mp_shard_files_count(s->files); i++) {
        mp_shard_file f = mp_shard_files_get(s->files, i);
        parts[rank + i * size] = (mp_split_part){f.rows, f.bytes};
    }
    int64_t *values = (int64_t *)(void *)parts;
    enum { AT_ONCE = 1 << 16 };
    for (int64_t i = 0; i < 2 * s->n_shards && !st; i += AT_ONCE) {
        int64_t n = 2 * s->n_shards - i;
        st = mp_comm_allreduce(j->c, values + i, (int)(n < AT_ONCE ? n : AT_ONCE), MP_SUM, err);
    }
    *n_bad = j->feed ? mp_feed_bad(j->feed) : 0;
    if (!st) st = mp_comm_allreduce(j->c, n_bad, 1, MP_SUM, err);
    if (st) return st;
    *schema = (mp_schema){.n = s->cols.n_out};
    schema->fields = mp_arena_alloc(arena, (size_t)schema->n * sizeof *schema->fields + 1, 16);
    st = schema->fields ? MP_OK : mp_mem_error(j->mem, 64, &mine);
    for (int i = 0; i < schema->n && !st; i++) {
        size_t len = strlen(s->cols.names[i]) + 1;
        char *name = mp_arena_alloc(arena, len, 1);
        if (!name) st = mp_mem_error(j->mem, len, &mine);
        if (name) memcpy(name, s->cols.names[i], len);
        schema->fields[i] =
            (mp_field){.name = name, .type = mp_split_column_type(&j->table, j->seen, i)};
    }
    return mp_comm_agree_on(j->c, st, &mine, err);
}

mp_status mp_split_spool(mp_comm *c, const mp_spec *spec, const mp_split_spec *split,
                         const char *folder, mp_mem *mem, mp_arena *arena, mp_report *report,
                         mp_split_part *parts, mp_schema *schema, int64_t *n_bad, mp_error *err) {
    mp_split *s = mp_mem_alloc(NULL, sizeof *s);
    mp_error mine = MP_ERROR_INIT;
    mp_status st =
        mp_comm_agree_on(c, s ? MP_OK : mp_mem_error(NULL, sizeof *s, &mine), &mine, err);
    if (!st) {
        begin(s, c, spec, split, mem, report);
        s->folder = s->name = folder;
        st = spool(s, arena, parts, schema, n_bad, err);
        end(s);
    }
    mp_mem_free(NULL, s);
    return st;
}
