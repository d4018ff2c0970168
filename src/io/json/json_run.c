/* json_run.c - see json_run.h. Lines of a known shape are read by the index of json_index.h, others
 * member by member: there the i-th key is guessed to be the i-th of the line before. */
#include "io/json/json_run.h"

#include <stdio.h>

#include "io/csv/csv_value.h"

enum {
    RUN_BYTES = 256 * 1024,
    MAX_FIELDS = 64 * 1024,
    PAD = 64,
    QUOTE = 0xFF /* in no UTF-8 text */
};
static const size_t MAX_RECORD = UINT32_MAX / 2 - RUN_BYTES; /* a transcript has 32-bit places */

mp_csv_dialect mp_json_dialect(const mp_csv_dialect *d) {
    return (mp_csv_dialect){.delimiter = ',',
                            .quote = (char)QUOTE,
                            .date_format = d->date_format,
                            .quoted_is_text = true};
}

static bool quote_keys(mp_json_run *x) {
    x->quoted = mp_arena_alloc(&x->lasting, (size_t)x->keys.n * sizeof *x->quoted + 1, 16);
    if (!x->quoted) return false;
    for (int c = 0; c < x->keys.n; c++) {
        const uint8_t *name = (const uint8_t *)x->keys.names[c];
        uint32_t n = x->keys.lens[c];
        char *text = mp_arena_alloc(&x->lasting, (size_t)n + 3, 1);
        if (!text) return false;
        bool plain = true;
        for (uint32_t i = 0; i < n; i++)
            plain = plain && name[i] >= 0x20 && name[i] != '"' && name[i] != '\\';
        text[0] = text[n + 1] = '"';
        text[n + 2] = ':';
        if (n) memcpy(text + 1, name, n);
        x->quoted[c] = mp_str_of(text, plain ? n + 3 : 0);
    }
    return true;
}

static bool init_index(mp_json_run *x) {
    mp_json_shapes_init(&x->shapes, &x->lasting, x->n_slots);
    x->kernels = mp_json_kernels_of(mp_simd_level());
    if (!x->kernels) return true;
    size_t ends = (MP_JSON_INDEX_BYTES + MP_JSON_INDEX_SLACK) * sizeof *x->index.ends;
    x->index.ends = mp_arena_alloc(&x->lasting, ends, 64);
    x->index.odd = mp_arena_alloc(&x->lasting, MP_JSON_INDEX_WORDS * sizeof *x->index.odd, 64);
    size_t words = MP_JSON_INDEX_WORDS * sizeof *x->index.odd;
    x->index.slash = mp_arena_alloc(&x->lasting, words, 64);
    x->index.nest = mp_arena_alloc(&x->lasting, words, 64);
    if (!x->index.ends || !x->index.odd || !x->index.slash || !x->index.nest) return false;
    memset(x->index.odd, 0, words);
    memset(x->index.slash, 0, words);
    memset(x->index.nest, 0, words);
    return true;
}

