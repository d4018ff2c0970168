/* h5_convert.c - values of one column of a batch: loaded as 64-bit integers, doubles or texts from the
 * pieces that hold its rows, then given their meaning (nulls, time, scale, names of codes). See
 * h5_convert.h. */
#include "io/h5/h5_convert.h"

#include <math.h>

#include "data/print_num.h"
#include "io/h5/h5_values.h"

/* 0001-01-01 and 9999-12-31 */
static const int64_t FIRST_DAY = -719162, LAST_DAY = 2932896, DAY_US = 86400000000;

static mp_status nomem(const mp_h5_convert *v, size_t n, mp_error *err) {
    return mp_mem_error(v->arena->mem, n, err);
}

static void *take(const mp_h5_convert *v, size_t n, size_t size) {
    return mp_arena_alloc(v->arena, n * size + 64, 64);
}

/* ---- loading ---- */

/* The pieces that hold the rows, one after the other: load is called for the rows of each. */
static mp_status load_pieces(const mp_h5_convert *v, int i, int64_t row, int32_t n,
                             const uint32_t *sel, int32_t n_sel, mp_h5_load_fn load, void *to,
                             int32_t *bad_row, mp_error *err) {
    const mp_h5_column *c = &v->l->columns[v->columns[i]];
    int32_t done = 0;
    for (int64_t at = 0; at < n;) {
        /* a chunk of which no row is left is not looked at */
        if (sel && done == n_sel) break;
        if (sel) at = sel[done];
        const uint8_t *p;
        int64_t here;
        *bad_row = sel ? done : (int32_t)at;
        mp_status st = mp_h5_fetch_rows(v->fetch, i, row + at, &p, &here, err);
        if (st) return st;
        int64_t end = at + here < n ? at + here : n;
        mp_h5_piece piece = {.column = c, .p = p, .first = (uint32_t)at};
        piece.n = (int32_t)(end - at);
        if (sel) {
            int32_t k = done;
            while (k < n_sel && sel[k] < end)
                k++;
            piece.sel = sel + done;
            piece.n = k - done;
        }
        st = load(v, &piece, to, done, err);
        if (st) return st;
        done += piece.n;
        at = end;
    }
    *bad_row = -1;
    return MP_OK;
}

static mp_status load_number(const mp_h5_convert *v, const mp_h5_piece *p, void *to, int32_t at,
                             mp_error *err) {
    (void)v, (void)err;
    mp_h5_load_number(p, (int64_t *)to + at);
    return MP_OK;
}

static mp_status load_text(const mp_h5_convert *v, const mp_h5_piece *p, void *to, int32_t at,
                           mp_error *err) {
    mp_str *out = (mp_str *)to + at;
    const mp_h5_column *c = p->column;
    if (c->form == MP_H5_TEXT) {
        mp_h5_load_fixed(p, out);
        return MP_OK;
    }
    for (int32_t i = 0; i < p->n; i++) {
        const uint8_t *q = mp_h5_piece_at(p, i);
        mp_status st = MP_OK;
        if (c->form == MP_H5_STR)
            memcpy(&out[i], q, sizeof out[i]);
        else if (c->form == MP_H5_HEAP)
            st = mp_h5_fetch_text(v->fetch, q, v->arena, &out[i], err);
        else if (!mp_h5_utf16(c, q, v->arena, &out[i]))
            st = nomem(v, c->size, err);
        if (st) return st;
    }
    return MP_OK;
}

/* Values that stand in the file as they do here, in one piece: no copy. NULL: another form. */
static mp_status in_place(const mp_h5_convert *v, int i, int64_t row, int32_t n, const void **out,
                          mp_error *err) {
    const mp_h5_column *c = &v->l->columns[v->columns[i]];
    const uint8_t *p = NULL;
    int64_t here = 0;
    *out = NULL;
    bool same = c->size == 8 && c->stride == 8 && !c->big_endian &&
                (c->form == MP_H5_INT || c->form == MP_H5_UINT || c->form == MP_H5_FLOAT);
    if (!same) return MP_OK;
    mp_status st = mp_h5_fetch_rows(v->fetch, i, row, &p, &here, err);
    if (!st && here >= n && (uintptr_t)p % 8 == 0) *out = p;
    return st;
}

