/* gen.c - `mpart gen`: the tables are cut into pieces of rows, every rank makes pieces, the ordered
 * sink puts them in place: its own for CSV, that of an answer for other formats.
 * Invariant: piece p of a table has rows [p * PIECE_ROWS, (p + 1) *
 * PIECE_ROWS), whatever the number of ranks; the first one begins with the header. No file gets its
 * name before all are complete. */
#include "run/gen/gen.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/leftover.h"
#include "io/output/output.h"
#include "run/fault.h"
#include "run/flow.h"
#include "run/gen/gen_typed.h"
#include "run/order/order.h"

enum { PIECE_ROWS = 16384, STEP_ROWS = 1024, ORDER_BYTES = 32 << 20, PATH_CAP = 4096 };

typedef struct {
    mp_comm *c;
    const mp_gen_spec *spec;
    mp_mem *mem;
    mp_report *report;
    mp_gen_table tables[MP_GEN_TABLES];
    int n_tables;
    mp_out_file *files[MP_GEN_TABLES];
    mp_packing packing; /* of a file; the files of a folder are plain */
    bool made_folder;   /* rank 0 */
    int leftover;       /* of that folder, -1 */
    bool is_stream;
    int stream_fd; /* rank 0 */

    /* a table that is no CSV */
    mp_spec as;
    mp_answer *answer; /* NULL: CSV */
    mp_gen_typed typed;
    char origin[128];

    /* of the table under way */
    int table;
    mp_order *order;
    mp_flow_run *flow;
    uint64_t n_pieces, next_piece; /* next: rank 0 */
    uint64_t piece, row, row_end;
    mp_buf text;
    size_t expected; /* bytes of a piece, from the one before */
} gen;

static bool is_root(const gen *g) {
    return mp_comm_rank(g->c) == 0;
}

/* Collective: all leave with the status of the first of the ranks' errors. */
static mp_status agree(const gen *g, mp_error *mine, mp_error *err) {
    mp_status st = mp_comm_agree(g->c, mine);
    if (st != MP_OK && err) *err = *mine;
    return st;
}

/* ---- the targets ---- */

static mp_status check_empty(const char *folder, mp_error *err) {
    DIR *dir = opendir(folder);
    if (!dir) return mp_error_errno(err, errno, "cannot write", folder);
    bool empty = true;
    for (struct dirent *e = readdir(dir); e && empty; e = readdir(dir))
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(dir);
    if (empty) return MP_OK;
    mp_error_set(err, MP_USAGE, "cannot write", "the folder is not empty");
    mp_error_file(err, folder);
    mp_error_hint(err, "--force writes into it all the same");
    return MP_USAGE;
}

/* Rank 0. */
static mp_status make_folder(gen *g, mp_error *err) {
    const char *folder = g->spec->path;
    if (mkdir(folder, 0777) == 0) {
        g->made_folder = true;
        g->leftover = mp_leftover_add(folder, MP_LEFTOVER_FOLDER);
        return MP_OK;
    }
    if (errno != EEXIST) return mp_error_errno(err, errno, "cannot make the folder", folder);
    return g->spec->force ? MP_OK : check_empty(folder, err);
}

static mp_status target_name(const gen *g, int i, char *path, mp_error *err) {
    const char *file = g->tables[i].file;
    int n = snprintf(path, PATH_CAP, "%s%s%s", g->spec->path, file ? "/" : "", file ? file : "");
    if (n < 0 || n >= PATH_CAP) return mp_error_errno(err, ENAMETOOLONG, "cannot write", file);
    return MP_OK;
}

/* Rank 0: the temporaries, or the stream. */
static mp_status create_targets(gen *g, mp_error *err) {
    char path[PATH_CAP];
    bool is_terminal;
    mp_status st = MP_OK;
    if (!g->spec->path || strcmp(g->spec->path, "-") == 0) {
        g->is_stream = true;
        return mp_stdout_open(&g->stream_fd, &is_terminal, err);
    }
    if (g->tables[0].file) st = make_folder(g, err);
    for (int i = 0; i < g->n_tables && st == MP_OK; i++) {
        st = target_name(g, i, path, err);
        if (st == MP_OK) st = mp_out_create(path, &g->files[i], err);
    }
    if (st == MP_OK && g->n_tables == 1) {
        g->stream_fd = mp_out_direct_fd(g->files[0]);
        g->is_stream = g->stream_fd >= 0;
    }
    return st;
}

