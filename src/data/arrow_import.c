/* arrow_import.c - Arrow arrays of somebody else as batches. See arrow.h.
 * Invariant: mp_arrow_check has looked at every buffer that mp_arrow_import reads: that it is there, that it is large
 * enough where its size is known, that offsets of texts rise and stay inside. Loads go through memcpy: alignment is not
 * promised. */
#include <stdio.h>

#include "data/arrow.h"
#include "data/date.h"
#include "data/decimal.h"

#define LENGTH_MAX ((int64_t)1 << 40) /* rows of one array; more is a broken one */

static mp_status wrong(mp_error *err, const char *column, const char *why) {
    mp_error_set(err, MP_FAILED, "bad batch", "%s", why);
    if (column) mp_error_column(err, column);
    return MP_FAILED;
}

/* ---- from the interface ---- */

static mp_status open_column(const struct ArrowArray *in, const mp_arrow_type *type, int64_t first,
                             int64_t n_rows, const char *name, mp_arrow_col *c, mp_error *err) {
    static const int n_buffers[] = {
        [MP_ARROW_NULL] = 0, [MP_ARROW_BOOL] = 2,      [MP_ARROW_INT] = 2,
        [MP_ARROW_UINT] = 2, [MP_ARROW_FLOAT] = 2,     [MP_ARROW_DECIMAL] = 2,
        [MP_ARROW_DATE] = 2, [MP_ARROW_TIMESTAMP] = 2, [MP_ARROW_TEXT] = 3};
    if (!in || !in->release) return wrong(err, name, "the column is missing");
    if (in->length < 0 || in->length > LENGTH_MAX || in->offset < 0 || in->offset > LENGTH_MAX)
        return wrong(err, name, "a length or offset out of range");
    if (in->length < first + n_rows)
        return wrong(err, name, "the column is shorter than its batch");
    if (in->dictionary) return wrong(err, name, "a dictionary that the schema does not have");
    if (in->n_buffers != n_buffers[type->kind] || (in->n_buffers && !in->buffers))
        return wrong(err, name, "not the number of buffers that its format has");
    if (in->null_count < -1 || in->null_count > in->length)
        return wrong(err, name, "more nulls than values");
    bool whole = first == 0 && n_rows == in->length;
    *c = (mp_arrow_col){.length = n_rows,
                        .offset = in->offset + first,
                        .null_count = whole || in->null_count == 0 ? in->null_count : -1,
                        .n_buffers = (int)in->n_buffers,
                        .bytes = {-1, -1, -1}};
    for (int64_t i = 0; i < in->n_buffers; i++)
        c->buffers[i] = in->buffers[i];
    return MP_OK;
}

