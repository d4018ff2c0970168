/* map_dict_out.c - --dict-out: all pairs in the order of their keys, as an answer of two columns.
 * Invariant: every rank has its pairs sorted; in each round it sends the next of them, and rank 0 takes those that no
 * rank can have a lesser one of behind them as pieces of the answer. So no more than a piece of each rank is held. */
#include <stdlib.h>

#include "base/str.h"
#include "io/output/output_json.h"
#include "run/answer.h"
#include "run/fault.h"
#include "run/map/map_dict.h"

enum { PIECE = 256 * 1024 };

typedef struct {
    const mp_dict_entry **entries;
    size_t n, at;
} sorted;

static int by_key(const void *a, const void *b) {
    const mp_dict_entry *x = *(const mp_dict_entry *const *)a,
                        *y = *(const mp_dict_entry *const *)b;
    return mp_str_cmp(mp_str_of((const char *)x->key, x->key_len),
                      mp_str_of((const char *)y->key, y->key_len));
}

static bool add_entry(void *ctx, const mp_dict_entry *e) {
    sorted *s = ctx;
    s->entries[s->n++] = e;
    return true;
}

static bool sort_table(const mp_dict_table *t, mp_mem *mem, sorted *s) {
    s->entries = mp_mem_alloc(mem, (t->n + 1) * sizeof(mp_dict_entry *));
    s->n = s->at = 0;
    if (!s->entries) return false;
    mp_dict_table_each(t, add_entry, s);
    qsort(s->entries, s->n, sizeof *s->entries, by_key);
    return true;
}

/* ---- one pair ---- */

static void put_json_value(mp_buf *b, const mp_dict_entry *e) {
    mp_dict_value v = mp_dict_entry_value(e);
    char text[MP_DICT_TEXT_MAX];
    size_t n;
    const void *p = mp_dict_value_text(&v, text, &n);
    if (v.type == MP_DICT_BYTES)
        mp_json_put_string(b, p, n);
    else
        mp_buf_put(b, p, n);
}

/* A hash as an object, a set as an array, in the order of the names. */
static bool put_sub(mp_buf *b, const mp_dict_entry *e, mp_mem *mem) {
    sorted s = {0};
    bool hash = e->type == MP_DICT_HASH;
    if (!sort_table(e->sub, mem, &s)) return false;
    mp_buf_u8(b, hash ? '{' : '[');
    for (size_t i = 0; i < s.n; i++) {
        if (i > 0) mp_buf_u8(b, ',');
        mp_json_put_string(b, s.entries[i]->key, s.entries[i]->key_len);
        if (hash) mp_buf_u8(b, ':');
        if (hash) put_json_value(b, s.entries[i]);
    }
    mp_buf_u8(b, hash ? '}' : ']');
    mp_mem_free(mem, s.entries);
    return true;
}

/* Key, whether the value is bytes (a string in JSON), the value's text. */
static bool put_pair(mp_buf *b, const mp_dict_entry *e, mp_mem *mem) {
    char text[MP_DICT_TEXT_MAX];
    size_t n;
    mp_buf_bytes(b, e->key, e->key_len);
    mp_buf_u8(b, e->type == MP_DICT_BYTES);
    if (e->type == MP_DICT_HASH || e->type == MP_DICT_SET) {
        /* as mp_buf_bytes; in place, since a text may be as long as all that the dictionary has */
        size_t at = b->len + sizeof(uint32_t);
        mp_buf_u32(b, 0);
        bool ok = put_sub(b, e, mem) && !b->failed && b->len - at < UINT32_MAX;
        if (ok)
            memcpy(b->data + at - sizeof(uint32_t), &(uint32_t){(uint32_t)(b->len - at)},
                   sizeof(uint32_t));
        return ok;
    }
    mp_dict_value v = mp_dict_entry_value(e);
    const void *p = mp_dict_value_text(&v, text, &n);
    mp_buf_bytes(b, p, n);
    return true;
}

/* The next pairs of this rank. Returns the entries taken. */
static size_t next_piece(const sorted *s, mp_mem *mem, mp_buf *b, mp_status *st, mp_error *err) {
    size_t i = s->at;
    mp_buf_clear(b);
    for (; i < s->n && b->len < PIECE && *st == MP_OK; i++)
        if (!put_pair(b, s->entries[i], mem) || b->failed) *st = mp_mem_error(mem, PIECE, err);
    mp_buf_u8(b, i == s->n); /* the last byte: nothing comes behind */
    return i;
}

/* ---- rank 0 ---- */

typedef struct {
    mp_rd rd;
    mp_str key, value;
    bool bytes;      /* the value is */
    bool more, last; /* a pair is there; nothing comes behind the piece */
} piece;

typedef struct {
    mp_map_job *j;
    mp_spec spec;
    mp_answer *answer;
    bool json;
    sorted s;
    mp_buf own, bound;
    /* rank 0 */
    piece *pieces;
    int64_t n_pieces; /* of the answer */
    mp_buf all, text;
    mp_str keys[MP_BATCH_ROWS], values[MP_BATCH_ROWS];
    bool bytes[MP_BATCH_ROWS];
    int32_t n_rows; /* they wait to be written; their texts are in `all` */
} writing;