mp_status mp_json_run_init(mp_json_run *x, const mp_csv_args *args, int32_t *slot, int n_slots,
                           mp_error *err) {
    mp_mem *mem = args->mem;
    *x = (mp_json_run){.args = args, .slot = slot, .n_slots = n_slots};
    mp_arena_init(&x->lasting, mem);
    mp_arena_init(&x->run, mem);
    mp_buf_init(&x->text, mem);
    mp_buf_init(&x->name, mem);
    mp_buf_init(&x->flaws, mem);
    mp_json_keys_init(&x->keys, &x->lasting);
    mp_json_keys_init(&x->other, &x->lasting);
    for (int c = 0; c < args->n_columns; c++)
        if (mp_json_keys_add(&x->keys, mp_str_c(args->names[c])) < 0)
            return mp_mem_error(mem, 64, err);
    size_t n = (size_t)args->n_columns, slots = (size_t)n_slots;
    x->max_fields = (uint32_t)(slots > MAX_FIELDS ? slots : MAX_FIELDS);
    size_t row_bytes = (MP_BATCH_ROWS + 16) * sizeof *x->rec;
    x->order = mp_arena_alloc(&x->lasting, n * sizeof *x->order + 1, 16);
    x->values = mp_arena_alloc(&x->lasting, slots * sizeof *x->values + 1, 16);
    x->end = mp_arena_alloc(&x->lasting, (x->max_fields + 16) * sizeof *x->end, 64);
    x->rec = mp_arena_alloc(&x->lasting, row_bytes, 64);
    x->row_no = mp_arena_alloc(&x->lasting, row_bytes, 64);
    x->place = mp_arena_alloc(&x->lasting, row_bytes, 64);
    x->place_end = mp_arena_alloc(&x->lasting, row_bytes, 64);
    bool ok = quote_keys(x) && init_index(x) && x->order && x->values && x->end && x->rec &&
              x->row_no && x->place && x->place_end;
    if (!ok) return mp_mem_error(mem, n * 4 + slots * 24 + 4 * row_bytes, err);
    for (size_t i = 0; i < n; i++)
        x->order[i] = -1;
    return MP_OK;
}

void mp_json_run_release(mp_json_run *x) {
    if (!x->args) return;
    mp_arena_release(&x->lasting);
    mp_arena_release(&x->run);
    mp_buf_release(&x->text);
    mp_buf_release(&x->name);
    mp_buf_release(&x->flaws);
    *x = (mp_json_run){0};
}

void mp_json_run_forget(mp_json_run *x) {
    x->indexed = NULL;
}

/* What the functions below share while a run is filled. */
typedef struct {
    mp_json_run *x;
    const mp_csv_text *text;
    size_t at;
    mp_csv_run *run;
    bool gaps, quotes, doubled;
    int32_t n_rows;
    const uint8_t *line; /* without its newline */
    size_t line_len, next;
    uint32_t n_ends;            /* of the index that are the line's; 0: it was not found by it */
    const mp_json_shape *shape; /* of the line; NULL: it is not known */
    bool plain;                 /* its index has no odd byte */
    const char *flaw;           /* of the line */
    mp_json_value bad_key;      /* the first that is no column */
    bool unknown_key;
    bool nomem;
} filling;

/* ---- one line ---- */

static mp_str text_of(mp_json_run *x, const mp_json_value *v) {
    if (!v->escaped) return mp_str_of((const char *)v->p, v->len);
    mp_buf_clear(&x->name);
    if (!mp_buf_reserve(&x->name, v->len)) return mp_str_of("", 0);
    return mp_str_of((char *)x->name.data, mp_json_unescape(v->p, v->len, (char *)x->name.data));
}

/* The key that the i-th member probably has; returns its column, -1: no idea. */
static int32_t guess_key(const mp_json_run *x, int32_t i, mp_json_members *m) {
    int32_t c = i < x->args->n_columns ? x->order[i] : -1;
    m->guess = c >= 0 ? x->quoted[c].p : NULL;
    m->guess_len = c >= 0 ? x->quoted[c].len : 0;
    return c;
}

/* The column of the i-th member, -1: there is none. */
static int32_t column_of(mp_json_run *x, int32_t i, const mp_json_value *key) {
    int32_t c = mp_json_keys_find(&x->keys, text_of(x, key));
    if (i < x->args->n_columns) x->order[i] = c;
    return c;
}

static void no_values(mp_json_run *x) {
    for (int s = 0; s < x->n_slots; s++)
        x->values[s].kind = MP_JSON_NONE;
}

/* What the index leaves open of a line of a known shape: are its nested values JSON? */
static bool check_nested(filling *f) {
    mp_json_index *n = &f->x->index;
    const uint8_t *line_end = f->line + f->line_len;
    uint32_t at = (uint32_t)(f->line - n->base), end = (uint32_t)(line_end - n->base);
    while ((at = mp_json_index_find(n, n->nest, at, &n->next_nest)) < end) {
        const uint8_t *behind = mp_json_behind_nested(n->base + at, line_end);
        if (!behind) return false;
        at = (uint32_t)(behind - n->base);
    }
    return true;
}

