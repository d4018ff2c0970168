/* map_plugin.c - shards through a plug-in: the callbacks of the unit phase, and what is known before it.
 * See map_plugin.h. */
#include "run/map/map_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/hash.h"
#include "comm/dict/dictionary.h"
#include "op/plugin/plugin_dict.h"
#include "op/plugin/plugin_wire.h"

enum { STEP_BATCHES = 32, TEXT_BYTES = 1 << 18 };

/* ---- its file ---- */

mp_status mp_map_plugin_look(const mp_map_job *j, mp_error *err) {
    if (access(j->map->plugin, R_OK) == 0) return MP_OK;
    return mp_error_errno(err, errno, "cannot open the plug-in", j->map->plugin);
}

/* Its bytes count: a plug-in that was built anew may give other results. */
void mp_map_plugin_facts(const mp_map_job *j, mp_buf *out) {
    mp_buf bytes;
    ssize_t n = 1;
    int fd = open(j->map->plugin, O_RDONLY | O_CLOEXEC);
    mp_buf_init(&bytes, j->mem);
    while (fd >= 0 && n > 0 && mp_buf_reserve(&bytes, 1 << 16)) {
        n = read(fd, bytes.data + bytes.len, 1 << 16);
        if (n > 0) bytes.len += (size_t)n;
    }
    if (fd >= 0) close(fd);
    mp_buf_printf(out, "\nplug-in: %zu bytes, hash %016" PRIx64, bytes.len,
                  mp_hash_bytes(bytes.data, bytes.len));
    mp_buf_release(&bytes);
}

/* ---- rows that come out ---- */

static mp_status flush_text(mp_map_plugin *p, mp_error *err) {
    mp_status st = mp_buf_check(&p->text, err);
    if (st == MP_OK) st = mp_map_take_out(p->j, p->text.data, p->text.len, err);
    mp_buf_clear(&p->text);
    return st;
}

/* The header goes in front of the first rows, or stands alone. */
static mp_status put_header(mp_map_plugin *p, mp_error *err) {
    int n_keys;
    const mp_schema *s = mp_worker_output(p->worker, &n_keys);
    if (p->headed || !s) return MP_OK;
    size_t bytes = (size_t)s->n * sizeof(char *);
    const char **names = mp_arena_alloc(&p->j->unit_arena, bytes, 8);
    if (!names) return mp_mem_error(p->j->mem, bytes, err);
    for (int32_t i = 0; i < s->n; i++)
        names[i] = s->fields[i].name;
    p->format =
        (mp_text_args){.format = MP_FORMAT_CSV, .delimiter = ',', .n_cols = s->n, .names = names};
    p->headed = true;
    mp_text_header(&p->format, &p->text);
    return mp_buf_check(&p->text, err);
}

static mp_status take_rows(void *ctx, const mp_batch *rows, mp_error *err) {
    mp_map_plugin *p = ctx;
    if (p->n_keys > 0 && !p->combining) return mp_map_combine_take(p, rows, err);
    mp_status st = put_header(p, err);
    if (st != MP_OK) return st;
    mp_text_rows(&p->format, rows, &p->text, NULL);
    p->unit_rows += rows->n_rows;
    return p->text.len >= TEXT_BYTES ? flush_text(p, err) : mp_buf_check(&p->text, err);
}

static mp_status take_err(void *ctx, const uint8_t *bytes, size_t n, mp_error *err) {
    return mp_map_take_err(((mp_map_plugin *)ctx)->j, bytes, n, err);
}

/* ---- the worker ---- */

static mp_status new_worker(mp_map_plugin *p, uint32_t role, const mp_schema *input,
                            mp_error *err) {
    mp_map_job *j = p->j;
    mp_worker_args a = {.spawner = j->spawner,
                        .program = j->spec->run.inspector,
                        .plugin = j->map->plugin,
                        .n_args = j->map->n_args,
                        .args = j->map->args,
                        .role = role,
                        .input = input,
                        .in_process = j->map->in_process,
                        .dict_socket = mp_map_dict_socket(j),
                        .dict = p->dict ? &p->dict_calls : NULL,
                        .epoll_fd = j->epoll_fd,
                        .mem = j->mem,
                        .ctx = p,
                        .rows = take_rows,
                        .err = take_err};
    mp_worker_free(&p->worker);
    if (!a.program && !a.in_process) {
        mp_error_set(err, MP_USAGE, "cannot start the process of the plug-in",
                     "this program is not mpart itself");
        mp_error_hint(err, "--in-process runs it here");
        return MP_USAGE;
    }
    return mp_worker_new(&a, &p->worker, err);
}

