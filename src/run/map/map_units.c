/* map_units.c - the units of a map over tables: shards read from the inputs, or files made by key.
 * Invariant: what a shard holds depends on the inputs and on what the facts say, and on nothing else. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "run/map/map_priv.h"

/* ---- facts ---- */

void mp_map_table_facts(const mp_map_job *j, mp_buf *out) {
    mp_facts_number(out, "--parts", j->map->parts);
    mp_facts_number(out, "--rows", j->map->rows);
    mp_facts_number(out, "--per-file", j->map->per_file);
    mp_facts_texts(out, "--by", j->map->by, j->map->n_by);
    mp_facts_number(out, "--shard-format", j->map->shard_format);
    mp_facts_number(out, "--raw", j->map->raw);
    mp_facts_number(out, "--bisect", j->map->bisect);
    mp_facts_inputs(&j->spec->input, j->mem, out);
}

/* ---- shards ---- */

bool mp_map_is_empty(const mp_map_job *j, int64_t unit) {
    if (j->mode == MP_MAP_FILES) return j->parts[unit].rows == 0;
    return j->mode == MP_MAP_SHARDS && unit < j->table.n_shards &&
           mp_map_shard_of(&j->table, unit).rows == 0;
}

/* Rows by key, as files in the run's folder. Collective. */
static mp_status make_files(mp_map_job *j, int format, mp_schema *schema, mp_error *err) {
    mp_map_table *t = &j->table;
    mp_error mine = MP_ERROR_INIT;
    mp_split_spec split = {.method = MP_SPLIT_BY,
                           .n_keys = j->map->n_by,
                           .keys = j->map->by,
                           .n_parts = j->map->parts > 0 ? j->map->parts : MP_SPLIT_PARTS,
                           .format = (mp_text_format)format};
    mp_status st = mp_map_use_copies(t, err);
    if (st != MP_OK) return st;
    j->parts = mp_mem_calloc(j->mem, (size_t)split.n_parts, sizeof *j->parts);
    if (!j->parts) st = mp_mem_error(j->mem, (size_t)split.n_parts * sizeof *j->parts, &mine);
    if (j->dir && !j->map->explain) mp_run_dir_clear_parts(j->dir);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    j->n_units = split.n_parts;
    for (int64_t i = 0; st == MP_OK && j->map->explain && i < j->n_units; i++)
        j->parts[i].rows = 1; /* as far as can be told without reading */
    if (st == MP_OK && !j->map->explain)
        st = mp_split_spool(j->c, &t->spec, &split, j->folder, j->mem, &t->arena, j->report,
                            j->parts, schema, &t->n_bad, err);
    return st;
}

/* Files that were made are the inputs from now on: of a plug-in, which wants batches, or where some of the rows in a file
 * may be wanted. What was text in the inputs stays text. Collective. */
static mp_status read_files(mp_map_job *j, const mp_schema *schema, mp_error *err) {
    mp_map_table *t = &j->table;
    mp_input_spec *in = &t->spec.input, old = *in;
    size_t n = (size_t)j->n_units, n_types = (size_t)(schema->n + old.n_types);
    const char **paths = mp_arena_alloc(&t->arena, n * sizeof *paths, 8);
    int64_t *units = mp_arena_alloc(&t->arena, n * sizeof *units, 8);
    mp_type_choice *types = mp_arena_alloc(&t->arena, n_types * sizeof *types + 1, 8);
    if (!paths || !units || !types) return mp_mem_error(j->mem, n * sizeof *paths, err);
    *in = (mp_input_spec){.is_csv = true,
                          .delimiter = ',',
                          .quote = '"',
                          .paths = paths,
                          .types = types,
                          .rejects = old.rejects,
                          .decimal_comma = old.decimal_comma,
                          .thousands = old.thousands,
                          .date_format = old.date_format};
    for (size_t k = 0; k < n; k++) {
        size_t bytes = strlen(j->folder) + 64;
        char *path = mp_arena_alloc(&t->arena, bytes, 1);
        if (!path) return mp_mem_error(j->mem, bytes, err);
        snprintf(path, bytes, "%s/part-%05zu.csv", j->folder, k);
        if (j->parts[k].rows == 0) continue;
        units[in->n_paths] = (int64_t)k;
        paths[in->n_paths++] = path;
    }
    for (int i = 0; i < old.n_types; i++)
        types[in->n_types++] = old.types[i];
    for (int32_t i = 0; i < schema->n; i++) {
        bool chosen = false;
        for (int k = 0; k < old.n_types; k++)
            chosen = chosen || strcmp(old.types[k].name, schema->fields[i].name) == 0;
        if (!chosen && schema->fields[i].type == MP_STRING)
            types[in->n_types++] = (mp_type_choice){schema->fields[i].name, MP_STRING};
    }
    t->file_unit = units;
    t->n_file_units = j->n_units;
    t->n_keys = j->map->n_by;
    t->keys = j->map->by;
    return MP_OK;
}

/* Shards by key that are read as tables. Collective. */
static mp_status make_keyed(mp_map_job *j, mp_error *err) {
    mp_schema schema;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = make_files(j, MP_FORMAT_CSV, &schema, err);
    if (st != MP_OK || j->map->explain) return st;
    int64_t n_bad = j->table.n_bad;
    st = read_files(j, &schema, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st != MP_OK) return st;
    j->table.schema = schema;
    j->n_units = 0;
    if (j->table.spec.input.n_paths == 0) return MP_OK; /* no rows: no shards */
    if (j->map->plugin) mp_map_plugin_table(&j->table);
    st = mp_map_table_open(&j->table, err);
    j->table.n_bad += n_bad;
    if (st == MP_OK) j->n_units = j->table.n_shards;
    return st;
}

mp_status mp_map_make_shards(mp_map_job *j, mp_error *err) {
    mp_map_table *t = &j->table;
    t->c = j->c;
    t->mem = j->mem;
    t->report = j->report;
    t->spec = *j->spec;
    t->spec.output = (mp_output_spec){.format = j->map->shard_format};
    t->folder = j->folder;
    t->parts = j->map->parts;
    t->rows = j->map->rows;
    t->per_file = j->map->per_file;
    mp_arena_init(&t->arena, j->mem);
    mp_buf_init(&t->shards, j->mem);
    mp_buf_init(&t->text, j->mem);
    mp_buf_init(&t->row_ends, j->mem);
    mp_buf_init(&t->rejects, j->mem);
    t->bisects = j->map->bisect;
    t->may_be_raw = !t->bisects && !j->map->plugin && j->map->shard_format <= MP_FORMAT_CSV;
    mp_map_raw_init(&t->raw, j->mem);
    mp_job_begin(&t->job, j->c, &t->spec, j->mem, j->report);
    mp_schema schema;
    if (j->mode == MP_MAP_FILES) return make_files(j, j->map->shard_format, &schema, err);
    if (j->map->n_by > 0) return make_keyed(j, err);
    if (j->map->plugin) mp_map_plugin_table(t);
    mp_status st = mp_map_table_open(t, err);
    if (st == MP_OK) j->n_units = t->n_shards;
    return st;
}

void mp_map_release_shards(mp_map_job *j) {
    mp_map_table *t = &j->table;
    if (!t->c) return;
    mp_job_end(&t->job);
    mp_map_raw_release(&t->raw);
    mp_buf_release(&t->shards);
    mp_buf_release(&t->text);
    mp_buf_release(&t->row_ends);
    mp_buf_release(&t->rejects);
    mp_mem_free(j->mem, j->parts);
    mp_arena_release(&t->arena);
}