static bool has_escapes(filling *f) {
    mp_json_index *n = &f->x->index;
    uint32_t at = (uint32_t)(f->line - n->base);
    return mp_json_index_find(n, n->slash, at, &n->next_slash) < at + f->line_len;
}

/* The value between p and end, where the index says so. */
static mp_json_value value_at(const uint8_t *p, const uint8_t *end, bool escapes) {
    mp_json_value v = {.p = p, .len = (uint32_t)(end - p), .kind = MP_JSON_WORD};
    if (*p == '"') {
        v = (mp_json_value){.p = p + 1, .len = v.len - 2, .kind = MP_JSON_STRING};
        v.escaped = escapes && memchr(v.p, '\\', v.len);
    } else if (*p == 'n') {
        v.kind = MP_JSON_NULL;
    } else if (*p == '{' || *p == '[') {
        v.kind = MP_JSON_NESTED;
        v.odd = true;
    }
    return v;
}

/* The values of a line of a known shape; false: one begins with a blank, and is not known. */
static bool read_shape(filling *f) {
    mp_json_run *x = f->x;
    bool escapes = has_escapes(f);
    if (!check_nested(f)) return false;
    const mp_json_shape *s = f->shape;
    const uint8_t *base = x->index.base, *line_end = f->line + f->line_len;
    const uint32_t *ends = x->index.ends + x->index.at;
    for (int i = 0; i < x->n_slots; i++) {
        int32_t m = s->member[i];
        if (m < 0) {
            x->values[i].kind = MP_JSON_NONE;
            continue;
        }
        const uint8_t *p = (m ? base + ends[m - 1] + 1 : f->line) + s->len[m];
        const uint8_t *end = m < s->heads.n - 1 ? base + ends[m] : line_end - 1;
        if (*p == ' ') return false;
        x->values[i] = value_at(p, end, escapes);
    }
    return true;
}

/* The keys of a line without flaws that are no columns. */
static void list_keys(filling *f) {
    mp_json_run *x = f->x;
    mp_json_members m;
    mp_json_value key, value;
    mp_json_open(&m, f->line, f->line_len);
    while (mp_json_member(&m, &key, &value)) {
        mp_str name = text_of(x, &key);
        if (mp_json_keys_find(&x->keys, name) < 0 && mp_json_keys_add(&x->other, name) < 0)
            f->nomem = true;
    }
}

/* The wanted values of the line to x->values, unless its shape gave them; false: it is blank. */
static bool read_line(filling *f) {
    mp_json_run *x = f->x;
    mp_json_members m;
    mp_json_value key, value;
    f->flaw = NULL;
    bool others = false;
    f->unknown_key = false;
    if (f->shape) return true;
    no_values(x);
    if (f->plain) mp_json_shapes_begin(&x->shapes);
    bool some = mp_json_open(&m, f->line, f->line_len);
    int32_t c = guess_key(x, 0, &m);
    const uint8_t *from = f->line;
    for (int32_t i = 0; some && mp_json_member(&m, &key, &value); c = guess_key(x, ++i, &m)) {
        if (!m.guessed) c = column_of(x, i, &key);
        if (f->plain) mp_json_shapes_add(&x->shapes, from, &value, c < 0 ? -1 : x->slot[c]);
        from = m.at + 1; /* of a plain line, where a comma stands behind the value */
        if (c >= 0) {
            if (x->slot[c] >= 0) x->values[x->slot[c]] = value;
        } else if (x->args->other_keys) {
            others = true;
        } else if (!f->unknown_key) {
            f->unknown_key = true;
            f->bad_key = key;
        }
    }
    f->flaw = m.flaw;
    if (m.flaw) f->unknown_key = false;
    if (others && x->args->list_keys && !m.flaw) list_keys(f);
    if (f->plain && !m.flaw && !f->unknown_key) mp_json_shapes_end(&x->shapes);
    return some || m.flaw != NULL;
}

