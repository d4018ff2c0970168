/* csv_head.c - the head of a CSV file: encoding, delimiter, names, and a first idea of the types.
 * Invariant: looks at the bytes it is given and nothing else, so the same bytes give the same head everywhere. */
#include <stdio.h>

#include "base/hash.h"
#include "io/csv/csv_record.h"
#include "io/csv/csv_value.h"

/* The bytes under inspection. */
typedef struct {
    const mp_csv_head_args *args;
    mp_csv_dialect dialect;
    const char *p;
    size_t n;
    bool at_eof;
    mp_arena *arena;
    mp_error *err;
} head;

/* ---- encoding ---- */

/* UTF-16 and UTF-32 without a byte order mark: text in them is full of NUL bytes at fixed places. */
static const char *wide_pattern(const uint8_t *p, size_t n) {
    size_t nul[4] = {0}, groups = (n < 1024 ? n : 1024) / 4;
    for (size_t i = 0; i < groups * 4; i++)
        nul[i & 3] += p[i] == 0;
    if (groups == 0) return NULL;
    size_t most = groups - groups / 4, few = groups / 10;
    bool full[4], bare[4];
    for (int k = 0; k < 4; k++) {
        full[k] = nul[k] >= most;
        bare[k] = nul[k] <= few;
    }
    if (bare[0] && full[1] && full[2] && full[3]) return "UTF-32LE";
    if (full[0] && full[1] && full[2] && bare[3]) return "UTF-32BE";
    if (bare[0] && full[1] && bare[2] && full[3]) return "UTF-16LE";
    if (full[0] && bare[1] && full[2] && bare[3]) return "UTF-16BE";
    return NULL;
}

static const char *wide_encoding(const uint8_t *p, size_t n) {
    static const uint8_t zero[2];
    if (n >= 4 && p[0] == 0xFF && p[1] == 0xFE && memcmp(p + 2, zero, 2) == 0) return "UTF-32";
    if (n >= 4 && p[2] == 0xFE && p[3] == 0xFF && memcmp(p, zero, 2) == 0) return "UTF-32";
    if (n >= 2 && ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == 0xFE && p[1] == 0xFF)))
        return "UTF-16";
    return wide_pattern(p, n);
}

static mp_status check_encoding(const uint8_t *p, size_t n, mp_error *err) {
    const char *wide = wide_encoding(p, n);
    if (!wide) return MP_OK;
    mp_error_set(err, MP_DATA, NULL, "the text is %s, not UTF-8", wide);
    mp_error_hint(err, "convert it first: iconv -f %s -t UTF-8", wide);
    return MP_DATA;
}

/* ---- lines before the header ---- */

/* Moves *at behind the next newline; false: there is none. */
static bool skip_line(const head *h, size_t *at) {
    const char *nl = *at < h->n ? memchr(h->p + *at, '\n', h->n - *at) : NULL;
    *at = nl ? (size_t)(nl - h->p) + 1 : h->n;
    return nl != NULL;
}

static bool is_comment(const head *h, size_t at) {
    return h->dialect.comment && at < h->n && h->p[at] == h->dialect.comment;
}

/* A line without bytes, with or without a carriage return. */
static bool is_blank(const head *h, size_t at) {
    if (at >= h->n) return false;
    return h->p[at] == '\n' || (h->p[at] == '\r' && at + 1 < h->n && h->p[at + 1] == '\n');
}

static size_t skip_blank_and_comments(const head *h, size_t at) {
    while (at < h->n && (is_comment(h, at) || is_blank(h, at)))
        skip_line(h, &at);
    return at;
}

/* The record at at; end as in mp_csv_line_parse, positions in h->p. */
static mp_csv_line record_at(const head *h, const mp_csv_dialect *d, size_t at, int n_columns,
                             uint32_t *end) {
    mp_csv_line line;
    mp_csv_line_parse(d, (const uint8_t *)h->p + at, h->n - at, h->at_eof, n_columns, (uint32_t)at,
                      end, NULL, &line);
    return line;
}