/* Rank 0: what columns come out of an instance. The others wait, so their messages go on. */
static mp_status ask_columns(mp_map_plugin *p, uint32_t role, const mp_schema *input, mp_buf *out,
                             mp_error *err) {
    int n_keys = 0;
    mp_status st = new_worker(p, role, input, err);
    if (st == MP_OK) st = mp_worker_begin(p->worker, -1, 0, err);
    if (st == MP_OK) st = mp_worker_finish(p->worker, true, err);
    for (bool did, done = false; st == MP_OK && !done;) {
        struct pollfd q = {.fd = p->j->epoll_fd, .events = POLLIN};
        int events = 0;
        did = false;
        st = mp_worker_step(p->worker, &did, &done, err);
        if (st == MP_OK && p->j->dict) st = mp_map_dict_round(p->j, &did, err);
        if (st == MP_OK && !did) {
            (void)poll(&q, 1, 2);
            st = mp_comm_progress(p->j->c, &events, err);
        }
    }
    if (st != MP_OK) return st;
    const mp_worker_result *r = mp_worker_result_of(p->worker);
    if (r->outcome != MP_WORKER_OK) {
        *err = r->error;
        return (mp_status)r->error.status;
    }
    const mp_schema *s = mp_worker_output(p->worker, &n_keys);
    mp_plugin_put_columns(out, role, n_keys, s);
    return mp_buf_check(out, err);
}

static mp_status ask_both(mp_map_plugin *p, mp_buf *out, mp_error *err) {
    uint32_t role;
    int64_t n_keys;
    mp_schema s;
    mp_buf first;
    mp_buf_init(&first, p->j->mem);
    mp_status st = ask_columns(p, MPART_MAP, &p->j->table.schema, &first, err);
    mp_buf_bytes(out, first.data, first.len);
    if (st == MP_OK && !mp_plugin_get_columns(first.data, first.len, &p->arena, &role, &n_keys, &s))
        st = mp_mem_error(p->j->mem, first.len, err);
    mp_buf_clear(&first);
    if (st == MP_OK && n_keys > 0) st = ask_columns(p, MPART_COMBINE, &s, &first, err);
    mp_buf_bytes(out, first.data, first.len);
    mp_buf_release(&first);
    return st == MP_OK ? mp_buf_check(out, err) : st;
}

static bool get_columns(mp_map_plugin *p, mp_rd *rd, mp_schema *s, int *n) {
    uint32_t role;
    int64_t number = 0;
    size_t len = 0;
    const void *bytes = mp_rd_bytes(rd, &len);
    if (!bytes || len == 0) return !rd->bad;
    bool ok = mp_plugin_get_columns(bytes, len, &p->arena, &role, &number, s);
    *n = (int)number;
    return ok;
}

/* Known on every rank: both schemas, and whether there is a key. Collective. */
static mp_status share_columns(mp_map_plugin *p, mp_error *err) {
    mp_map_job *j = p->j;
    mp_error mine = MP_ERROR_INIT;
    mp_buf b;
    mp_buf_init(&b, j->mem);
    mp_status st = mp_comm_rank(j->c) == 0 ? ask_both(p, &b, &mine) : MP_OK;
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st == MP_OK) {
        st = mp_comm_bcast(j->c, &b, &mine);
        mp_rd rd = mp_rd_of(b.data, b.len);
        bool ok = get_columns(p, &rd, &p->output, &p->n_keys) &&
                  get_columns(p, &rd, &p->result, &p->n_order);
        if (st == MP_OK && !ok) st = mp_mem_error(j->mem, b.len, &mine);
        if (st == MP_OK) st = mp_arrow_table_of(&p->output, &p->arena, &p->table, &mine);
        st = mp_comm_agree_on(j->c, st, &mine, err);
    }
    mp_buf_release(&b);
    return st;
}

static mp_status push_rows(void *ctx, const mp_batch *rows, mp_error *err) {
    return mp_worker_push(((mp_map_plugin *)ctx)->worker, rows, err);
}

/* In this process the plug-in calls the dictionary itself. */
static mp_status open_dict(mp_map_plugin *p, mp_error *err) {
    mp_dict *dict = mp_map_dict_of(p->j);
    if (!dict || !p->j->map->in_process) return MP_OK;
    p->dict = mp_dict_client_new(p->j->c, dict);
    if (!p->dict) return mp_error_nomem(err, 64, 0);
    mp_plugin_dict_inside(p->dict, &p->dict_calls);
    return MP_OK;
}

