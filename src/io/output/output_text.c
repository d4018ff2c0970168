/* output_text.c - rows as CSV and TSV.
 * Invariant: what is written is read back as the same values by a reader of RFC 4180: a field is
 * quoted exactly when it has the delimiter, a quote, CR or LF, is the empty string, or would make
 * its line a comment. */
#include "base/str.h"
#include "data/date.h"
#include "data/print_num.h"
#include "io/input/input.h"
#include "io/output/output_json.h"

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

enum {
    NUM_ROOM = 50, /* a number, date or bool, and its quotes */
    SHORT = 16,
    STRING_ROOM = 2 * SHORT + 2 /* a short one, with quotes */
};
_Static_assert((int)MP_NUM_MAX + 2 <= NUM_ROOM && (int)MP_DATE_TEXT_MAX + 2 <= NUM_ROOM,
               "every number fits");

/* Where the next byte goes; [p, end) is writable. */
typedef struct {
    uint8_t *p, *end;
    mp_buf *out;
    bytes16 delimiters; /* 16 times the delimiter */
    uint8_t delimiter;
    uint8_t comment;
    bool odd_delimiter; /* one that numbers and dates have */
} writer;

static writer begin_writing(const mp_text_args *a, mp_buf *out) {
    static const char in_numbers[] = "0123456789+-.:eT infatruls";
    writer w = {.out = out, .delimiter = (uint8_t)a->delimiter, .comment = (uint8_t)a->comment};
    w.delimiters = (bytes16){0} + w.delimiter;
    w.odd_delimiter = a->delimiter && strchr(in_numbers, a->delimiter) != NULL;
    w.p = out->data ? out->data + out->len : NULL;
    w.end = out->data ? out->data + out->cap : NULL;
    return w;
}

static void end_writing(writer *w) {
    if (w->p) w->out->len = (size_t)(w->p - w->out->data);
}

static bool grow(writer *w, size_t n) {
    end_writing(w);
    bool ok = mp_buf_reserve(w->out, n);
    w->p = w->out->data ? w->out->data + w->out->len : NULL;
    w->end = w->out->data ? w->out->data + w->out->cap : NULL;
    return ok;
}

static inline bool room(writer *w, size_t n) {
    return (size_t)(w->end - w->p) >= n || grow(w, n);
}

static inline bytes16 special(bytes16 v, bytes16 delimiters) {
    return (bytes16)((v == delimiters) | (v == '"') | (v == '\n') | (v == '\r'));
}

static inline bool any(bytes16 v) {
    words2 w = (words2)v;
    return (w[0] | w[1]) != 0;
}

static inline bool special_words(uint64_t a, uint64_t b, bytes16 delimiters) {
    words2 w = {a, b};
    return any(special((bytes16)w, delimiters));
}