/* ---- delimiter ---- */

enum { SNIFF_RECORDS = 1000 };

/* Fields of the first record, and the share of records that have as many; 0 fields: no whole record, or only one field. */
static int64_t sniff_one(const head *h, char delimiter, size_t at, double *share) {
    mp_csv_dialect d = h->dialect;
    d.delimiter = delimiter;
    int64_t want = 0, n = 0, same = 0;
    while (n < SNIFF_RECORDS && (at = skip_blank_and_comments(h, at)) < h->n) {
        mp_csv_line line = record_at(h, &d, at, 0, NULL);
        if (line.kind != MP_CSV_LINE_DATA) break;
        if (n++ == 0) want = line.n_fields;
        same += line.n_fields == want && line.dirty < 0;
        at += line.next;
    }
    *share = n ? (double)same / (double)n : 0;
    return want > 1 ? want : 0;
}

/* The delimiter under which the records agree best; the comma stays unless another does clearly better. */
static char sniff(const head *h, size_t at) {
    static const char candidates[] = {',', ';', '|', '\t'};
    const mp_csv_dialect *d = &h->dialect;
    char best = 0;
    double best_share = 0, comma_share = 0;
    int64_t best_fields = 0;
    for (size_t i = 0; i < sizeof candidates; i++) {
        char c = candidates[i];
        if (c == d->quote || c == d->comment || c == d->thousands) continue;
        if (c == ',' && d->decimal_comma) continue;
        double share;
        int64_t fields = sniff_one(h, c, at, &share);
        if (fields == 0) continue;
        if (c == ',') comma_share = share;
        if (share > best_share || (share >= best_share && fields > best_fields)) {
            best = c;
            best_share = share;
            best_fields = fields;
        }
    }
    if (best == 0) return d->decimal_comma ? ';' : ',';
    return comma_share > 0 && comma_share >= 0.9 * best_share ? ',' : best;
}

/* ---- names ---- */

/* The names taken so far: open addressing on their hash. */
typedef struct {
    int32_t *slot;   /* column + 1, 0: free */
    uint32_t *again; /* per slot: the last number tried behind the name */
    size_t mask;
    const char **names;
} name_set;

static size_t name_slot(const name_set *s, const char *name) {
    size_t i = (size_t)mp_hash_bytes(name, strlen(name)) & s->mask;
    while (s->slot[i] && strcmp(s->names[s->slot[i] - 1], name) != 0)
        i = (i + 1) & s->mask;
    return i;
}

static mp_status name_set_init(name_set *s, const char **names, int n, mp_arena *arena,
                               mp_error *err) {
    size_t cap = 16;
    while (cap < (size_t)n * 2)
        cap *= 2;
    *s = (name_set){.mask = cap - 1, .names = names};
    s->slot = mp_arena_alloc(arena, cap * sizeof *s->slot, 8);
    s->again = mp_arena_alloc(arena, cap * sizeof *s->again, 8);
    if (!s->slot || !s->again) return mp_mem_error(arena->mem, cap * 8, err);
    memset(s->slot, 0, cap * sizeof *s->slot);
    for (size_t i = 0; i < cap; i++)
        s->again[i] = 1;
    return MP_OK;
}

/* The first of base_2, base_3, … that is free, put in the set as column c. */
static mp_status name_again(name_set *s, int c, const char *base, mp_arena *arena, mp_error *err) {
    size_t cap = strlen(base) + 12;
    char *name = mp_arena_alloc(arena, cap, 1);
    if (!name) return mp_mem_error(arena->mem, cap, err);
    size_t of_base = name_slot(s, base), i;
    do {
        snprintf(name, cap, "%s_%u", base, ++s->again[of_base]);
        i = name_slot(s, name);
    } while (s->slot[i]);
    s->names[c] = name;
    s->slot[i] = c + 1;
    return MP_OK;
}