/* ---- the transcript ---- */

/* Both sides have PAD bytes behind what is copied. */
static inline uint8_t *put_bytes(uint8_t *to, const uint8_t *p, uint32_t n) {
    enum { SHORT = 32 };
    if (n <= SHORT)
        memcpy(to, p, SHORT);
    else
        memcpy(to, p, n);
    return to + n;
}

static uint8_t *put_quoted(uint8_t *to, const mp_json_value *v, bool *doubled) {
    *to++ = QUOTE;
    uint8_t *from = to;
    if (v->kind == MP_JSON_STRING && v->escaped) {
        to += mp_json_unescape(v->p, v->len, (char *)to);
    } else {
        to = put_bytes(to, v->p, v->len);
    }
    if (v->odd && memchr(from, QUOTE, (size_t)(to - from))) {
        size_t n = 0;
        for (const uint8_t *p = from; p < to; p++)
            n += *p == QUOTE;
        uint8_t *p = to, *q = to + n;
        for (to = q; p > from;) {
            *--q = *--p;
            if (*p == QUOTE) *--q = QUOTE;
        }
        *doubled = true;
    }
    *to++ = QUOTE;
    return to;
}

static bool is_marker(const mp_csv_dialect *d, const uint8_t *p, size_t n) {
    for (int i = 0; i < d->n_nulls; i++)
        if (mp_str_eq(mp_str_c(d->nulls[i]), mp_str_of((const char *)p, n))) return true;
    return false;
}

static uint8_t *put_value(filling *f, uint8_t *to, const mp_json_value *v) {
    const mp_csv_dialect *d = f->x->args->dialect;
    if (v->kind == MP_JSON_NONE || v->kind == MP_JSON_NULL) return to;
    if (v->kind == MP_JSON_WORD) {
        if (d->n_nulls && is_marker(d, v->p, v->len)) return to;
        return put_bytes(to, v->p, v->len);
    }
    uint8_t *end = put_quoted(to, v, &f->doubled);
    if (d->n_nulls && is_marker(d, to + 1, (size_t)(end - to) - 2)) return to;
    f->quotes = true;
    return end;
}

/* The line's values as a row. */
static mp_status add_row(filling *f, mp_error *err) {
    mp_json_run *x = f->x;
    /* a string of bytes 0xFF doubles; every field has at most two quotes and what parts it */
    size_t most = 2 * f->line_len + 3 * (size_t)x->n_slots + PAD;
    if (!mp_buf_reserve(&x->text, most)) return mp_buf_check(&x->text, err);
    uint8_t *base = x->text.data + PAD, *to = x->text.data + x->text.len;
    uint32_t *end = x->end + (size_t)f->n_rows * (size_t)x->n_slots;
    x->rec[f->n_rows] = (uint32_t)(to - base);
    x->place[f->n_rows] = (uint32_t)(f->at - f->run->first);
    x->place_end[f->n_rows] = x->place[f->n_rows] + (uint32_t)f->line_len;
    x->row_no[f->n_rows] = f->run->n_records;
    for (int s = 0; s < x->n_slots; s++) {
        to = put_value(f, to, &x->values[s]);
        end[s] = (uint32_t)(to - base);
        *to++ = ',';
    }
    x->text.len = (size_t)(to - x->text.data);
    f->n_rows++;
    return MP_OK;
}

/* ---- bad lines ---- */