static mp_status join_targets(gen *g, const mp_buf *b, mp_error *err) {
    char path[PATH_CAP];
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    mp_rd rd = mp_rd_of(b->data, b->len);
    mp_status st = MP_OK;
    g->is_stream = mp_rd_u8(&rd) != 0;
    for (int i = 0; i < g->n_tables && !g->is_stream && st == MP_OK; i++) {
        const char *temp = NULL;
        if (!mp_rd_text(&rd, &arena, &temp) || !temp)
            st = mp_error_nomem(err, PATH_CAP, 0);
        else
            st = target_name(g, i, path, err);
        if (st == MP_OK) st = mp_out_join(path, temp, &g->files[i], err);
    }
    mp_arena_release(&arena);
    return st;
}

/* Collective. */
static mp_status open_targets(gen *g, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_fault_check(mp_comm_rank(g->c), "open", &mine);
    if (st == MP_OK && is_root(g)) (void)!create_targets(g, &mine);
    st = agree(g, &mine, err);
    if (st != MP_OK) return st;
    mp_buf b;
    mp_buf_init(&b, NULL);
    if (is_root(g)) {
        mp_buf_u8(&b, g->is_stream);
        for (int i = 0; i < g->n_tables && !g->is_stream; i++)
            mp_buf_text(&b, mp_out_temp(g->files[i]));
        (void)!mp_buf_check(&b, &mine);
    }
    st = mp_comm_bcast(g->c, &b, &mine);
    if (st == MP_OK && !is_root(g)) (void)!join_targets(g, &b, &mine);
    mp_buf_release(&b);
    return agree(g, &mine, err);
}

/* Collective: every rank's bytes are on disk, then the files get their names. */
static mp_status commit_targets(gen *g, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_fault_check(mp_comm_rank(g->c), "commit", &mine);
    for (int i = 0; i < g->n_tables && st == MP_OK; i++)
        if (g->files[i]) st = mp_out_sync(g->files[i], &mine);
    st = agree(g, &mine, err);
    if (st != MP_OK) return st;
    for (int i = 0; i < g->n_tables && st == MP_OK && is_root(g); i++)
        if (g->files[i]) st = mp_out_commit(&g->files[i], &mine);
    return agree(g, &mine, err);
}

static void drop_targets(gen *g, bool failed) {
    for (int i = 0; i < g->n_tables; i++)
        mp_out_abandon(&g->files[i]);
    mp_leftover_drop(g->leftover);
    if (failed && g->made_folder) (void)!rmdir(g->spec->path);
}

/* ---- the flow of one table ---- */

static void attach(void *ctx, mp_flow_run *run) {
    ((gen *)ctx)->flow = run;
}

static mp_status next_split(void *ctx, mp_buf *desc, mp_split_state *state, mp_error *err) {
    gen *g = ctx;
    (void)err;
    *state = g->next_piece < g->n_pieces ? MP_SPLIT_GOT : MP_SPLIT_NONE;
    if (*state == MP_SPLIT_GOT) mp_buf_u64(desc, g->next_piece++);
    return MP_OK;
}

static mp_status split_report(void *ctx, int src, int64_t split, mp_status status, mp_rd *report,
                              mp_error *err) {
    (void)ctx, (void)src, (void)split, (void)status, (void)report, (void)err;
    return MP_OK;
}

static mp_status split_begin(void *ctx, int64_t split, const uint8_t *desc, size_t len,
                             mp_error *err) {
    gen *g = ctx;
    const mp_gen_table *t = &g->tables[g->table];
    mp_rd rd = mp_rd_of(desc, len);
    (void)split;
    g->piece = mp_rd_u64(&rd);
    g->row = g->piece * PIECE_ROWS;
    g->row_end = t->n_rows - g->row < PIECE_ROWS ? t->n_rows : g->row + PIECE_ROWS;
    mp_buf_clear(&g->text);
    mp_buf_reserve(&g->text, g->expected);
    if (g->piece == 0 && !g->answer) mp_buf_put(&g->text, t->header, strlen(t->header));
    return mp_buf_check(&g->text, err);
}

static mp_status submit(gen *g, mp_error *err) {
    uint64_t rows = g->row_end - g->piece * PIECE_ROWS;
    g->report->mine.rows += (int64_t)rows;
    g->report->mine.bytes += (int64_t)g->text.len;
    g->expected = g->text.len + g->text.len / 16;
    return mp_order_submit(g->order, (int64_t)g->piece, &g->text, (int64_t)rows, NULL, err);
}

