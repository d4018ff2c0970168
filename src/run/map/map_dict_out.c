/* map_dict_out.c - --dict-out: all pairs in the order of their keys.
 * Invariant: every rank has its pairs sorted; in each round it sends the next of them, and rank 0 writes those that
 * no rank can have a lesser one of behind them. So no more than a piece of each rank is held. */
#include <stdlib.h>

#include "base/str.h"
#include "io/output/output_json.h"
#include "run/fault.h"
#include "run/map/map_dict.h"

enum { PIECE = 256 * 1024 };

typedef struct {
    const mp_dict_entry **entries;
    size_t n, at;
    bool json;
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

/* ---- one pair as text ---- */

static void put_csv(mp_buf *b, const uint8_t *p, size_t n) {
    bool quotes = n == 0;
    for (size_t i = 0; i < n && !quotes; i++)
        quotes = p[i] == ',' || p[i] == '"' || p[i] == '\n' || p[i] == '\r';
    if (!quotes) {
        mp_buf_put(b, p, n);
        return;
    }
    mp_buf_u8(b, '"');
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"') mp_buf_u8(b, '"');
        mp_buf_u8(b, p[i]);
    }
    mp_buf_u8(b, '"');
}

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
    sorted s = {.json = true};
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

static bool put_pair(mp_buf *b, const mp_dict_entry *e, bool json, mp_mem *mem) {
    bool sub = e->type == MP_DICT_HASH || e->type == MP_DICT_SET, ok = true;
    char text[MP_DICT_TEXT_MAX];
    size_t n;
    if (json) {
        mp_buf_put(b, "{\"key\":", 7);
        mp_json_put_string(b, e->key, e->key_len);
        mp_buf_put(b, ",\"value\":", 9);
        if (sub)
            ok = put_sub(b, e, mem);
        else
            put_json_value(b, e);
        mp_buf_put(b, "}\n", 2);
        return ok;
    }
    put_csv(b, e->key, e->key_len);
    mp_buf_u8(b, ',');
    if (sub) {
        mp_buf inner;
        mp_buf_init(&inner, mem);
        ok = put_sub(&inner, e, mem) && !inner.failed;
        if (ok) put_csv(b, inner.data, inner.len);
        mp_buf_release(&inner);
    } else {
        mp_dict_value v = mp_dict_entry_value(e);
        const void *p = mp_dict_value_text(&v, text, &n);
        put_csv(b, p, n);
    }
    mp_buf_u8(b, '\n');
    return ok;
}

/* The next pairs of this rank: key and text of each. Returns the entries taken. */
static size_t next_piece(const sorted *s, mp_mem *mem, mp_buf *b, mp_status *st, mp_error *err) {
    size_t i = s->at;
    mp_buf text;
    mp_buf_init(&text, mem);
    mp_buf_clear(b);
    for (; i < s->n && b->len < PIECE && *st == MP_OK; i++) {
        mp_buf_clear(&text);
        bool ok = put_pair(&text, s->entries[i], s->json, mem);
        mp_buf_bytes(b, s->entries[i]->key, s->entries[i]->key_len);
        mp_buf_bytes(b, text.data, text.len);
        if (!ok || text.failed || b->failed) *st = mp_mem_error(mem, PIECE, err);
    }
    mp_buf_release(&text);
    mp_buf_u8(b, i == s->n); /* the last byte: nothing comes behind */
    return i;
}

/* ---- rank 0 ---- */

typedef struct {
    mp_rd rd;
    mp_str key, text;
    bool more, last; /* a pair is there; nothing comes behind the piece */
} piece;

static void advance(piece *p) {
    size_t n, m;
    p->more = mp_rd_left(&p->rd) > 0;
    if (!p->more) return;
    const char *key = mp_rd_bytes(&p->rd, &n), *text = mp_rd_bytes(&p->rd, &m);
    p->key = mp_str_of(key, n);
    p->text = mp_str_of(text, m);
}

static mp_status flush(mp_out_file *f, mp_buf *b, int64_t *at, mp_error *err) {
    mp_status st = mp_buf_check(b, err);
    if (st == MP_OK) st = mp_out_write_at(f, *at, b->data, b->len, err);
    *at += (int64_t)b->len;
    mp_buf_clear(b);
    return st;
}

