/* error.c - filling, ordering and wording errors.
 * Invariant: every text in an mp_error ends with a NUL inside its array and is never cut inside a
 * UTF-8 character. */
#include "base/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"

void mp_error_init(mp_error *err) {
    if (err) *err = MP_ERROR_INIT;
}

/* Drop the unfinished UTF-8 character that a cut after len bytes may have left at the end. */
static size_t cut_at_character(char *s, size_t len) {
    size_t i = len;
    while (i > 0 && len - i < 3 && ((unsigned char)s[i - 1] & 0xC0) == 0x80)
        i--;
    if (i == 0) return len;
    unsigned char lead = (unsigned char)s[i - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (need > 1 && len - (i - 1) < need) len = i - 1;
    s[len] = 0;
    return len;
}

static void put_text(char *out, size_t cap, const char *s) {
    size_t n = strlen(s);
    bool cut = n >= cap;
    if (cut) n = cap - 1;
    memcpy(out, s, n);
    out[n] = 0;
    if (cut) cut_at_character(out, n);
}

static void put_format(char *out, size_t cap, const char *fmt, va_list args) {
    int n = vsnprintf(out, cap, fmt, args);
    if (n < 0)
        out[0] = 0;
    else if ((size_t)n >= cap)
        cut_at_character(out, cap - 1);
}

mp_status mp_error_set(mp_error *err, mp_status status, const char *what, const char *why_fmt,
                       ...) {
    if (!err || err->status != MP_OK) return status;
    err->status = (int32_t)status;
    put_text(err->what, sizeof err->what, what ? what : mp_status_text(status));
    va_list args;
    va_start(args, why_fmt);
    put_format(err->why, sizeof err->why, why_fmt, args);
    va_end(args);
    return status;
}

mp_status mp_error_errno(mp_error *err, int errnum, const char *what, const char *file) {
    if (!err || err->status != MP_OK) return MP_IO;
    mp_error_set(err, MP_IO, what, "%s", strerror(errnum));
    if (file) mp_error_file(err, file);
    return MP_IO;
}

static const char *size_text(char *out, size_t cap, int64_t bytes) {
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    int u = 0;
    while (v >= 1024 && u < 6) {
        v /= 1024;
        u++;
    }
    snprintf(out, cap, u ? "%.1f %s" : "%.0f %s", v, unit[u]);
    return out;
}

mp_status mp_error_nomem(mp_error *err, int64_t request_bytes, int64_t limit_bytes) {
    char request[48], limit[48];
    if (!err || err->status != MP_OK) return MP_NOMEM;
    size_text(request, sizeof request, request_bytes);
    if (limit_bytes <= 0)
        return mp_error_set(err, MP_NOMEM, NULL, "the system refused %s", request);
    size_text(limit, sizeof limit, limit_bytes);
    mp_error_set(err, MP_NOMEM, NULL, "%s more do not fit in the budget of %s", request, limit);
    mp_error_hint(err, "give each rank more with --memory, or use more ranks");
    return MP_NOMEM;
}

void mp_error_file(mp_error *err, const char *file) {
    if (err && file && !err->file[0]) put_text(err->file, sizeof err->file, file);
}

void mp_error_column(mp_error *err, const char *column) {
    if (err && column && !err->column[0]) put_text(err->column, sizeof err->column, column);
}

void mp_error_hint(mp_error *err, const char *fmt, ...) {
    if (!err || err->hint[0]) return;
    va_list args;
    va_start(args, fmt);
    put_format(err->hint, sizeof err->hint, fmt, args);
    va_end(args);
}

static bool is_told(const char *name) {
    return name && ((unsigned char)name[0] >= ' ' || !name[0]);
}

void mp_error_hint_names(mp_error *err, const char *name, const char *const *candidates, int n) {
    int near = mp_str_nearest(name, candidates, n);
    if (near >= 0 && is_told(candidates[near])) {
        mp_error_hint(err, "did you mean '%s'?", candidates[near]);
        return;
    }
    char list[300];
    size_t used = 0;
    int shown = 0, all = 0;
    bool full = false;
    for (int i = 0; i < n; i++) {
        if (!is_told(candidates[i])) continue;
        all++;
        full = full || used + strlen(candidates[i]) + 3 > sizeof list;
        if (full) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", shown ? ", " : "",
                                 candidates[i]);
        shown++;
    }
    if (shown && shown < all)
        mp_error_hint(err, "the columns are %s and %d more", list, all - shown);
    else if (shown)
        mp_error_hint(err, "the columns are %s", list);
}

void mp_error_place(mp_error *err, int32_t file_no, int64_t offset, int64_t split,
                    int64_t row_in_split) {
    if (!err || err->file_no >= 0) return;
    err->file_no = file_no;
    err->offset = offset;
    err->split = split;
    err->row_in_split = row_in_split;
}

typedef struct {
    char *out;
    size_t cap, len;
} text_out;

static void add(text_out *t, const char *fmt, ...) MP_PRINTF(2, 3);

static void add(text_out *t, const char *fmt, ...) {
    if (t->len + 1 >= t->cap) return;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->out + t->len, t->cap - t->len, fmt, args);
    va_end(args);
    if (n < 0) {
        t->out[t->len] = 0;
    } else if ((size_t)n >= t->cap - t->len) {
        t->len = cut_at_character(t->out, t->cap - 1);
        t->cap = t->len + 1;
    } else {
        t->len += (size_t)n;
    }
}

size_t mp_error_format(const mp_error *err, char *out, size_t cap) {
    if (cap == 0) return 0;
    out[0] = 0;
    if (!err) return 0;
    text_out t = {out, cap, 0};
    const char *sep = ": ";
    add(&t, "%s", err->what[0] ? err->what : mp_status_text((mp_status)err->status));
    if (err->file[0]) {
        add(&t, "%sfile '%s'", sep, err->file);
        sep = ", ";
    }
    if (err->row >= 0) {
        add(&t, "%srow %" PRId64, sep, err->row);
        sep = ", ";
    } else if (err->offset >= 0) {
        add(&t, "%sbyte %" PRId64, sep, err->offset);
        sep = ", ";
    }
    if (err->column[0]) add(&t, "%scolumn '%s'", sep, err->column);
    if (err->why[0]) add(&t, ": %s", err->why);
    if (err->hint[0]) add(&t, "\nhint: %s", err->hint);
    return t.len;
}

static int order_i64(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* Unknown (negative) goes behind everything known. */
static int order_known(int64_t a, int64_t b) {
    return order_i64(a < 0 ? INT64_MAX : a, b < 0 ? INT64_MAX : b);
}

/* 0: data error, 1: any other error, 2: none */
static int class_of(const mp_error *e) {
    if (!e || e->status == MP_OK) return 2;
    return e->status == MP_DATA ? 0 : 1;
}

int mp_error_order(const mp_error *a, const mp_error *b) {
    int ca = class_of(a), cb = class_of(b);
    if (ca != cb) return ca < cb ? -1 : 1;
    if (ca == 2) return 0;
    if (ca == 0) {
        int c = order_known(a->file_no, b->file_no);
        if (c == 0) c = order_known(a->offset, b->offset);
        if (c != 0) return c;
    }
    return order_known(a->rank, b->rank);
}