static mp_status load_column(const mp_h5_convert *v, int i, int64_t row, int32_t n,
                             const uint32_t *sel, int32_t n_sel, const void **out, int32_t *bad_row,
                             mp_error *err) {
    const mp_h5_column *c = &v->l->columns[v->columns[i]];
    bool text = c->form >= MP_H5_TEXT && c->form <= MP_H5_STR;
    int32_t rows = sel ? n_sel : n;
    mp_status st = sel ? MP_OK : in_place(v, i, row, n, out, err);
    if (st || (!sel && *out)) return st;
    void *to = take(v, (size_t)rows, text ? sizeof(mp_str) : sizeof(int64_t));
    *out = to;
    if (!to) return nomem(v, (size_t)rows * 8, err);
    return load_pieces(v, i, row, n, sel, n_sel, text ? load_text : load_number, to, bad_row, err);
}

/* ---- meaning ---- */

/* One column on its way. */
typedef struct {
    const mp_h5_convert *v;
    const mp_h5_column *c;
    int32_t n;
    const void *raw;
    uint8_t *valid; /* NULL: no nulls so far */
    mp_col *out;
    int32_t *bad_row;
    mp_error *err;
} meaning;

static bool need_valid(meaning *m) {
    if (m->valid) return true;
    m->valid = take(m->v, (size_t)m->n, 1);
    if (m->valid) memset(m->valid, 1, (size_t)m->n);
    return m->valid != NULL;
}

static mp_status refused(meaning *m) {
    return nomem(m->v, (size_t)m->n * 16, m->err);
}

/* Nulls of numbers that a value stands for, and NaN. */
static mp_status find_nulls(meaning *m) {
    const mp_h5_column *c = m->c;
    if (c->form == MP_H5_FLOAT || c->form == MP_H5_TIMEVAL) {
        const double *f = m->raw;
        bool any = false;
        for (int32_t i = 0; i < m->n; i++)
            any |= f[i] != f[i] || (c->has_null && f[i] == c->null_float);
        if (!any) return MP_OK;
        if (!need_valid(m)) return refused(m);
        for (int32_t i = 0; i < m->n; i++)
            m->valid[i] &= !(f[i] != f[i] || (c->has_null && f[i] == c->null_float));
        return MP_OK;
    }
    if (!c->has_null) return MP_OK;
    const int64_t *v = m->raw;
    bool any = false;
    for (int32_t i = 0; i < m->n; i++)
        any |= v[i] == c->null_int;
    if (!any) return MP_OK;
    if (!need_valid(m)) return refused(m);
    for (int32_t i = 0; i < m->n; i++)
        m->valid[i] &= v[i] != c->null_int;
    return MP_OK;
}

/* A uint64 above int64's range. */
static mp_status check_range(meaning *m) {
    if (m->c->form != MP_H5_UINT || m->c->size != 8) return MP_OK;
    const int64_t *v = m->raw;
    int64_t all = 0;
    for (int32_t i = 0; i < m->n; i++)
        all |= v[i];
    for (int32_t i = 0; all < 0 && i < m->n; i++) {
        if (v[i] >= 0 || (m->valid && !m->valid[i])) continue;
        *m->bad_row = i;
        mp_error_set(m->err, MP_DATA, NULL, "%llu does not fit int64", (unsigned long long)v[i]);
        mp_error_column(m->err, m->c->name);
        mp_error_hint(m->err, "--types %s:float64 or %s:string reads it", m->c->name, m->c->name);
        return MP_DATA;
    }
    return MP_OK;
}

static bool is_float(const mp_h5_column *c) {
    return c->form == MP_H5_FLOAT || c->form == MP_H5_TIMEVAL;
}

static double as_double(const meaning *m, int32_t i) {
    if (is_float(m->c)) return ((const double *)m->raw)[i];
    int64_t v = ((const int64_t *)m->raw)[i];
    return m->c->form == MP_H5_UINT ? (double)(uint64_t)v : (double)v;
}