static inline uint64_t load8(const void *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint32_t load4(const void *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Copies n > 0 bytes; true when one of them is special. Reads and writes no byte outside. */
static inline bool copy_look(uint8_t *to, const uint8_t *p, size_t n, bytes16 delimiters) {
    if (n >= 16) {
        bytes16 seen = {0}, v;
        for (size_t i = 0; i + 16 <= n; i += 16) {
            memcpy(&v, p + i, 16);
            seen |= special(v, delimiters);
            memcpy(to + i, &v, 16);
        }
        memcpy(&v, p + n - 16, 16);
        memcpy(to + n - 16, &v, 16);
        return any(seen | special(v, delimiters));
    }
    if (n >= 8) {
        uint64_t a = load8(p), b = load8(p + n - 8);
        memcpy(to, &a, 8);
        memcpy(to + n - 8, &b, 8);
        return special_words(a, b, delimiters);
    }
    if (n >= 4) {
        uint32_t a = load4(p), b = load4(p + n - 4);
        memcpy(to, &a, 4);
        memcpy(to + n - 4, &b, 4);
        return special_words(a | (uint64_t)b << 32, a | (uint64_t)b << 32, delimiters);
    }
    uint8_t a = p[0], b = p[n / 2], c = p[n - 1];
    to[0] = a;
    to[n / 2] = b;
    to[n - 1] = c;
    uint64_t all = a | (uint64_t)b << 8 | (uint64_t)c << 16;
    all |= all << 24 | (uint64_t)a << 48 | (uint64_t)a << 56;
    return special_words(all, all, delimiters);
}

static uint8_t *put_quoted(uint8_t *to, const uint8_t *p, size_t n) {
    *to++ = '"';
    for (size_t i = 0; i < n; i++) {
        *to++ = p[i];
        if (p[i] == '"') *to++ = '"';
    }
    *to++ = '"';
    return to;
}

/* Puts quotes around what was written from begin on and has none inside. */
static void quote_written(writer *w, uint8_t *begin) {
    memmove(begin + 1, begin, (size_t)(w->p - begin));
    *begin = '"';
    w->p++;
    *w->p++ = '"';
}

static inline void put_string(writer *w, const uint8_t *p, size_t n) {
    if (n > 0 && !copy_look(w->p, p, n, w->delimiters))
        w->p += n;
    else
        w->p = put_quoted(w->p, p, n);
}

static inline void put_number(writer *w, const mp_col *c, int64_t i) {
    char *to = (char *)w->p;
    size_t n = 0;
    switch (c->type) {
    case MP_BOOL:
        n = c->b[i] ? 4 : 5;
        memcpy(to, c->b[i] ? "true " : "false", 5);
        break;
    case MP_INT64:
        n = mp_print_int64(to, c->i64[i]);
        break;
    case MP_DECIMAL:
        n = mp_print_decimal(to, c->i64[i], c->scale);
        break;
    case MP_FLOAT64:
        n = mp_print_double(to, c->f64[i]);
        break;
    case MP_DATE:
        n = mp_print_date(to, c->i64[i]);
        break;
    case MP_TIMESTAMP:
        n = mp_print_timestamp(to, c->i64[i], (char)c->ts_sep);
        break;
    default:
        break;
    }
    uint8_t *begin = w->p;
    w->p += n;
    if (w->odd_delimiter && memchr(begin, w->delimiter, n)) quote_written(w, begin);
}

static const uint8_t ones_before[2 * SHORT] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

/* Most texts: 1 to 16 bytes, none of them special, loaded at once, which cannot fault inside a page.
 * False: not done. */
__attribute__((no_sanitize_address)) static inline bool put_short(writer *w, mp_str s) {
    typedef struct {
        bytes16 v;
    } __attribute__((packed, may_alias)) unaligned16;
    const uintptr_t page = 4096;
    bool one_load = ((uintptr_t)s.p & (page - 1)) <= page - SHORT;
    if (!((s.len - 1 < SHORT) & one_load)) return false;
    bytes16 v = ((const unaligned16 *)(const void *)s.p)->v, mask;
    memcpy(&mask, ones_before + SHORT - s.len, SHORT);
    if (any(special(v, w->delimiters) & mask)) return false;
    memcpy(w->p, &v, SHORT);
    w->p += s.len;
    return true;
}

/* A line whose first field begins like a comment gets quotes there; first: where the line
 * begins. */
static inline void guard_comment(writer *w, size_t first) {
    uint8_t *begin = w->out->data + first;
    if (w->comment && w->p > begin && *begin == w->comment) quote_written(w, begin);
}

/* Bytes that a row can take besides twice its strings. */
static size_t fixed_room(const mp_batch *in) {
    size_t n = 2 + 1;
    for (int c = 0; c < in->n_cols; c++)
        n += in->cols[c].type == MP_STRING ? 1 + STRING_ROOM : 1 + NUM_ROOM;
    return n;
}

static bool put_row(writer *w, const mp_batch *in, int64_t i, size_t fixed) {
    size_t first = w->p ? (size_t)(w->p - w->out->data) : w->out->len;
    if (!room(w, fixed)) return false;
    for (int c = 0; c < in->n_cols; c++) {
        const mp_col *col = &in->cols[c];
        if (c == 1) guard_comment(w, first);
        if (c > 0) *w->p++ = w->delimiter;
        if (mp_col_is_null(col, i)) continue;
        if (col->type == MP_STRING) {
            mp_str s = col->str[i];
            if (put_short(w, s)) continue;
            if (!room(w, 2 * (size_t)s.len + fixed)) return false;
            put_string(w, (const uint8_t *)s.p, s.len);
        } else {
            put_number(w, col, i);
        }
    }
    if (in->n_cols == 1) guard_comment(w, first);
    *w->p++ = '\n';
    return true;
}

void mp_text_rows(const mp_text_args *a, const mp_batch *in, mp_buf *out, mp_buf *row_ends) {
    if (a->format == MP_FORMAT_NDJSON) {
        mp_json_rows(a, in, out, row_ends);
        return;
    }
    writer w = begin_writing(a, out);
    size_t fixed = fixed_room(in);
    for (int64_t i = 0; i < in->n_rows; i++) {
        if (!put_row(&w, in, i, fixed)) break;
        if (row_ends) mp_buf_i64(row_ends, w.p - out->data);
    }
    end_writing(&w);
}

void mp_text_header(const mp_text_args *a, mp_buf *out) {
    if (a->format == MP_FORMAT_NDJSON || a->n_cols == 0) return;
    writer w = begin_writing(a, out);
    for (int c = 0; c < a->n_cols; c++) {
        const uint8_t *name = (const uint8_t *)a->names[c];
        size_t n = strlen(a->names[c]);
        if (!room(&w, 2 * n + STRING_ROOM + 4)) break;
        uint8_t *begin = w.p;
        if (c > 0) *w.p++ = w.delimiter;
        put_string(&w, name, n);
        if (c > 0) continue;
        /* the first name must not look like a comment or like the mark in front of a file */
        bool bom = n >= 3 && memcmp(begin, "\xEF\xBB\xBF", 3) == 0;
        if (bom || (w.comment && *begin == w.comment)) quote_written(&w, begin);
    }
    if (room(&w, 1)) *w.p++ = '\n';
    end_writing(&w);
}

static bool cut_ending(mp_str *name, const char *ending) {
    uint32_t n = (uint32_t)strlen(ending);
    if (name->len <= n) return false;
    if (!mp_str_eq_nocase(mp_str_of(name->p + name->len - n, n), ending)) return false;
    name->len -= n;
    return true;
}

static mp_str last_part(const char *name) {
    const char *slash = strrchr(name, '/');
    return mp_str_c(slash ? slash + 1 : name);
}

static mp_packing cut_packing(mp_str *base) {
    if (cut_ending(base, ".gz")) return MP_PACK_GZIP;
    return cut_ending(base, ".zst") ? MP_PACK_ZSTD : MP_PACK_NONE;
}

mp_packing mp_text_packing_of(const char *name) {
    mp_str base = last_part(name);
    return cut_packing(&base);
}

static bool is_h5(const mp_str *base) {
    mp_str name = *base;
    return cut_ending(&name, ".h5") || cut_ending(&name, ".hdf5") || cut_ending(&name, ".he5") ||
           cut_ending(&name, ".h5ad");
}

bool mp_text_format_of(const char *name, mp_text_format *out) {
    mp_str base = last_part(name);
    bool packed = cut_packing(&base) != MP_PACK_NONE;
    if (!packed && is_h5(&base))
        *out = MP_FORMAT_H5;
    else if (cut_ending(&base, ".tsv"))
        *out = MP_FORMAT_TSV;
    else if (cut_ending(&base, ".ndjson") || cut_ending(&base, ".jsonl"))
        *out = MP_FORMAT_NDJSON;
    else if (cut_ending(&base, ".csv") || base.len < 2 || !memrchr(base.p + 1, '.', base.len - 1))
        *out = MP_FORMAT_CSV;
    else
        return false;
    return true;
}