static mp_status split_step(void *ctx, bool *done, mp_error *err) {
    gen *g = ctx;
    const mp_gen_table *t = &g->tables[g->table];
    uint64_t end = g->row_end - g->row < STEP_ROWS ? g->row_end : g->row + STEP_ROWS;
    if (g->answer) {
        mp_status st = mp_gen_typed_rows(&g->typed, t, g->row, end, g->answer, &g->text, err);
        if (st) return st;
        g->row = end;
    }
    for (; g->row < end; g->row++) {
        if (g->text.cap - g->text.len < MP_GEN_ROW_MAX && !mp_buf_reserve(&g->text, MP_GEN_ROW_MAX))
            return mp_buf_check(&g->text, err);
        char *at = (char *)g->text.data + g->text.len;
        g->text.len += (size_t)(t->row(t, g->row, at) - at);
    }
    *done = g->row == g->row_end;
    return *done ? submit(g, err) : MP_OK;
}

static mp_status split_end(void *ctx, mp_buf *report, mp_error *err) {
    (void)ctx, (void)report, (void)err;
    return MP_OK;
}

static mp_status push(void *ctx, bool *did, mp_error *err) {
    gen *g = ctx;
    mp_status st = mp_order_push(g->order, did, err);
    if (st == MP_OK && is_root(g) && mp_order_enough(g->order))
        mp_flow_stop(g->flow, MP_FLOW_ENOUGH);
    return st;
}

static bool quiet(void *ctx) {
    return mp_order_quiet(((gen *)ctx)->order);
}

static bool busy(void *ctx) {
    return mp_order_busy(((gen *)ctx)->order);
}

/* Bytes to come are judged by the rows: -1 until there are some. */
static void tick(void *ctx) {
    gen *g = ctx;
    if (!g->report->tick) return;
    double rows = 0, all = 0;
    for (int i = 0; i < g->n_tables; i++) {
        all += (double)g->tables[i].n_rows;
        if (i < g->table) rows += (double)g->tables[i].n_rows;
    }
    double bytes = (double)(g->report->bytes_out + mp_order_bytes(g->order));
    rows += (double)mp_order_rows(g->order);
    mp_report_progress at = {.done_bytes = (int64_t)bytes,
                             .total_bytes = rows > 0 ? (int64_t)(bytes * all / rows) : -1,
                             .slowest = -1};
    g->report->tick(g->report->tick_ctx, &at);
}

/* Collective. */
static mp_status open_order(gen *g, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    int64_t budget = g->mem->limit_bytes / 4;
    mp_order_args args = {.file = g->is_stream ? NULL : g->files[g->table],
                          .stream_fd = g->stream_fd,
                          .packing = g->packing,
                          .limit_rows = -1,
                          .budget_bytes = budget > 0 && budget < ORDER_BYTES ? budget : ORDER_BYTES,
                          .pass = mp_comm_serial(g->c),
                          .mem = g->mem};
    if (g->answer)
        g->order = mp_answer_order(g->answer);
    else
        (void)!mp_order_new(g->c, &args, &g->order, &mine);
    return agree(g, &mine, err);
}

/* Collective. */
static mp_status make_table(gen *g, int table, mp_error *err) {
    g->table = table;
    g->next_piece = 0;
    g->n_pieces = (g->tables[table].n_rows + PIECE_ROWS - 1) / PIECE_ROWS;
    if (g->n_pieces == 0) g->n_pieces = 1; /* the header */
    const mp_flow flow = {.name = "output",
                          .ctx = g,
                          .mem = g->mem,
                          .attach = attach,
                          .next_split = next_split,
                          .split_report = split_report,
                          .split_begin = split_begin,
                          .split_step = split_step,
                          .split_end = split_end,
                          .quiet = quiet,
                          .busy = busy,
                          .push = push,
                          .tick = tick};
    mp_flow_result result = {0};
    mp_status st = open_order(g, err);
    if (st == MP_OK) st = mp_flow_execute(g->c, &flow, &result, err);
    g->report->mine.seconds += result.busy_seconds;
    if (g->answer) {
        g->order = NULL;
        return st;
    }
    if (st == MP_OK) st = mp_order_finish(g->order, err);
    if (st == MP_OK && is_root(g)) {
        g->report->rows_out += mp_order_rows(g->order);
        g->report->bytes_out += mp_order_bytes(g->order);
    }
    mp_order_free(&g->order);
    mp_report_sample(g->report);
    return st;
}