/* Makes the names unique and not empty. Names that stand in the file go before made ones. */
static mp_status name_columns(const char **names, int n, mp_arena *arena, mp_error *err) {
    name_set s;
    mp_status st = name_set_init(&s, names, n, arena, err);
    uint8_t *todo = st ? NULL : mp_arena_alloc(arena, (size_t)n, 1);
    if (!st && !todo) st = mp_mem_error(arena->mem, (size_t)n, err);
    for (int c = 0; !st && c < n; c++) {
        size_t i = names[c][0] ? name_slot(&s, names[c]) : 0;
        todo[c] = !names[c][0] || s.slot[i];
        if (!todo[c]) s.slot[i] = c + 1;
    }
    for (int c = 0; !st && c < n; c++) {
        if (!todo[c]) continue;
        const char *base = names[c];
        char made[16];
        if (!base[0]) {
            snprintf(made, sizeof made, "c%d", c + 1);
            base = made;
            size_t i = name_slot(&s, made);
            if (!s.slot[i]) {
                char *own = mp_arena_alloc(arena, sizeof made, 1);
                if (!own) return mp_mem_error(arena->mem, sizeof made, err);
                memcpy(own, made, sizeof made);
                names[c] = own;
                s.slot[i] = c + 1;
                continue;
            }
        }
        st = name_again(&s, c, base, arena, err);
    }
    return st;
}

/* ---- header ---- */

/* The value of a field [start, end) of h->p: a view, or where doubled quotes are halved a copy in *copy (room for it). */
static mp_str field_text(const head *h, uint32_t start, uint32_t end, bool *quoted, char *copy) {
    mp_str text = mp_str_of(h->p + start, end - start);
    char quote = h->dialect.quote;
    *quoted = quote && text.len >= 2 && text.p[0] == quote;
    if (!*quoted) return text;
    text = mp_str_of(text.p + 1, text.len - 2);
    if (!text.len || !memchr(text.p, quote, text.len)) return text;
    return mp_str_of(copy, mp_csv_unquote(quote, text, copy));
}

static mp_status header_names(const head *h, size_t at, const char **names, int n) {
    uint32_t *end = mp_arena_alloc(h->arena, (size_t)n * sizeof *end, 8);
    if (!end) return mp_mem_error(h->arena->mem, (size_t)n * sizeof *end, h->err);
    record_at(h, &h->dialect, at, n, end);
    uint32_t start = (uint32_t)at;
    for (int c = 0; c < n; start = end[c++] + 1) {
        size_t room = end[c] - start + 1;
        char *name = mp_arena_alloc(h->arena, room, 1);
        if (!name) return mp_mem_error(h->arena->mem, room, h->err);
        bool quoted;
        mp_str text = field_text(h, start, end[c], &quoted, name);
        if (text.len && memchr(text.p, 0, text.len))
            return mp_error_set(h->err, MP_DATA, NULL, "NUL byte in the name of column %d", c + 1);
        if (text.len && text.p != name) memcpy(name, text.p, text.len);
        name[text.len] = 0;
        names[c] = name;
    }
    return MP_OK;
}

static mp_status check_first(const head *h, const mp_csv_line *s) {
    const char *what = h->args->has_header ? "header" : "first record";
    if (s->kind == MP_CSV_LINE_OPEN)
        return mp_error_set(h->err, MP_DATA, NULL, "a quote in the %s is never closed", what);
    if (s->dirty >= 0 && h->args->has_header)
        return mp_error_set(h->err, MP_DATA, NULL, "text behind a closing quote in the header");
    if (s->n_fields > INT32_MAX / 4)
        return mp_error_set(h->err, MP_DATA, NULL, "the %s has too many fields", what);
    if (h->args->n_names && h->args->n_names != s->n_fields) {
        mp_error_set(h->err, MP_USAGE, NULL, "%d name%s given for %d column%s", h->args->n_names,
                     h->args->n_names == 1 ? "" : "s", (int)s->n_fields,
                     s->n_fields == 1 ? "" : "s");
        mp_error_hint(h->err, "--names takes one name for each column");
        return MP_USAGE;
    }
    return MP_OK;
}