static mp_status to_double(meaning *m) {
    const mp_h5_column *c = m->c;
    m->out->type = MP_FLOAT64;
    m->out->p = m->raw;
    if (is_float(c) && !c->scaled) return MP_OK;
    double *to = take(m->v, (size_t)m->n, sizeof *to);
    if (!to) return refused(m);
    for (int32_t i = 0; i < m->n; i++)
        to[i] = as_double(m, i);
    for (int32_t i = 0; c->scaled && i < m->n; i++)
        to[i] = to[i] * c->factor + c->offset;
    m->out->f64 = to;
    return MP_OK;
}

/* The value as the column's own type has it, beyond what a date can be: null. */
static bool time_of(const meaning *m, int32_t i, int64_t *out) {
    const mp_h5_column *c = m->c;
    bool date = c->type == MP_DATE;
    int64_t least = date ? FIRST_DAY : FIRST_DAY * DAY_US;
    int64_t most = date ? LAST_DAY : (LAST_DAY + 1) * DAY_US - 1;
    if (is_float(c)) {
        double us = as_double(m, i) * ((double)c->unit_ns / 1000) + (double)c->origin;
        if (!(us >= (double)least && us <= (double)most)) return false;
        *out = (int64_t)floor(us + 0.5);
        return true;
    }
    __int128 ns = ((const int64_t *)m->raw)[i];
    if (!date) ns *= c->unit_ns;
    __int128 us = date ? ns : (ns >= 0 ? ns / 1000 : -((-ns + 999) / 1000));
    us += c->origin;
    *out = (int64_t)us;
    return us >= least && us <= most;
}

static mp_status to_time(meaning *m) {
    int64_t *to = take(m->v, (size_t)m->n, sizeof *to);
    if (!to) return refused(m);
    m->out->type = m->c->type;
    m->out->i64 = to;
    for (int32_t i = 0; i < m->n; i++) {
        to[i] = 0;
        if (m->valid && !m->valid[i]) continue;
        if (time_of(m, i, &to[i])) continue;
        *m->bad_row = i;
        mp_error_set(m->err, MP_DATA, NULL, "a time beyond the years 1 to 9999");
        mp_error_column(m->err, m->c->name);
        return MP_DATA;
    }
    return MP_OK;
}

static mp_status to_bool(meaning *m) {
    uint8_t *to = take(m->v, (size_t)m->n, 1);
    if (!to) return refused(m);
    for (int32_t i = 0; i < m->n; i++)
        to[i] = ((const int64_t *)m->raw)[i] != 0;
    m->out->type = MP_BOOL;
    m->out->b = to;
    return MP_OK;
}

/* Place of a code in the list, -1: none. */
static int64_t place_of(const mp_h5_dict *d, int64_t code) {
    if (!d->codes) return code >= 0 && code < d->n ? code : -1;
    int64_t low = 0, high = d->n;
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (d->codes[mid] < code)
            low = mid + 1;
        else
            high = mid;
    }
    return low < d->n && d->codes[low] == code ? low : -1;
}

/* A code that stands for nothing is null. */
static mp_status to_named(meaning *m) {
    const mp_h5_dict *d = &m->v->l->dicts[m->c->dict];
    size_t width = (size_t)mp_type_width(d->type);
    uint8_t *to = take(m->v, (size_t)m->n, width);
    if (!to) return refused(m);
    for (int32_t i = 0; i < m->n; i++) {
        int64_t at = place_of(d, ((const int64_t *)m->raw)[i]);
        if (at >= 0 && d->type == MP_STRING)
            memcpy(to + (size_t)i * width, &d->str[at], width);
        else if (at >= 0 && d->type == MP_BOOL)
            to[i] = d->i64[at] != 0;
        else if (at >= 0)
            memcpy(to + (size_t)i * width, &d->i64[at], width);
        if (at >= 0) continue;
        if (!need_valid(m)) return refused(m);
        m->valid[i] = 0;
        memset(to + (size_t)i * width, 0, width);
    }
    m->out->type = d->type;
    m->out->p = to;
    return MP_OK;
}

