/* split_store.c - shards that are no plain text: what was dealt as text is written once more, each shard by
 * the rank that owns it alone, packed, or as HDF5 (the answer of a query over the dealt file, by a
 * communicator of that one rank).
 * Invariant: a shard's bytes follow from its rows, and for HDF5 from the types that all rows of the table have.
 * The dealt files stay until all shards are stored, so another run can go on from them. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY /* the state as a plain object */
#include <xxhash.h>

#include "io/output/output_pack.h"
#include "run/split/split_priv.h"

/* ---- packed ---- */

typedef struct {
    const char *from, *to; /* names, for messages */
    int in, out;
    XXH64_state_t sum;
    int64_t bytes;
    mp_packer *packer;
    mp_buf plain, packed;
} pack;

static mp_status read_block(pack *p, size_t n, mp_error *err) {
    mp_buf_clear(&p->plain);
    if (!mp_buf_reserve(&p->plain, n)) return mp_buf_check(&p->plain, err);
    while (p->plain.len < n) {
        ssize_t got = read(p->in, p->plain.data + p->plain.len, n - p->plain.len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mp_error_errno(err, errno, "cannot read", p->from);
        if (got == 0) break;
        p->plain.len += (size_t)got;
    }
    return MP_OK;
}

static mp_status write_packed(pack *p, mp_error *err) {
    for (size_t done = 0; done < p->packed.len;) {
        ssize_t put = write(p->out, p->packed.data + done, p->packed.len - done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return mp_error_errno(err, put ? errno : ENOSPC, "cannot write", p->to);
        done += (size_t)put;
    }
    XXH64_update(&p->sum, p->packed.data, p->packed.len);
    p->bytes += (int64_t)p->packed.len;
    mp_buf_clear(&p->packed);
    return MP_OK;
}

static mp_status pack_all(pack *p, mp_packing packing, mp_error *err) {
    size_t block = mp_packer_block_bytes(packing);
    mp_status st = MP_OK;
    for (bool end = false, first = true; !end && !st; first = false) {
        st = read_block(p, block, err);
        end = p->plain.len < block;
        if (!st && p->plain.len > 0)
            st = mp_packer_put(p->packer, p->plain.data, p->plain.len, &p->packed, err);
        if (!st && end) st = mp_packer_end(p->packer, first && p->plain.len == 0, &p->packed, err);
        if (!st) st = mp_buf_check(&p->packed, err);
        if (!st && p->packed.len) st = write_packed(p, err);
    }
    return st;
}

static mp_status pack_file(mp_split *s, const char *from, const char *to, mp_shard_file *out,
                           mp_error *err) {
    pack p = {.from = from, .to = to, .in = -1, .out = -1};
    mp_mem *mem = s->job.mem;
    mp_buf_init(&p.plain, mem);
    mp_buf_init(&p.packed, mem);
    XXH64_reset(&p.sum, 0);
    mp_status st = mp_packer_new(s->spec->packing, mem, &p.packer, err);
    if (!st) p.in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (!st && p.in < 0) st = mp_error_errno(err, errno, "cannot read", from);
    if (!st) p.out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (!st && p.out < 0) st = mp_error_errno(err, errno, "cannot write", to);
    if (!st) st = pack_all(&p, s->spec->packing, err);
    if (!st && !s->sync_at_once && fsync(p.out) != 0 && errno != EINVAL && errno != ENOTSUP)
        st = mp_error_errno(err, errno, "cannot write", to);
    if (p.in >= 0) close(p.in);
    if (p.out >= 0) close(p.out);
    mp_packer_free(&p.packer);
    mp_buf_release(&p.plain);
    mp_buf_release(&p.packed);
    out->bytes = p.bytes;
    out->xxh64 = XXH64_digest(&p.sum);
    return st;
}

/* ---- HDF5 ---- */

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

/* alone: of this rank. */
static mp_status convert(mp_split *s, mp_comm *alone, const mp_input_spec *in, const char *from,
                         const char *to, mp_shard_file *out, mp_error *err) {
    mp_spec spec = *s->job.spec;
    mp_report report;
    mp_job j;
    spec.input = *in;
    spec.input.n_paths = 1;
    spec.input.paths = &from;
    spec.output.path = to;
    spec.output.format = MP_FORMAT_H5;
    spec.output.h5_inputs = &s->job.spec->input; /* not the names of temporaries */
    spec.output.h5_collective = false;
    spec.output.h5_unsynced = s->sync_at_once;
    spec.run.progress = MP_OFF;
    mp_report_init(&report);
    mp_job_begin(&j, alone, &spec, s->job.mem, &report);
    mp_status st = mp_job_run_query(&j, NULL, err);
    mp_job_end(&j);
    mp_report_release(&report);
    return st ? st : mp_manifest_sum(to, &out->bytes, &out->xxh64, err);
}

/* ---- all shards of this rank ---- */

/* "part-00000.h5" or "part-00000.csv.gz" for "part-00000.csv", in arena. */
static char *stored_name(const mp_split *s, mp_arena *arena, const char *dealt) {
    bool h5 = s->spec->format == MP_FORMAT_H5;
    const char *ending = h5 ? ".h5" : s->spec->packing == MP_PACK_GZIP ? ".gz" : ".zst";
    size_t n = strlen(dealt) - (h5 ? strlen(".csv") : 0), m = strlen(ending) + 1;
    char *to = mp_arena_alloc(arena, n + m, 1);
    if (!to) return NULL;
    memcpy(to, dealt, n);
    memcpy(to + n, ending, m);
    return to;
}

static mp_status store(mp_split *s, mp_comm *alone, const mp_input_spec *in, int64_t i,
                       mp_error *err) {
    mp_arena *arena = &s->job.arena;
    mp_shard_file dealt = mp_shard_files_get(s->files, i), *out = &s->stored[i];
    char *name = stored_name(s, arena, dealt.path);
    mp_arena_reset(&s->job.batch_arena);
    char *from = mp_manifest_path(&s->job.batch_arena, s->folder, dealt.path);
    char *to = name ? mp_manifest_path(&s->job.batch_arena, s->folder, name) : NULL;
    if (!from || !to) return mp_mem_error(s->job.mem, 64, err);
    *out = (mp_shard_file){.path = name, .rows = dealt.rows};
    if (s->spec->format == MP_FORMAT_H5) return convert(s, alone, in, from, to, out, err);
    return pack_file(s, from, to, out, err);
}

static mp_status store_all(mp_split *s, mp_comm *alone, mp_error *err) {
    mp_input_spec in = {.is_csv = true, .delimiter = ',', .quote = '"'};
    int64_t n = mp_shard_files_count(s->files);
    s->stored = mp_arena_alloc(&s->job.arena, (size_t)n * sizeof *s->stored + 1, 16);
    if (!s->stored) return mp_mem_error(s->job.mem, (size_t)n * sizeof *s->stored, err);
    s->sync_at_once = n > MP_SHARD_SYNC_EACH;
    mp_status st = alone ? choose_types(s, &in, err) : MP_OK;
    for (int64_t i = 0; i < n && !st; i++)
        st = store(s, alone, &in, i, err);
    if (!st && s->sync_at_once) st = mp_shard_files_sync_all(s->files, err);
    return st;
}

mp_status mp_split_store(mp_split *s, mp_error *err) {
    mp_comm *c = s->job.c, *alone = NULL;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = MP_OK;
    if (s->spec->format != MP_FORMAT_H5 && s->spec->packing == MP_PACK_NONE) return MP_OK;
    if (s->spec->format == MP_FORMAT_H5) st = mp_comm_alone(&alone, &mine);
    if (!st) st = store_all(s, alone, &mine);
    mp_comm_free(&alone);
    st = mp_comm_agree_on(c, st, &mine, err);
    if (!st) mp_shard_files_remove(s->files);
    return st;
}