/* The n names; the first record is at first. */
static mp_status read_names(const head *h, size_t first, int n, mp_csv_head *out) {
    const char **names = mp_arena_alloc(h->arena, (size_t)n * sizeof *names, 8);
    if (!names) return mp_mem_error(h->arena->mem, (size_t)n * sizeof *names, h->err);
    if (h->args->has_header) {
        mp_status st = header_names(h, first, names, n);
        if (st) return st;
    }
    for (int c = 0; c < n; c++) {
        const char *name = h->args->n_names ? h->args->names[c] : "";
        if (h->args->has_header && !h->args->n_names) continue;
        size_t size = strlen(name) + 1;
        char *own = mp_arena_alloc(h->arena, size, 1);
        if (!own) return mp_mem_error(h->arena->mem, size, h->err);
        names[c] = memcpy(own, name, size);
    }
    out->names = names;
    out->n_columns = n;
    return name_columns(names, n, h->arena, h->err);
}

/* ---- sample ---- */

/* Evidence of the fields of the record at start; copy has room for any of them. */
static void look_at_record(const head *h, uint32_t start, const uint32_t *end, char *copy,
                           mp_csv_head *out) {
    for (int c = 0; c < out->n_columns; start = end[c++] + 1) {
        if (out->seen[c].seen & MP_SEEN_STRING) continue;
        bool quoted;
        mp_str text = field_text(h, start, end[c], &quoted, copy);
        mp_value v;
        mp_csv_value_of(&h->dialect, text, quoted, false, &v);
        mp_evidence_add(&out->seen[c], v.e);
    }
}

static mp_status look_at_sample(const head *h, size_t at, mp_csv_head *out) {
    int n = out->n_columns;
    size_t columns = (size_t)n, room = h->dialect.quote ? h->n : 1;
    out->seen = mp_arena_alloc(h->arena, columns * sizeof *out->seen, 8);
    uint32_t *end = mp_arena_alloc(h->arena, columns * sizeof *end, 8);
    char *copy = mp_arena_alloc(h->arena, room, 1);
    if (!out->seen || !end || !copy) return mp_mem_error(h->arena->mem, columns * 8 + room, h->err);
    memset(out->seen, 0, columns * sizeof *out->seen);
    int64_t n_records = 0, bytes = 0;
    while (at < h->n) {
        mp_csv_line line = record_at(h, &h->dialect, at, n, end);
        if (line.kind == MP_CSV_LINE_CUT || line.kind == MP_CSV_LINE_OPEN) break;
        if (line.kind == MP_CSV_LINE_DATA) {
            n_records++;
            bytes += (int64_t)line.next;
            if (line.n_fields == n && line.dirty < 0)
                look_at_record(h, (uint32_t)at, end, copy, out);
        }
        at += line.next;
    }
    out->row_bytes = n_records ? (double)bytes / (double)n_records : 0;
    out->sample_is_all = h->at_eof;
    return MP_OK;
}

/* ---- all of it ---- */

