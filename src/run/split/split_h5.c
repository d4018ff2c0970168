/* split_h5.c - shards as HDF5: the dealt rows, which are CSV by then, are written once more by all
 * ranks, shard by shard, as the answer of a query would be.
 * Invariant: the columns have the types that all rows of the table have, so all shards are alike; in
 * the end the folder has no other files than with another format. */
#include <unistd.h>

#include "run/split/split_priv.h"

/* The columns' types as --types says them; one without any value has none. */
static mp_status choose_types(mp_split *s, mp_input_spec *in, mp_error *err) {
    mp_job *j = &s->job;
    size_t bytes = (size_t)s->cols.n_out * sizeof *in->types + 1;
    in->n_types = 0;
    in->types = mp_arena_alloc(&j->arena, bytes, 16);
    if (!in->types) return mp_mem_error(j->mem, bytes, err);
    for (int c = 0; c < s->cols.n_out; c++) {
        mp_type t = mp_split_column_type(&j->table, j->seen, c);
        if (t != MP_NULL) in->types[in->n_types++] = (mp_type_choice){s->cols.names[c], t};
    }
    return MP_OK;
}

/* Collective. */
static mp_status convert(mp_split *s, const mp_input_spec *in, const char *from, const char *to,
                         mp_error *err) {
    mp_spec spec = *s->job.spec;
    mp_report report;
    mp_job j;
    spec.input = *in;
    spec.input.n_paths = 1;
    spec.input.paths = &from;
    spec.output.path = to;
    spec.output.format = MP_FORMAT_H5;
    spec.output.h5_inputs = &s->job.spec->input; /* not the names of temporaries */
    mp_report_init(&report);
    mp_job_begin(&j, s->job.c, &spec, s->job.mem, &report);
    mp_status st = mp_job_run_query(&j, NULL, err);
    mp_job_end(&j);
    mp_report_release(&report);
    return st;
}

/* "part-00000.h5" for "part-00000.csv", in arena. */
static char *h5_name(mp_arena *arena, const char *name) {
    size_t n = strlen(name) - strlen(".csv");
    char *to = mp_arena_alloc(arena, n + sizeof ".h5", 1);
    if (!to) return NULL;
    memcpy(to, name, n);
    memcpy(to + n, ".h5", sizeof ".h5");
    return to;
}

/* Collective: the paths of the shards, rank 0's. */
static mp_status share_paths(mp_split *s, const mp_manifest *m, const char ***paths, int64_t *n,
                             mp_error *err) {
    mp_job *j = &s->job;
    mp_error mine = MP_ERROR_INIT;
    mp_buf b;
    mp_buf_init(&b, j->mem);
    if (mp_comm_rank(j->c) == 0) {
        mp_buf_i64(&b, m->n_shards);
        for (int64_t i = 0; i < m->n_shards; i++)
            mp_buf_text(&b, m->shards[i].path);
    }
    mp_status st = mp_comm_agree_on(j->c, mp_buf_check(&b, &mine), &mine, err), read = MP_OK;
    if (!st) st = mp_comm_bcast(j->c, &b, err);
    if (!st) {
        mp_rd in = mp_rd_of(b.data, b.len);
        *n = mp_rd_i64(&in);
        *paths = mp_arena_alloc(&j->arena, (size_t)*n * sizeof **paths + 1, 16);
        if (!*paths) read = mp_mem_error(j->mem, b.len, &mine);
        for (int64_t i = 0; i < *n && !read; i++)
            if (!mp_rd_text(&in, &j->arena, &(*paths)[i])) read = mp_mem_error(j->mem, 64, &mine);
        st = mp_comm_agree_on(j->c, read, &mine, err);
    }
    mp_buf_release(&b);
    return st;
}

mp_status mp_split_to_h5(mp_split *s, mp_manifest *m, mp_error *err) {
    mp_job *j = &s->job;
    mp_error mine = MP_ERROR_INIT;
    mp_input_spec in = {.is_csv = true, .delimiter = ',', .quote = '"'};
    const char **paths = NULL;
    int64_t n = 0;
    mp_status st = share_paths(s, m, &paths, &n, err);
    if (!st) st = mp_comm_agree_on(j->c, choose_types(s, &in, &mine), &mine, err);
    for (int64_t i = 0; i < n && !st; i++) {
        char *from = mp_manifest_path(&j->arena, s->folder, paths[i]);
        char *name = h5_name(&j->arena, paths[i]);
        char *to = name ? mp_manifest_path(&j->arena, s->folder, name) : NULL;
        mp_status made = from && to ? MP_OK : mp_mem_error(j->mem, 64, &mine);
        st = mp_comm_agree_on(j->c, made, &mine, err);
        if (!st) st = convert(s, &in, from, to, err);
        if (st) return st;
        if (mp_comm_rank(j->c) == 0) {
            m->shards[i].path = name;
            made = mp_manifest_sum(to, &m->shards[i].bytes, &m->shards[i].xxh64, &mine);
            (void)!unlink(from);
        }
        st = mp_comm_agree_on(j->c, made, &mine, err);
    }
    return st;
}