/* ---- the command ---- */

static void describe(const gen *g, mp_buf *text) {
    for (int i = 0; i < g->n_tables; i++) {
        const mp_gen_table *t = &g->tables[i];
        mp_buf_printf(text, "make %s%s%s: %" PRIu64 " rows in pieces of %d, %s",
                      g->spec->path ? g->spec->path : "-", t->file ? "/" : "",
                      t->file ? t->file : "", t->n_rows, (int)PIECE_ROWS, t->header);
    }
}

/* What made the file, for those that say so. */
static void tell_origin(gen *g, const mp_spec *all) {
    static const char *const kinds[] = {"groupby", "join", "orders"};
    int n = snprintf(g->origin, sizeof g->origin, "gen %s --rows %" PRId64, kinds[g->spec->kind],
                     g->spec->n_rows);
    if (g->spec->kind == MP_GEN_GROUPBY)
        n += snprintf(g->origin + n, sizeof g->origin - (size_t)n, " --groups %" PRId64,
                      g->spec->n_groups);
    snprintf(g->origin + n, sizeof g->origin - (size_t)n, " --seed %" PRId64, g->spec->seed);
    g->as = *all;
    g->as.output.path = g->spec->path;
    g->as.output.format = g->spec->format == MP_FORMAT_CSV ? -1 : g->spec->format;
    g->as.output.origin = g->origin;
}

/* Collective: the one table as another format than CSV. */
static mp_status make_answer(gen *g, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_answer_open(g->c, &g->as, g->mem, &g->answer, err);
    if (st != MP_OK) return st;
    (void)!mp_fault_check(mp_comm_rank(g->c), "open", &mine);
    bool texts = g->as.output.format == MP_FORMAT_TSV;
    st = mp_gen_typed_init(&g->typed, &g->tables[0], texts, g->mem, &mine);
    if (st == MP_OK)
        (void)!mp_answer_columns(g->answer, g->typed.names, g->typed.types, NULL, g->typed.n_cols,
                                 &mine);
    st = agree(g, &mine, err);
    if (st == MP_OK) st = mp_answer_begin(g->answer, true, err);
    if (st == MP_OK) st = make_table(g, 0, err);
    if (st == MP_OK) st = mp_answer_store(g->answer, g->report, err);
    if (st != MP_OK) return st;
    (void)!mp_fault_check(mp_comm_rank(g->c), "commit", &mine);
    st = agree(g, &mine, err);
    return st == MP_OK
               ? mp_answer_finish(g->answer, &g->report->rows_out, &g->report->bytes_out, err)
               : st;
}

static mp_status run_gen(gen *g, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    (void)!mp_fault_check(mp_comm_rank(g->c), "plan", &mine);
    mp_status st = agree(g, &mine, err);
    if (st == MP_OK && g->as.output.format >= 0) return make_answer(g, err);
    if (st == MP_OK) st = open_targets(g, err);
    for (int i = 0; i < g->n_tables && st == MP_OK; i++)
        st = make_table(g, i, err);
    return st == MP_OK ? commit_targets(g, err) : st;
}

mp_status mp_gen_run(mp_comm *c, const mp_gen_spec *spec, const mp_spec *all, mp_mem *mem,
                     mp_buf *text, mp_report *report, mp_error *err) {
    gen g = {.c = c, .spec = spec, .mem = mem, .report = report, .stream_fd = -1, .leftover = -1};
    double start = mp_clock_s();
    g.n_tables = mp_gen_tables(spec, g.tables);
    if (spec->path && !g.tables[0].file) g.packing = mp_text_packing_of(spec->path);
    tell_origin(&g, all);
    if (all->run.plan_only) {
        if (is_root(&g)) describe(&g, text);
        return MP_OK;
    }
    mp_buf_init(&g.text, mem);
    mp_status st = run_gen(&g, err);
    drop_targets(&g, st != MP_OK);
    mp_answer_free(&g.answer);
    mp_gen_typed_release(&g.typed);
    mp_buf_release(&g.text);
    mp_report_phase *p = mp_report_phase_of(report, "output");
    if (p) {
        p->seconds = mp_clock_s() - start;
        p->rows = report->rows_out;
        p->bytes = report->bytes_out;
        p->passes = 1;
    }
    return st;
}