mp_status mp_map_plugin_open(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_map_plugin *p = mp_mem_calloc(j->mem, 1, sizeof *p);
    j->plugin = p;
    mp_status st = p ? MP_OK : mp_mem_error(j->mem, sizeof *p, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st != MP_OK) return st;
    p->j = j;
    mp_arena_init(&p->arena, j->mem);
    mp_arena_init(&p->batch, j->mem);
    mp_buf_init(&p->text, j->mem);
    mp_buf_init(&p->pieces, j->mem);
    for (int i = 0; i < MP_MAP_PARTS; i++)
        mp_buf_init(&p->parts[i], j->mem);
    j->table.take_ctx = p;
    st = open_dict(p, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st == MP_OK) st = share_columns(p, err);
    if (st != MP_OK) return st;
    if (p->n_keys > 0) {
        j->headed = j->streams = false; /* until the parts are joined */
        if (j->map->results) {
            mp_error_set(&mine, MP_USAGE, NULL, "the plug-in combines by key: there is one result");
            mp_error_hint(&mine, "-o FILE in place of --results");
        }
    }
    st = mine.status == MP_OK ? new_worker(p, MPART_MAP, &j->table.schema, &mine) : MP_USAGE;
    return mp_comm_agree_on(j->c, st, &mine, err);
}

void mp_map_plugin_close(mp_map_job *j) {
    mp_map_plugin *p = j->plugin;
    if (!p) return;
    mp_worker_free(&p->worker);
    mp_dict_client_free(&p->dict);
    mp_buf_release(&p->text);
    mp_buf_release(&p->pieces);
    for (int i = 0; i < MP_MAP_PARTS; i++)
        mp_buf_release(&p->parts[i]);
    mp_mem_free(j->mem, p->slice);
    mp_arena_release(&p->batch);
    mp_arena_release(&p->arena);
    mp_mem_free(j->mem, p);
    j->plugin = NULL;
}

bool mp_map_combines(const mp_map_job *j) {
    return j->plugin && j->plugin->n_keys > 0;
}

bool mp_map_is_combining(const mp_map_job *j) {
    return j->plugin && j->plugin->combining;
}

void mp_map_plugin_table(mp_map_table *t) {
    t->take_rows = push_rows;
    t->spec.output.format = MP_FORMAT_NDJSON; /* a form in which every column has its type */
}

/* ---- a unit ---- */

mp_status mp_map_plugin_begin(mp_map_job *j, int64_t unit, mp_rd *rd, mp_error *err) {
    mp_map_plugin *p = j->plugin;
    p->at_end = p->finished = p->headed = false;
    p->unit_rows = 0;
    p->parts_bytes = 0;
    mp_buf_clear(&p->text);
    for (int i = 0; i < MP_MAP_PARTS; i++)
        mp_buf_clear(&p->parts[i]);
    mp_status st =
        p->combining ? mp_map_combine_begin(p, unit, err) : mp_map_shard_begin(&j->table, rd, err);
    return st == MP_OK ? mp_worker_begin(p->worker, unit, j->map->timeout_ns, err) : st;
}

static mp_status feed(mp_map_plugin *p, bool *did, mp_error *err) {
    mp_worker *w = p->worker;
    mp_status st = MP_OK;
    for (int i = 0; i < STEP_BATCHES && st == MP_OK && !p->at_end; i++) {
        if (mp_worker_full(w) || mp_worker_failing(w)) break;
        st = p->combining ? mp_map_combine_rows(p, &p->at_end, err)
                          : mp_map_shard_rows(&p->j->table, &p->at_end, err);
        *did = true;
    }
    bool ready = (p->at_end && !mp_worker_full(w)) || mp_worker_failing(w);
    if (st != MP_OK || p->finished || !ready) return st;
    p->finished = *did = true;
    return mp_worker_finish(w, mp_worker_failing(w), err);
}

mp_status mp_map_plugin_step(mp_map_job *j, bool *did, bool *done, mp_error *err) {
    mp_map_plugin *p = j->plugin;
    mp_status st = feed(p, did, err);
    if (st == MP_OK) st = mp_worker_step(p->worker, did, done, err);
    if (st != MP_OK || !*done || mp_worker_failing(p->worker)) return st;
    if (p->n_keys > 0 && !p->combining) return mp_map_combine_flush(p, err);
    st = put_header(p, err);
    if (st == MP_OK) st = flush_text(p, err);
    p->n_rows += p->unit_rows;
    return st;
}

int64_t mp_map_plugin_patience(mp_map_job *j) {
    return mp_worker_patience(j->plugin->worker);
}

void mp_map_plugin_stop(mp_map_job *j) {
    mp_worker_stop(j->plugin->worker);
}