static mp_status null_texts(meaning *m) {
    const mp_str *s = m->raw;
    mp_str null = mp_str_c(m->c->null_text);
    for (int32_t i = 0; i < m->n; i++) {
        if (!mp_str_eq(s[i], null)) continue;
        if (!need_valid(m)) return refused(m);
        m->valid[i] = 0;
    }
    return MP_OK;
}

static mp_status give_meaning(meaning *m, mp_type want) {
    const mp_h5_column *c = m->c;
    m->out->p = m->raw;
    m->out->type = c->type;
    if (c->form >= MP_H5_TEXT && c->form <= MP_H5_STR) return c->null_text ? null_texts(m) : MP_OK;
    if (c->dict >= 0) return to_named(m);
    mp_status st = find_nulls(m);
    if (st) return st;
    if (c->type == MP_BOOL) return to_bool(m);
    if (c->type == MP_DATE || c->type == MP_TIMESTAMP) return to_time(m);
    if (c->type == MP_FLOAT64 || (want == MP_FLOAT64 && c->type == MP_INT64)) return to_double(m);
    return want == MP_STRING ? MP_OK : check_range(m);
}

/* A number as its canonical text. */
static mp_status to_text(meaning *m) {
    const mp_col in = *m->out;
    mp_str *to = take(m->v, (size_t)m->n, sizeof *to);
    char *text = take(m->v, (size_t)m->n, MP_NUM_MAX);
    if (!to || !text) return refused(m);
    for (int32_t i = 0; i < m->n; i++, text += MP_NUM_MAX) {
        size_t len = 0;
        if (m->valid && !m->valid[i])
            ;
        else if (in.type == MP_FLOAT64)
            len = mp_print_double(text, in.f64[i]);
        else if (m->c->form == MP_H5_UINT)
            len = (size_t)snprintf(text, MP_NUM_MAX, "%llu", (unsigned long long)in.i64[i]);
        else
            len = mp_print_int64(text, in.i64[i]);
        to[i] = mp_str_of(text, len);
    }
    m->out->type = MP_STRING;
    m->out->str = to;
    return MP_OK;
}

/* ---- the whole ---- */

static mp_status apply_mask(meaning *m, int mask, int64_t row, int32_t n, const uint32_t *sel,
                            int32_t n_sel) {
    const void *raw = NULL;
    mp_status st = load_column(m->v, mask, row, n, sel, n_sel, &raw, m->bad_row, m->err);
    if (st) return st;
    const int64_t *marks = raw;
    int64_t any = 0;
    for (int32_t i = 0; i < m->n; i++)
        any |= marks[i];
    if (!any) return MP_OK;
    if (!need_valid(m)) return refused(m);
    for (int32_t i = 0; i < m->n; i++)
        m->valid[i] &= marks[i] == 0;
    return MP_OK;
}

/* A null string has no length. */
static mp_status clear_null_texts(meaning *m) {
    if (m->out->type != MP_STRING || !m->valid) return MP_OK;
    mp_str *to = take(m->v, (size_t)m->n, sizeof *to);
    if (!to) return refused(m);
    for (int32_t i = 0; i < m->n; i++)
        to[i] = m->valid[i] ? m->out->str[i] : mp_str_of("", 0);
    m->out->str = to;
    return MP_OK;
}

mp_status mp_h5_convert_column(const mp_h5_convert *v, int i, mp_type want, int64_t row, int32_t n,
                               const uint32_t *sel, int32_t n_sel, mp_col *out, int32_t *bad_row,
                               mp_error *err) {
    meaning m = {.v = v, .c = &v->l->columns[v->columns[i]], .n = sel ? n_sel : n, .out = out};
    m.bad_row = bad_row;
    m.err = err;
    *out = (mp_col){.type = m.c->type};
    mp_status st = load_column(v, i, row, n, sel, n_sel, &m.raw, bad_row, err);
    if (!st && v->masks[i] >= 0) st = apply_mask(&m, v->masks[i], row, n, sel, n_sel);
    if (!st) st = give_meaning(&m, want);
    if (!st && want == MP_STRING && out->type != MP_STRING) st = to_text(&m);
    if (!st) st = clear_null_texts(&m);
    out->valid = m.valid;
    return st;
}