mp_status mp_arrow_open(const struct ArrowArray *in, const mp_arrow_table *t, mp_arrow_col *cols,
                        mp_error *err) {
    if (in->length < 0 || in->length > LENGTH_MAX || in->offset < 0 || in->offset > LENGTH_MAX)
        return wrong(err, NULL, "a length or offset out of range");
    if (in->n_children != t->schema.n || !in->children) {
        mp_error_set(err, MP_FAILED, "bad batch", "it has %lld columns, its schema %d",
                     (long long)in->n_children, (int)t->schema.n);
        return MP_FAILED;
    }
    if (in->dictionary) return wrong(err, NULL, "a dictionary that the schema does not have");
    if (in->null_count > 0 ||
        (in->null_count < 0 && in->n_buffers > 0 && in->buffers && in->buffers[0]))
        return wrong(err, NULL, "rows that are null as a whole");
    for (int32_t i = 0; i < t->schema.n; i++) {
        mp_status st = open_column(in->children[i], &t->types[i], in->offset, in->length,
                                   t->schema.fields[i].name, &cols[i], err);
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

/* ---- check ---- */

static inline bool bit(const void *bits, int64_t i) {
    return ((const uint8_t *)bits)[i >> 3] >> (i & 7) & 1;
}

/* Ones among n bits from first. */
static int64_t count_ones(const uint8_t *bits, int64_t first, int64_t n) {
    int64_t ones = 0, i = first, end = first + n;
    for (; i < end && (i & 7); i++)
        ones += bit(bits, i);
    for (; i + 64 <= end; i += 64) {
        uint64_t word;
        memcpy(&word, bits + i / 8, 8);
        ones += __builtin_popcountll(word);
    }
    for (; i < end; i++)
        ones += bit(bits, i);
    return ones;
}

/* Has buffer k what is read of it? */
static bool holds(const mp_arrow_col *c, int k, int64_t need_bytes) {
    if (need_bytes == 0) return true;
    return c->buffers[k] && (c->bytes[k] < 0 || c->bytes[k] >= need_bytes);
}

static mp_status check_nulls(const mp_arrow_col *c, int64_t last, const char *name, mp_error *err) {
    if (!c->buffers[0]) {
        if (c->null_count > 0) return wrong(err, name, "nulls, but no bits that say which");
        return MP_OK;
    }
    if (!holds(c, 0, (last + 7) / 8)) return wrong(err, name, "its validity bits are too short");
    int64_t nulls = c->length - count_ones(c->buffers[0], c->offset, c->length);
    if (c->null_count < 0 || c->null_count == nulls) return MP_OK;
    mp_error_set(err, MP_FAILED, "bad batch", "it says %lld nulls and has %lld",
                 (long long)c->null_count, (long long)nulls);
    mp_error_column(err, name);
    return MP_FAILED;
}

static inline int64_t offset_at(const mp_arrow_col *c, int width, int64_t i) {
    const uint8_t *p = (const uint8_t *)c->buffers[1] + i * width;
    int32_t narrow;
    int64_t wide;
    if (width == 4) {
        memcpy(&narrow, p, 4);
        return narrow;
    }
    memcpy(&wide, p, 8);
    return wide;
}

static mp_status check_text(const mp_arrow_col *c, int width, int64_t last, const char *name,
                            mp_error *err) {
    if (c->length == 0) return MP_OK;
    if (!holds(c, 1, (last + 1) * width)) return wrong(err, name, "its offsets are missing");
    int64_t before = offset_at(c, width, c->offset);
    if (before < 0) return wrong(err, name, "an offset below 0");
    for (int64_t i = c->offset + 1; i <= last; i++) {
        int64_t next = offset_at(c, width, i);
        if (next < before) return wrong(err, name, "offsets that fall");
        if (next - before > UINT32_MAX) return wrong(err, name, "a text of more than 4 GiB");
        before = next;
    }
    if (!holds(c, 2, before)) return wrong(err, name, "offsets behind the end of its bytes");
    return MP_OK;
}

mp_status mp_arrow_check(const mp_arrow_col *cols, const mp_arrow_table *t, int64_t n_rows,
                         mp_error *err) {
    for (int32_t i = 0; i < t->schema.n; i++) {
        const mp_arrow_col *c = &cols[i];
        const mp_arrow_type *type = &t->types[i];
        const char *name = t->schema.fields[i].name;
        int64_t last = c->offset + c->length;
        mp_status st;
        if (c->length != n_rows) return wrong(err, name, "not as many values as rows");
        if (type->kind == MP_ARROW_NULL) continue;
        st = check_nulls(c, last, name, err);
        if (st != MP_OK) return st;
        if (type->kind == MP_ARROW_TEXT)
            st = check_text(c, type->width, last, name, err);
        else if (!holds(c, 1, type->kind == MP_ARROW_BOOL ? (last + 7) / 8 : last * type->width) &&
                 c->length)
            st = wrong(err, name, "its values are missing");
        if (st != MP_OK) return st;
    }
    return MP_OK;
}

/* ---- values ---- */

/* Rows [first, first + n) of a column. */
typedef struct {
    const mp_arrow_col *c;
    const mp_arrow_type *type;
    const mp_field *field;
    int64_t first; /* with the column's offset */
    int64_t row;   /* of the batch, for messages */
    int32_t n;
    mp_arena *arena;
    const uint8_t *valid; /* bytes, NULL: no nulls */
    mp_error *err;
} range;

static inline const uint8_t *value_at(const range *r, int64_t i) {
    return (const uint8_t *)r->c->buffers[1] + (r->first + i) * r->type->width;
}

static inline bool is_null(const range *r, int32_t i) {
    return r->valid && !r->valid[i];
}

static mp_status misfit(const range *r, int32_t i, const char *why) {
    mp_error_set(r->err, MP_FAILED, "bad batch", "row %lld: %s", (long long)(r->row + i + 1), why);
    mp_error_column(r->err, r->field->name);
    return MP_FAILED;
}

static void unpack_bits(const uint8_t *bits, int64_t first, int32_t n, uint8_t *out) {
    int32_t i = 0;
    if ((first & 7) == 0)
        for (; i + 8 <= n; i += 8) {
            uint64_t spread = bits[(first + i) >> 3] * 0x0101010101010101u & 0x8040201008040201u;
            spread = (spread + 0x7F7F7F7F7F7F7F7Fu) >> 7 & 0x0101010101010101u;
            memcpy(out + i, &spread, 8);
        }
    for (; i < n; i++)
        out[i] = bit(bits, first + i);
}

static int64_t integer_at(const range *r, int32_t i) {
    const uint8_t *p = value_at(r, i);
    bool is_signed = r->type->kind != MP_ARROW_UINT;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (r->type->width) {
    case 1:
        return is_signed ? (int8_t)*p : *p;
    case 2:
        memcpy(&u16, p, 2);
        return is_signed ? (int16_t)u16 : u16;
    case 4:
        memcpy(&u32, p, 4);
        return is_signed ? (int32_t)u32 : (int64_t)u32;
    default:
        memcpy(&u64, p, 8);
        return (int64_t)u64;
    }
}

static mp_status import_integers(const range *r, int64_t *out) {
    bool too_large = r->type->kind == MP_ARROW_UINT && r->type->width == 8;
    for (int32_t i = 0; i < r->n; i++) {
        out[i] = integer_at(r, i);
        if (too_large && out[i] < 0 && !is_null(r, i))
            return misfit(r, i, "an unsigned integer above 2^63 - 1");
    }
    return MP_OK;
}

/* Floor, so that times before 1970 stay in their day. */
static inline int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* Outside the years 1 to 9999 nothing is a date. */
static mp_status import_times(const range *r, int64_t *out) {
    bool days = r->type->kind == MP_ARROW_DATE;
    int64_t unit = days ? 1 : MP_US_PER_DAY;
    int64_t least = mp_days_from_civil(1, 1, 1) * unit;
    int64_t end = mp_days_from_civil(10000, 1, 1) * unit;
    for (int32_t i = 0; i < r->n; i++) {
        int64_t v = integer_at(r, i);
        bool ok = true;
        if (is_null(r, i))
            v = 0;
        else if (days)
            v = r->type->width == 4 ? v : floor_div(v, 86400000);
        else if (r->type->per_s > 1000000)
            v = floor_div(v, r->type->per_s / 1000000);
        else
            ok = !__builtin_mul_overflow(v, 1000000 / r->type->per_s, &v);
        if (!is_null(r, i) && (!ok || v < least || v >= end))
            return misfit(r, i, "a date outside the years 1 to 9999");
        out[i] = v;
    }
    return MP_OK;
}

static mp_status import_decimals(const range *r, int64_t *out) {
    for (int32_t i = 0; i < r->n; i++) {
        __int128 v;
        memcpy(&v, value_at(r, i), 16);
        out[i] = 0;
        if (is_null(r, i)) continue;
        if (v > mp_pow10_i64[18] - 1 || v < 1 - mp_pow10_i64[18])
            return misfit(r, i, "a decimal of more than 18 digits");
        out[i] = (int64_t)v;
    }
    return MP_OK;
}

/* The nearest double: by its digits, since neither the number nor the power is exact as a double. */
static double double_of_decimal(__int128 v, int scale) {
    char text[64];
    bool negative = v < 0;
    unsigned __int128 rest = negative ? -(unsigned __int128)v : (unsigned __int128)v;
    size_t at = 48;
    int tail = snprintf(text + at, sizeof text - at, "e%d", -scale);
    do {
        text[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest);
    if (negative) text[--at] = '-';
    mp_value value;
    mp_value_of_text(text + at, 48 - at + (size_t)tail, &value);
    return value.f;
}

static mp_status import_floats(const range *r, double *out) {
    float f;
    __int128 v;
    for (int32_t i = 0; i < r->n; i++) {
        out[i] = 0;
        if (is_null(r, i)) continue;
        if (r->type->kind == MP_ARROW_DECIMAL) {
            memcpy(&v, value_at(r, i), 16);
            out[i] = double_of_decimal(v, r->type->scale);
        } else if (r->type->width == 4) {
            memcpy(&f, value_at(r, i), 4);
            out[i] = f;
        } else {
            memcpy(&out[i], value_at(r, i), 8);
        }
    }
    return MP_OK;
}

/* A NUL byte is somewhere in the buffer: in a value? */
static mp_status check_nuls(const range *r, const mp_str *texts) {
    for (int32_t i = 0; i < r->n; i++)
        if (texts[i].len && memchr(texts[i].p, 0, texts[i].len))
            return misfit(r, i, "a text with a NUL byte, for which a table has no place");
    return MP_OK;
}

static mp_status import_texts(const range *r, mp_str *out) {
    const char *text = r->c->buffers[2];
    int64_t begin = r->n ? offset_at(r->c, r->type->width, r->first) : 0, before = begin;
    for (int32_t i = 0; i < r->n; i++) {
        int64_t next = offset_at(r->c, r->type->width, r->first + i + 1);
        bool none = is_null(r, i) || next == before;
        out[i] = none ? mp_str_of("", 0) : mp_str_of(text + before, (size_t)(next - before));
        before = next;
    }
    bool nul = before > begin && memchr(text + begin, 0, (size_t)(before - begin));
    return nul ? check_nuls(r, out) : MP_OK;
}

/* ---- columns ---- */

/* Values that are as a batch has them, at an address that it can use. */
static bool agrees(const range *r) {
    bool same =
        (r->type->kind == MP_ARROW_INT || r->type->kind == MP_ARROW_FLOAT) && r->type->width == 8;
    return same && ((uintptr_t)value_at(r, 0) & 7) == 0;
}

static mp_status import_validity(range *r, mp_col *out) {
    const mp_arrow_col *c = r->c;
    bool all_null = r->type->kind == MP_ARROW_NULL;
    if (!all_null && (!c->buffers[0] || c->null_count == 0)) return MP_OK;
    uint8_t *valid = mp_arena_alloc(r->arena, (size_t)r->n, 8);
    if (!valid) return mp_mem_error(r->arena->mem, (size_t)r->n, r->err);
    if (all_null)
        memset(valid, 0, (size_t)r->n);
    else
        unpack_bits(c->buffers[0], r->first, r->n, valid);
    r->valid = out->valid = valid;
    return MP_OK;
}

static mp_status import_values(const range *r, mp_col *out) {
    size_t bytes = (size_t)r->n * (size_t)mp_type_width(r->field->type);
    if (r->n && agrees(r)) {
        out->p = value_at(r, 0);
        return MP_OK;
    }
    void *values = mp_arena_alloc(r->arena, bytes, 16);
    if (!values) return mp_mem_error(r->arena->mem, bytes, r->err);
    out->p = values;
    if (r->type->kind == MP_ARROW_NULL) {
        for (int32_t i = 0; i < r->n; i++) {
            if (r->field->type == MP_STRING)
                ((mp_str *)values)[i] = mp_str_of("", 0);
            else
                ((int64_t *)values)[i] = 0;
        }
        return MP_OK;
    }
    switch (r->field->type) {
    case MP_BOOL:
        if (r->n) unpack_bits(r->c->buffers[1], r->first, r->n, values);
        return MP_OK;
    case MP_DECIMAL:
        return import_decimals(r, values);
    case MP_FLOAT64:
        return import_floats(r, values);
    case MP_DATE:
    case MP_TIMESTAMP:
        return import_times(r, values);
    case MP_STRING:
        return import_texts(r, values);
    default:
        return import_integers(r, values);
    }
}

mp_status mp_arrow_import(const mp_arrow_col *cols, const mp_arrow_table *t, int64_t first,
                          int32_t n_rows, mp_arena *arena, mp_batch *out, mp_error *err) {
    size_t bytes = (size_t)t->schema.n * sizeof(mp_col);
    mp_col *made = mp_arena_alloc(arena, bytes, 16);
    if (!made) return mp_mem_error(arena->mem, bytes, err);
    for (int32_t i = 0; i < t->schema.n; i++) {
        const mp_field *f = &t->schema.fields[i];
        range r = {.c = &cols[i],
                   .type = &t->types[i],
                   .field = f,
                   .first = cols[i].offset + first,
                   .row = first,
                   .n = n_rows,
                   .arena = arena,
                   .err = err};
        made[i] = (mp_col){.type = f->type, .scale = f->scale, .ts_sep = f->ts_sep};
        mp_status st = import_validity(&r, &made[i]);
        if (st == MP_OK) st = import_values(&r, &made[i]);
        if (st != MP_OK) return st;
    }
    *out = (mp_batch){.n_rows = n_rows, .n_cols = t->schema.n, .cols = made, .file_no = -1};
    return MP_OK;
}