mp_work_result mp_map_plugin_result(mp_map_job *j, mp_error *err) {
    static const mp_unit_outcome outcomes[] = {
        [MP_WORKER_OK] = MP_UNIT_OK,         [MP_WORKER_NO_LOAD] = MP_UNIT_NO_RUN,
        [MP_WORKER_FAILED] = MP_UNIT_FAILED, [MP_WORKER_EXIT] = MP_UNIT_EXIT,
        [MP_WORKER_SIGNAL] = MP_UNIT_SIGNAL, [MP_WORKER_TIMEOUT] = MP_UNIT_TIMEOUT};
    const mp_worker_result *r = mp_worker_result_of(j->plugin->worker);
    mp_work_result out = {.outcome = outcomes[r->outcome],
                          .code = r->code,
                          .start_ms = r->start_ms,
                          .run_ns = r->run_ns};
    if (r->outcome == MP_WORKER_NO_LOAD) out.code = ENOEXEC;
    if (r->outcome == MP_WORKER_TIMEOUT) out.code = SIGKILL;
    *err = r->error;
    return out;
}

/* ---- the second phase ---- */

typedef struct {
    int64_t offset, len;
    int32_t run, rank;
} piece;

/* The results of the shards, in their order, to every rank. Collective. */
static mp_status share_pieces(mp_map_plugin *p, mp_error *err) {
    mp_map_job *j = p->j;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = MP_OK;
    if (mp_comm_rank(j->c) == 0) {
        for (int64_t i = 0; i < j->n_units; i++) {
            const mp_map_result *r = &j->results[i];
            piece one = {r->offset, r->len, r->run, r->rank};
            if (r->outcome == MP_UNIT_OK && r->len > 0) mp_buf_put(&p->pieces, &one, sizeof one);
        }
        st = mp_buf_check(&p->pieces, &mine);
    }
    st = mp_comm_agree_on(j->c, st, &mine, err);
    return st == MP_OK ? mp_comm_bcast(j->c, &p->pieces, err) : st;
}

static mp_status new_results(mp_map_job *j, mp_error *err) {
    j->results = mp_mem_alloc(j->mem, MP_MAP_PARTS * sizeof *j->results);
    if (!j->results) return mp_mem_error(j->mem, MP_MAP_PARTS * sizeof *j->results, err);
    for (int64_t i = 0; i < MP_MAP_PARTS; i++)
        j->results[i] = (mp_map_result){.outcome = MP_UNIT_OUTCOMES};
    return MP_OK;
}

mp_status mp_map_combine_open(mp_map_job *j, mp_error *err) {
    mp_map_plugin *p = j->plugin;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = share_pieces(p, err);
    if (st != MP_OK) return st;
    j->shard_results = j->results;
    j->n_shards = j->n_units;
    j->n_units = MP_MAP_PARTS;
    j->results = NULL;
    p->combining = j->headed = true;
    p->fd = -1;
    st = mp_comm_rank(j->c) == 0 ? new_results(j, &mine) : MP_OK;
    if (st == MP_OK) st = new_worker(p, MPART_COMBINE, &p->output, &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}

/* `odd name`, backticks doubled. */
static void put_name(const char *name, mp_buf *out) {
    mp_buf_u8(out, '`');
    for (const char *c = name; *c; c++) {
        if (*c == '`') mp_buf_u8(out, '`');
        mp_buf_u8(out, (uint8_t)*c);
    }
    mp_buf_u8(out, '`');
}

mp_status mp_map_combine_write(mp_map_job *j, mp_error *err) {
    mp_map_plugin *p = j->plugin;
    mp_buf sort;
    mp_error mine = MP_ERROR_INIT;
    size_t n = (size_t)p->result.n;
    mp_type_choice *types = mp_arena_alloc(&p->arena, n * sizeof *types, 8);
    mp_buf_init(&sort, j->mem);
    for (int i = 0; i < p->n_order; i++) {
        if (i > 0) mp_buf_u8(&sort, ',');
        put_name(p->result.fields[i].name, &sort);
    }
    mp_buf_u8(&sort, 0);
    for (size_t i = 0; types && i < n; i++)
        types[i] = (mp_type_choice){p->result.fields[i].name, p->result.fields[i].type};
    mp_status st = types ? mp_buf_check(&sort, &mine) : mp_mem_error(j->mem, n, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st == MP_OK) st = mp_comm_allreduce(j->c, &p->n_rows, 1, MP_SUM, err);
    mp_out_abandon(&j->file);
    bool sorted = p->n_order > 0 && p->n_rows <= MP_SORTED_GROUPS;
    if (st == MP_OK)
        st = mp_map_convert(j, sorted ? (const char *)sort.data : NULL, types, (int)n, err);
    mp_buf_release(&sort);
    return st;
}