/* The key that is no column, for a message: short, and without control characters. */
static void show_key(const filling *f, char out[64]) {
    enum { SHOWN = 60 };
    mp_str key = text_of(f->x, &f->bad_key);
    int n = key.len < SHOWN ? (int)key.len : SHOWN;
    while ((uint32_t)n < key.len && n > 0 && ((uint8_t)key.p[n] & 0xC0) == 0x80)
        n--;
    n = snprintf(out, 64, "%.*s%s", n, key.p, (uint32_t)n < key.len ? "..." : "");
    for (int i = 0; i < n; i++)
        if ((uint8_t)out[i] < 0x20 || out[i] == 0x7F) out[i] = '?';
}

static mp_status make_reason(filling *f, mp_error *err) {
    mp_json_run *x = f->x;
    x->unknown_key = f->unknown_key;
    x->reason = f->flaw;
    if (!f->unknown_key) return MP_OK;
    enum { ROOM = 128 };
    char *reason = mp_arena_alloc(&x->run, ROOM, 1);
    if (!reason) return mp_mem_error(x->args->mem, ROOM, err);
    char key[64];
    show_key(f, key);
    snprintf(reason, ROOM, "the key '%s' is not a column", key);
    x->reason = reason;
    return MP_OK;
}

static void stop_bad(filling *f, mp_csv_bad_kind kind) {
    f->run->stop = MP_CSV_RUN_BAD;
    f->run->bad = kind;
}

static mp_status add_flaw(filling *f, mp_error *err) {
    mp_csv_flaw flaw = {
        .record = f->run->n_records, .start = f->at, .len = f->line_len, .reason = f->x->reason};
    mp_buf_put(&f->x->flaws, &flaw, sizeof flaw);
    return mp_buf_check(&f->x->flaws, err);
}

/* Index the text from p on. */
static void index_from(mp_json_run *x, const uint8_t *p, size_t avail) {
    mp_json_index *n = &x->index;
    n->base = p;
    n->len = (uint32_t)(avail < MP_JSON_INDEX_BYTES ? avail : MP_JSON_INDEX_BYTES);
    n->at = n->next_odd = n->next_slash = n->next_nest = 0;
    x->kernels->index(n);
    x->indexed = p;
}

/* The newline of the line at p by the index, and its shape if it has a known one; *n_ends: how many
 * ends of the index are the line's; NULL: the line is too long for the index, has no end, or a
 * string in it has none. */
static const uint8_t *find_by_index(filling *f, const uint8_t *p, size_t avail, uint32_t *n_ends) {
    mp_json_run *x = f->x;
    mp_json_index *n = &x->index;
    if (x->indexed != p) index_from(x, p, avail);
    for (;;) {
        uint32_t start = (uint32_t)(p - n->base);
        f->shape = mp_json_shapes_find(&x->shapes, x->kernels->match, n, start);
        uint32_t i = n->at + (f->shape ? (uint32_t)f->shape->heads.n - 1 : 0);
        while (i < n->n_ends && n->base[n->ends[i]] != '\n')
            i++;
        if (i < n->n_ends) {
            f->plain = n->next_odd > n->ends[i];
            *n_ends = i + 1 - n->at;
            return n->base + n->ends[i];
        }
        if (n->base == p) return NULL;
        index_from(x, p, avail);
    }
}

/* Where the line at f->at ends, and its values where its shape is known; false: the run stops before it. */
static bool find_line(filling *f) {
    size_t avail = f->text->len - f->at;
    const uint8_t *p = f->text->bytes + f->at, *lf = NULL;
    f->shape = NULL;
    f->plain = false;
    f->n_ends = 0;
    if (f->x->kernels && avail) lf = find_by_index(f, p, avail, &f->n_ends);
    if (!lf) lf = memchr(p, '\n', avail);
    if (!lf && !f->text->at_eof && avail <= MAX_RECORD) {
        f->run->stop = MP_CSV_RUN_BYTES;
        return false;
    }
    f->line = p;
    f->line_len = lf ? (size_t)(lf - p) : avail;
    f->next = f->at + f->line_len + (lf != NULL);
    if (f->line_len && p[f->line_len - 1] == '\r') f->line_len--;
    if (f->shape && !read_shape(f)) f->shape = NULL;
    if (f->line_len > MAX_RECORD)
        stop_bad(f, MP_CSV_BAD_TOO_LONG);
    else if (!f->shape && memchr(p, 0, f->line_len))
        stop_bad(f, MP_CSV_BAD_NUL);
    else
        return true;
    return false;
}

