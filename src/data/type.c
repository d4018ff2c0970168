/* type.c - names of types, what a text says, and what follows from all the texts of a column.
 * Invariant: the forms exclude each other, so a text is evidence of exactly one. */
#include "data/type.h"

#include "data/date.h"
#include "data/parse_num.h"

static const char *const type_names[MP_TYPE_COUNT] = {"null",    "bool", "int64",     "decimal",
                                                      "float64", "date", "timestamp", "string"};

const char *mp_type_name(mp_type t) {
    return t < MP_TYPE_COUNT ? type_names[t] : "unknown";
}

bool mp_type_parse(mp_str name, mp_type *out) {
    for (int t = MP_BOOL; t < MP_TYPE_COUNT; t++) {
        if (!mp_str_eq(name, mp_str_c(type_names[t]))) continue;
        *out = (mp_type)t;
        return true;
    }
    return false;
}

mp_type mp_evidence_type(mp_evidence e) {
    if (e.seen & (MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT)) {
        if (e.seen & ~(MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT)) return MP_STRING;
        if (e.seen == MP_SEEN_INT) return MP_INT64;
        bool exact = !(e.seen & MP_SEEN_FLOAT) && e.int_digits + e.scale <= MP_SCALE_MAX;
        return exact ? MP_DECIMAL : MP_FLOAT64;
    }
    switch (e.seen) {
    case 0:
        return MP_NULL;
    case MP_SEEN_BOOL:
        return MP_BOOL;
    case MP_SEEN_DATE:
        return MP_DATE;
    case MP_SEEN_TS_T:
    case MP_SEEN_TS_SPACE:
        return MP_TIMESTAMP;
    default:
        return MP_STRING;
    }
}

bool mp_type_holds(mp_type t, mp_evidence e) {
    mp_type least = mp_evidence_type(e);
    if (least == MP_NULL || least == t || t == MP_STRING) return true;
    return mp_type_is_number(t) && mp_type_is_number(least) && least < t;
}

bool mp_value_is(const mp_value *v, mp_type t) {
    switch (t) {
    case MP_BOOL:
        return v->e.seen == MP_SEEN_BOOL;
    case MP_INT64:
        return v->e.seen == MP_SEEN_INT;
    case MP_DECIMAL:
        return v->e.seen == MP_SEEN_DECIMAL ||
               (v->e.seen == MP_SEEN_INT && v->e.int_digits <= MP_SCALE_MAX);
    case MP_FLOAT64:
        return (v->e.seen & (MP_SEEN_INT | MP_SEEN_DECIMAL | MP_SEEN_FLOAT)) != 0;
    case MP_DATE:
        return v->e.seen == MP_SEEN_DATE;
    case MP_TIMESTAMP:
        return (v->e.seen & (MP_SEEN_TS_T | MP_SEEN_TS_SPACE)) != 0;
    case MP_STRING:
        return v->e.seen != 0;
    default:
        return false;
    }
}

static uint8_t digits_of(int64_t v) {
    uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
    uint8_t n = 0;
    for (; u; u /= 10)
        n++;
    return n;
}

static bool number_value(const char *p, size_t n, mp_value *out) {
    mp_number num;
    switch (mp_parse_number(p, n, &num)) {
    case MP_NUM_INT64:
    case MP_NUM_DECIMAL: {
        int before = digits_of(num.i64) - num.scale;
        out->e.seen = num.kind == MP_NUM_INT64 ? MP_SEEN_INT : MP_SEEN_DECIMAL;
        out->e.int_digits = (uint8_t)(before > 0 ? before : 0);
        out->e.scale = (uint8_t)num.scale;
        out->i = num.i64;
        out->f = mp_decimal_to_double(num.i64, num.scale);
        return true;
    }
    case MP_NUM_FLOAT64:
        out->e.seen = MP_SEEN_FLOAT;
        out->f = num.f64;
        return true;
    default:
        return false;
    }
}

static bool bool_value(const char *p, size_t n, mp_value *out) {
    static const char *const words[] = {"false", "False", "FALSE", "true", "True", "TRUE"};
    if (n < 4 || n > 5) return false;
    for (int i = 0; i < 6; i++) {
        if (!mp_str_eq(mp_str_of(p, n), mp_str_c(words[i]))) continue;
        out->e.seen = MP_SEEN_BOOL;
        out->i = i >= 3;
        return true;
    }
    return false;
}

static bool time_value(const char *p, size_t n, mp_value *out) {
    char sep;
    if (mp_parse_date(p, n, &out->i)) {
        out->e.seen = MP_SEEN_DATE;
    } else if (mp_parse_timestamp(p, n, &out->i, &sep)) {
        out->e.seen = sep == 'T' ? MP_SEEN_TS_T : MP_SEEN_TS_SPACE;
    } else {
        return false;
    }
    return true;
}

void mp_value_of_text(const char *p, size_t n, mp_value *out) {
    *out = (mp_value){0};
    if (number_value(p, n, out) || bool_value(p, n, out) || time_value(p, n, out)) return;
    *out = (mp_value){.e.seen = MP_SEEN_STRING};
}

mp_evidence mp_evidence_of_text(const char *p, size_t n) {
    mp_value v;
    mp_value_of_text(p, n, &v);
    return v.e;
}