/* Start of the text behind the byte order mark and --skip-lines; false: not in these bytes. */
static bool find_start(const head *h, size_t *at) {
    *at = h->n >= 3 && memcmp(h->p, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (int64_t i = 0; i < h->args->skip_lines; i++)
        if (!skip_line(h, at)) return false;
    return true;
}

static mp_status no_record(const head *h, bool *need_more) {
    *need_more = !h->at_eof;
    if (*need_more) return MP_OK;
    if (h->args->skip_lines > 0)
        return mp_error_set(h->err, MP_DATA, NULL, "nothing is left behind the first %lld line%s",
                            (long long)h->args->skip_lines, h->args->skip_lines == 1 ? "" : "s");
    return mp_error_set(h->err, MP_DATA, NULL, "the file has only blank lines and comments");
}

mp_status mp_csv_read_head(const mp_csv_head_args *args, const uint8_t *p, size_t n, bool at_eof,
                           mp_arena *arena, mp_csv_head *out, bool *need_more, mp_error *err) {
    *out = (mp_csv_head){0};
    if (n > INT32_MAX) { /* places are 32 bits here; a head is far below that */
        n = INT32_MAX;
        at_eof = false;
    }
    *need_more = n < 4 && !at_eof;
    if (*need_more) return MP_OK;
    if (n == 0) return mp_error_set(err, MP_DATA, NULL, "the file is empty");
    mp_status st = check_encoding(p, n, err);
    if (st) return st;

    head h = {args, args->dialect, (const char *)p, n, at_eof, arena, err};
    size_t start, first;
    if (!find_start(&h, &start)) return no_record(&h, need_more);
    first = skip_blank_and_comments(&h, start);
    if (first >= n && start >= n && args->skip_lines == 0 && at_eof)
        return mp_error_set(err, MP_DATA, NULL, "the file is empty");
    if (first >= n) return no_record(&h, need_more);

    h.dialect.delimiter = args->delimiter ? args->delimiter : sniff(&h, first);
    mp_csv_line line = record_at(&h, &h.dialect, first, 0, NULL);
    if (line.kind == MP_CSV_LINE_CUT) {
        *need_more = true;
        return MP_OK;
    }
    out->delimiter = h.dialect.delimiter;
    st = check_first(&h, &line);
    if (!st) st = read_names(&h, first, (int)line.n_fields, out);
    if (st) return st;
    /* Without a header, blank lines of a table of one column are its first rows. */
    out->data_offset = (int64_t)(args->has_header      ? first + line.next
                                 : out->n_columns == 1 ? start
                                                       : first);
    return look_at_sample(&h, (size_t)out->data_offset, out);
}

mp_status mp_csv_text_start(const mp_csv_head_args *args, const uint8_t *p, size_t n, bool at_eof,
                            size_t *start, bool *need_more, mp_error *err) {
    *need_more = n < 4 && !at_eof;
    if (*need_more) return MP_OK;
    mp_status st = n ? check_encoding(p, n, err) : MP_OK;
    if (st) return st;
    head h = {.args = args, .p = (const char *)p, .n = n, .at_eof = at_eof, .err = err};
    return find_start(&h, start) ? MP_OK : no_record(&h, need_more);
}

mp_status mp_csv_read_lines_head(const mp_csv_head_args *args, const uint8_t *p, size_t n,
                                 bool at_eof, mp_arena *arena, mp_csv_head *out, bool *need_more,
                                 mp_error *err) {
    static const char *const names[] = {"line"};
    *out = (mp_csv_head){.delimiter = '\n', .n_columns = 1};
    size_t start;
    mp_status st = mp_csv_text_start(args, p, n, at_eof, &start, need_more, err);
    if (st || *need_more) return st;
    out->names = mp_arena_alloc(arena, sizeof names, 8);
    out->seen = mp_arena_alloc(arena, sizeof *out->seen, 8);
    if (!out->names || !out->seen) return mp_mem_error(arena->mem, 64, err);
    memcpy(out->names, names, sizeof names);
    *out->seen = (mp_evidence){.seen = MP_SEEN_STRING};
    out->data_offset = (int64_t)start;
    size_t lines = 0;
    for (const uint8_t *at = p + start; at < p + n; at++, lines++) {
        at = memchr(at, '\n', n - (size_t)(at - p));
        if (!at) break;
    }
    if (lines) out->row_bytes = (double)(n - start) / (double)lines;
    out->sample_is_all = at_eof;
    return MP_OK;
}