static void advance(piece *p) {
    size_t n, m;
    p->more = mp_rd_left(&p->rd) > 0;
    if (!p->more) return;
    const char *key = mp_rd_bytes(&p->rd, &n);
    p->bytes = mp_rd_u8(&p->rd);
    const char *value = mp_rd_bytes(&p->rd, &m);
    p->key = mp_str_of(key, n);
    p->value = mp_str_of(value, m);
}

/* A column of JSON has one type, values of a dictionary have one each. */
static void put_json_rows(const writing *w, mp_buf *b) {
    for (int32_t i = 0; i < w->n_rows; i++) {
        mp_buf_put(b, "{\"key\":", 7);
        mp_json_put_string(b, w->keys[i].p, w->keys[i].len);
        mp_buf_put(b, ",\"value\":", 9);
        if (w->bytes[i])
            mp_json_put_string(b, w->values[i].p, w->values[i].len);
        else
            mp_buf_put(b, w->values[i].p, w->values[i].len);
        mp_buf_put(b, "}\n", 2);
    }
}

typedef struct {
    mp_order *order;
    bool all; /* wait for all that was submitted; else for room */
    mp_status st;
    mp_error *err;
} pushing;

static bool is_written(void *ctx) {
    pushing *p = ctx;
    bool did = false;
    if (p->st == MP_OK) p->st = mp_order_push(p->order, &did, p->err);
    return p->st != MP_OK || (p->all ? mp_order_quiet(p->order) : !mp_order_busy(p->order));
}

static mp_status push(writing *w, bool all, mp_error *err) {
    pushing p = {mp_answer_order(w->answer), all, MP_OK, err};
    mp_status st = mp_comm_wait(w->j->c, is_written, &p, "the dictionary's output", err);
    return st == MP_OK ? p.st : st;
}

static mp_status write_rows(writing *w, mp_error *err) {
    mp_col cols[] = {{.type = MP_STRING, .str = w->keys}, {.type = MP_STRING, .str = w->values}};
    mp_batch batch = {.n_rows = w->n_rows, .n_cols = 2, .cols = cols};
    if (w->n_rows == 0) return MP_OK;
    mp_buf_clear(&w->text);
    if (w->json)
        put_json_rows(w, &w->text);
    else
        mp_answer_format_rows(w->answer, &batch, &w->text, NULL);
    mp_status st = mp_buf_check(&w->text, err);
    if (st == MP_OK)
        st = mp_order_submit(mp_answer_order(w->answer), w->n_pieces++, &w->text, w->n_rows, NULL,
                             err);
    w->n_rows = 0;
    return st == MP_OK ? push(w, false, err) : st;
}

/* Takes the least pairs until a rank's piece is used up that does not end its pairs; bound gets the last key. */
static mp_status merge(writing *w, mp_error *err) {
    int n = mp_comm_size(w->j->c);
    piece *p = w->pieces;
    mp_status st = MP_OK;
    mp_buf_clear(&w->bound);
    while (st == MP_OK) {
        int least = -1;
        bool used_up = false;
        for (int r = 0; r < n; r++) {
            used_up = used_up || (!p[r].more && !p[r].last);
            if (p[r].more && (least < 0 || mp_str_cmp(p[r].key, p[least].key) < 0)) least = r;
        }
        if (used_up || least < 0) return write_rows(w, err);
        w->keys[w->n_rows] = p[least].key;
        w->values[w->n_rows] = p[least].value;
        w->bytes[w->n_rows++] = p[least].bytes;
        mp_buf_clear(&w->bound);
        mp_buf_put(&w->bound, p[least].key.p, p[least].key.len);
        advance(&p[least]);
        st = mp_buf_check(&w->bound, err);
        if (st == MP_OK && w->n_rows == MP_BATCH_ROWS) st = write_rows(w, err);
    }
    return st;
}

static bool cut_pieces(const mp_buf *all, piece *p, int n) {
    mp_rd rd = mp_rd_of(all->data, all->len);
    for (int r = 0; r < n; r++) {
        size_t len = (size_t)mp_rd_u64(&rd);
        const uint8_t *bytes = mp_rd_raw(&rd, len);
        if (!bytes || len == 0) return false;
        p[r] = (piece){.rd = mp_rd_of(bytes, len - 1), .last = bytes[len - 1]};
        advance(&p[r]);
    }
    return true;
}

/* ---- every rank ---- */