/* Go behind the line. */
static void next_line(filling *f) {
    mp_json_run *x = f->x;
    f->at = f->next;
    x->index.at += f->n_ends;
    x->indexed = f->n_ends ? f->text->bytes + f->at : NULL;
}

static mp_status fill_line(filling *f, bool *stop, mp_error *err) {
    mp_json_run *x = f->x;
    *stop = !find_line(f);
    if (*stop) return MP_OK;
    mp_status st = MP_OK;
    bool some = read_line(f);
    if (x->name.failed) return mp_buf_check(&x->name, err);
    if (f->nomem) return mp_mem_error(x->args->mem, 64, err);
    if (some) {
        bool bad = f->flaw || f->unknown_key, skip = x->args->on_bad_row == MP_BAD_ROW_SKIP;
        if (bad) st = make_reason(f, err);
        if (!st && bad && x->args->on_bad_row == MP_BAD_ROW_FAIL) {
            *stop = true;
            stop_bad(f, MP_CSV_BAD_FIELDS);
            return MP_OK;
        }
        if (!st && bad) st = add_flaw(f, err);
        if (f->flaw)
            for (int s = 0; s < x->n_slots; s++)
                x->values[s].kind = MP_JSON_NONE;
        if (!st && !(bad && skip)) st = add_row(f, err);
        f->gaps = f->gaps || (bad && skip);
        f->run->n_records++;
    }
    next_line(f);
    return st;
}

mp_status mp_json_run_fill(mp_json_run *x, const mp_csv_text *text, size_t *at, mp_csv_run *run,
                           mp_error *err) {
    *run = (mp_csv_run){.first = *at};
    filling f = {.x = x, .text = text, .at = *at, .run = run};
    mp_arena_reset(&x->run);
    mp_buf_clear(&x->flaws);
    mp_buf_clear(&x->text);
    mp_buf_clear(&x->name);
    if (!mp_buf_reserve(&x->text, 2 * PAD)) return mp_buf_check(&x->text, err);
    memset(x->text.data, 0, PAD);
    x->text.len = PAD;
    bool stop = false;
    mp_status st = MP_OK;
    while (!stop && !st) {
        bool cut = f.at >= text->len && f.at < text->split_len && !text->at_eof;
        size_t fields = ((size_t)f.n_rows + 1) * (size_t)x->n_slots;
        bool full = f.n_rows >= MP_BATCH_ROWS || fields > x->max_fields;
        stop = true;
        if (cut)
            run->stop = MP_CSV_RUN_BYTES;
        else if (f.at >= text->split_len || f.at >= text->len)
            run->stop = MP_CSV_RUN_END;
        else if (full || f.at - run->first >= RUN_BYTES)
            run->stop = MP_CSV_RUN_FULL;
        else
            st = fill_line(&f, &stop, err);
    }
    if (!st && !mp_buf_reserve(&x->text, PAD)) st = mp_buf_check(&x->text, err);
    if (st) return st;
    memset(x->text.data + x->text.len, 0, PAD);
    *at = f.at;
    run->index = (mp_csv_index){.n_rows = f.n_rows,
                                .n_columns = x->n_slots,
                                .base = x->text.data + PAD,
                                .rec = x->rec,
                                .end = x->end,
                                .place = x->place,
                                .place_end = x->place_end,
                                .row_no = f.gaps ? x->row_no : NULL,
                                .has_quotes = f.quotes,
                                .plain_quotes = !f.doubled};
    return MP_OK;
}