/* Writes the least pairs until a rank's piece is used up that does not end its pairs; *bound gets the last key. */
static mp_status merge(piece *p, int n, mp_out_file *f, mp_buf *out, int64_t *at, mp_buf *bound,
                       mp_error *err) {
    mp_status st = MP_OK;
    mp_buf_clear(bound);
    while (st == MP_OK) {
        int least = -1;
        for (int r = 0; r < n; r++) {
            if (!p[r].more && !p[r].last) return st;
            if (p[r].more && (least < 0 || mp_str_cmp(p[r].key, p[least].key) < 0)) least = r;
        }
        if (least < 0) return st;
        mp_buf_put(out, p[least].text.p, p[least].text.len);
        mp_buf_clear(bound);
        mp_buf_put(bound, p[least].key.p, p[least].key.len);
        advance(&p[least]);
        if (out->len >= PIECE) st = flush(f, out, at, err);
        if (st == MP_OK) st = mp_buf_check(bound, err);
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

typedef struct {
    mp_map_job *j;
    sorted s;
    mp_out_file *f; /* rank 0 */
    piece *pieces;
    int64_t at;
    mp_buf own, all, out, bound;
} writing;

/* One round. *over: all is written. An error stays in *st until the agreement behind the last round. */
static mp_status one_round(writing *w, mp_status *st, mp_error *mine, bool *over, mp_error *err) {
    mp_map_job *j = w->j;
    int n = mp_comm_size(j->c);
    size_t last = next_piece(&w->s, &j->dict->mem, &w->own, st, mine);
    mp_buf_clear(&w->all);
    mp_status sent = mp_comm_gather(j->c, w->own.data, w->own.len, &w->all, err);
    if (sent == MP_OK && mp_comm_rank(j->c) == 0) {
        if (*st == MP_OK && !cut_pieces(&w->all, w->pieces, n))
            *st = mp_error_set(mine, MP_FAILED, "dictionary", "the pairs of a rank are cut off");
        if (*st == MP_OK) *st = merge(w->pieces, n, w->f, &w->out, &w->at, &w->bound, mine);
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

static mp_status begin(writing *w, mp_error *err) {
    mp_map_job *j = w->j;
    mp_status st = mp_fault_check(mp_comm_rank(j->c), "dict-out", err);
    if (st == MP_OK && !sort_table(mp_dict_own(j->dict->dict), &j->dict->mem, &w->s))
        st = mp_mem_error(&j->dict->mem, 8, err);
    if (st != MP_OK || mp_comm_rank(j->c) > 0) return st;
    w->pieces = calloc((size_t)mp_comm_size(j->c), sizeof *w->pieces);
    if (!w->pieces) return mp_error_nomem(err, sizeof *w->pieces, 0);
    if (!w->s.json) mp_buf_put(&w->out, "key,value\n", 10);
    return mp_out_create(j->map->dict_out, &w->f, err);
}

mp_status mp_map_dict_write(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_text_format format = MP_FORMAT_CSV;
    writing w = {.j = j};
    bool over = false;
    if (!j->dict || !j->map->dict_out) return MP_OK;
    (void)mp_text_format_of(j->map->dict_out, &format);
    w.s.json = format == MP_FORMAT_NDJSON;
    mp_buf *const bufs[] = {&w.own, &w.all, &w.out, &w.bound};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        mp_buf_init(bufs[i], NULL);
    mp_status st = mp_comm_agree_on(j->c, begin(&w, &mine), &mine, err);
    while (st == MP_OK && !over) {
        mp_status own = MP_OK;
        st = one_round(&w, &own, &mine, &over, err);
        if (st == MP_OK && over && own == MP_OK && w.f) own = flush(w.f, &w.out, &w.at, &mine);
        if (st == MP_OK && over && own == MP_OK && w.f) own = mp_out_commit(&w.f, &mine);
        if (st == MP_OK && over) st = mp_comm_agree_on(j->c, own, &mine, err);
    }
    mp_out_abandon(&w.f);
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        mp_buf_release(bufs[i]);
    mp_mem_free(&j->dict->mem, w.s.entries);
    free(w.pieces);
    return st;
}