/* One round. *over: all pairs are taken. An error stays in *st until the agreement behind the last round. */
static mp_status one_round(writing *w, mp_status *st, mp_error *mine, bool *over, mp_error *err) {
    mp_map_job *j = w->j;
    size_t last = next_piece(&w->s, &j->dict->mem, &w->own, st, mine);
    mp_buf_clear(&w->all);
    mp_status sent = mp_comm_gather(j->c, w->own.data, w->own.len, &w->all, err);
    if (sent == MP_OK && mp_comm_rank(j->c) == 0) {
        if (*st == MP_OK && !cut_pieces(&w->all, w->pieces, mp_comm_size(j->c)))
            *st = mp_error_set(mine, MP_FAILED, "dictionary", "the pairs of a rank are cut off");
        if (*st == MP_OK) *st = merge(w, mine);
    }
    int64_t flags[2] = {last < w->s.n, *st != MP_OK};
    if (sent == MP_OK) sent = mp_comm_allreduce(j->c, flags, 2, MP_MAX, err);
    if (sent != MP_OK) return sent;
    *over = !flags[0] || flags[1];
    if (*over) return MP_OK;
    sent = mp_comm_bcast(j->c, &w->bound, err);
    mp_str bound = mp_str_of((const char *)w->bound.data, w->bound.len);
    while (w->s.at < last) {
        const mp_dict_entry *e = w->s.entries[w->s.at];
        if (mp_str_cmp(mp_str_of((const char *)e->key, e->key_len), bound) > 0) break;
        w->s.at++;
    }
    return sent;
}

static mp_status write_pairs(writing *w, mp_error *err) {
    mp_map_job *j = w->j;
    mp_error mine = MP_ERROR_INIT;
    bool over = false;
    mp_status own = MP_OK, st = MP_OK;
    while (st == MP_OK && !over)
        st = one_round(w, &own, &mine, &over, err);
    if (st != MP_OK) return st;
    st = own == MP_OK ? push(w, true, &mine) : own;
    if (st == MP_OK) st = mp_order_failure(mp_answer_order(w->answer), &mine);
    return mp_comm_agree_on(j->c, st, &mine, err);
}

static mp_status begin(writing *w, mp_error *err) {
    static const char *const names[] = {"key", "value"};
    static const mp_type types[] = {MP_STRING, MP_STRING};
    mp_map_job *j = w->j;
    mp_mem *mem = &j->dict->mem;
    size_t n = (size_t)mp_comm_size(j->c);
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_fault_check(mp_comm_rank(j->c), "dict-out", &mine);
    if (st == MP_OK && !sort_table(mp_dict_own(j->dict->dict), mem, &w->s))
        st = mp_mem_error(mem, 8, &mine);
    w->pieces = mp_mem_calloc(mem, n, sizeof *w->pieces);
    if (st == MP_OK && !w->pieces) st = mp_mem_error(mem, n * sizeof *w->pieces, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st == MP_OK) st = mp_answer_open(j->c, &w->spec, j->mem, &w->answer, err);
    if (st != MP_OK) return st;
    st = mp_answer_columns(w->answer, names, types, NULL, 2, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    return st == MP_OK ? mp_answer_begin(w->answer, false, err) : st;
}

/* Its strings are too long for HDF5: a query's hint is of no use here. */
static void explain_length(const mp_map_job *j, mp_error *err) {
    err->hint[0] = 0;
    if (j->journalled)
        mp_error_hint(err,
                      "CSV and NDJSON have no such limit; nothing is lost: --resume --run-dir %s "
                      "--dict-out FILE.ndjson",
                      j->folder);
    else
        mp_error_hint(err, "CSV and NDJSON have no such limit: --dict-out FILE.ndjson");
}

static mp_status finish(writing *w, mp_error *err) {
    mp_report report;
    int64_t rows, bytes;
    mp_report_init(&report);
    mp_status st = mp_answer_store(w->answer, &report, err);
    mp_report_release(&report);
    if (st == MP_OK) st = mp_answer_finish(w->answer, &rows, &bytes, err);
    if (st == MP_DATA) explain_length(w->j, err);
    return st;
}

mp_status mp_map_dict_write(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_text_format format = MP_FORMAT_CSV;
    if (!j->dict || !j->map->dict_out) return MP_OK;
    mp_mem *mem = &j->dict->mem;
    writing *w = mp_mem_calloc(mem, 1, sizeof *w);
    mp_status st = w ? MP_OK : mp_mem_error(mem, sizeof *w, &mine);
    st = mp_comm_agree_on(j->c, st, &mine, err);
    if (st != MP_OK) {
        mp_mem_free(mem, w);
        return st;
    }
    w->j = j;
    w->spec = (mp_spec){.output = j->spec->output, .run = j->spec->run, .query.limit_rows = -1};
    w->spec.output.path = j->map->dict_out;
    w->spec.output.format = -1;
    (void)mp_text_format_of(j->map->dict_out, &format);
    w->json = format == MP_FORMAT_NDJSON;
    mp_buf *const bufs[] = {&w->own, &w->all, &w->text, &w->bound};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        mp_buf_init(bufs[i], NULL);
    st = begin(w, err);
    if (st == MP_OK) st = write_pairs(w, err);
    if (st == MP_OK) st = finish(w, err);
    mp_answer_free(&w->answer);
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        mp_buf_release(bufs[i]);
    mp_mem_free(mem, w->s.entries);
    mp_mem_free(mem, w->pieces);
    mp_mem_free(mem, w);
    return st;
}
