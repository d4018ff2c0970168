/* arrow_schema.c - columns as Arrow schemas, and back. See arrow.h. */
#include <stdio.h>
#include <stdlib.h>

#include "data/arrow.h"

enum { NAME_MAX_BYTES = 1 << 16, COLUMNS_MAX = 1 << 16 };

/* ---- formats ---- */

void mp_arrow_format(const mp_field *f, char text[MP_ARROW_FORMAT_MAX]) {
    static const char *const formats[MP_TYPE_COUNT] = {"n", "b",   "l",    "d:18,",
                                                       "g", "tdD", "tsu:", "u"};
    if (f->type == MP_DECIMAL)
        snprintf(text, MP_ARROW_FORMAT_MAX, "d:18,%d", f->scale);
    else
        snprintf(text, MP_ARROW_FORMAT_MAX, "%s", formats[f->type]);
}

/* A number of up to two digits, with a sign where it may have one. */
static bool small_number(const char **p, bool sign, int *out) {
    bool negative = sign && **p == '-';
    const char *at = *p + negative;
    int n = 0, digits = 0;
    for (; *at >= '0' && *at <= '9' && digits < 3; at++, digits++)
        n = n * 10 + (*at - '0');
    *p = at;
    *out = negative ? -n : n;
    return digits > 0 && digits < 3;
}

/* "d:P,S" or "d:P,S,128" */
static bool parse_decimal(const char *p, mp_arrow_type *out) {
    out->kind = MP_ARROW_DECIMAL;
    out->width = 16;
    if (!small_number(&p, false, &out->precision) || *p++ != ',') return false;
    if (!small_number(&p, true, &out->scale)) return false;
    return (*p == 0 || strcmp(p, ",128") == 0) && out->precision >= 1 && out->precision <= 38 &&
           out->scale >= -38 && out->scale <= 38;
}

static bool parse_time(const char *format, mp_arrow_type *out) {
    static const struct {
        char unit;
        int64_t per_s;
    } units[] = {{'s', 1}, {'m', 1000}, {'u', 1000000}, {'n', 1000000000}};
    if (strcmp(format, "tdD") == 0 || strcmp(format, "tdm") == 0) {
        out->kind = MP_ARROW_DATE;
        out->width = format[2] == 'D' ? 4 : 8;
        return true;
    }
    if (format[1] != 's' || !format[2] || format[3] != ':') return false;
    out->kind = MP_ARROW_TIMESTAMP;
    out->width = 8;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].unit == format[2]) out->per_s = units[i].per_s;
    return out->per_s != 0;
}

static bool parse_letter(char letter, mp_arrow_type *out) {
    static const struct {
        char letter;
        mp_arrow_kind kind;
        int width;
    } letters[] = {{'n', MP_ARROW_NULL, 0}, {'b', MP_ARROW_BOOL, 1},  {'c', MP_ARROW_INT, 1},
                   {'C', MP_ARROW_UINT, 1}, {'s', MP_ARROW_INT, 2},   {'S', MP_ARROW_UINT, 2},
                   {'i', MP_ARROW_INT, 4},  {'I', MP_ARROW_UINT, 4},  {'l', MP_ARROW_INT, 8},
                   {'L', MP_ARROW_UINT, 8}, {'f', MP_ARROW_FLOAT, 4}, {'g', MP_ARROW_FLOAT, 8},
                   {'u', MP_ARROW_TEXT, 4}, {'U', MP_ARROW_TEXT, 8},  {'z', MP_ARROW_TEXT, 4},
                   {'Z', MP_ARROW_TEXT, 8}};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (letters[i].letter != letter) continue;
        out->kind = letters[i].kind;
        out->width = letters[i].width;
        return true;
    }
    return false;
}

bool mp_arrow_type_parse(const char *format, mp_arrow_type *out) {
    *out = (mp_arrow_type){0};
    if (format[0] == 'd' && format[1] == ':') return parse_decimal(format + 2, out);
    if (format[0] == 't') return parse_time(format, out);
    return format[0] && !format[1] && parse_letter(format[0], out);
}

/* The type of its values in batches. */
static mp_field field_of(const mp_arrow_type *t) {
    static const mp_type types[] = {
        [MP_ARROW_NULL] = MP_STRING,   [MP_ARROW_BOOL] = MP_BOOL,
        [MP_ARROW_INT] = MP_INT64,     [MP_ARROW_UINT] = MP_INT64,
        [MP_ARROW_FLOAT] = MP_FLOAT64, [MP_ARROW_DECIMAL] = MP_DECIMAL,
        [MP_ARROW_DATE] = MP_DATE,     [MP_ARROW_TIMESTAMP] = MP_TIMESTAMP,
        [MP_ARROW_TEXT] = MP_STRING};
    mp_field f = {.type = types[t->kind]};
    if (f.type != MP_DECIMAL) return f;
    if (t->precision > 18 || t->scale < 0 || t->scale > 18)
        f.type = MP_FLOAT64;
    else
        f.scale = (uint8_t)t->scale;
    return f;
}

/* ---- out ---- */

/* A schema and all that it owns, in one block. */
typedef struct {
    char format[MP_ARROW_FORMAT_MAX];
    struct ArrowSchema *children[];
} owned;

static void release_schema(struct ArrowSchema *s) {
    for (int64_t i = 0; i < s->n_children; i++) {
        if (s->children[i]->release) s->children[i]->release(s->children[i]);
        free(s->children[i]);
    }
    free(s->private_data);
    s->release = NULL;
}

/* One with room for n children, none of them there yet; name follows its children. */
static bool make_schema(struct ArrowSchema *out, const char *format, const char *name, int n) {
    size_t len = strlen(name) + 1, children = (size_t)n * sizeof(struct ArrowSchema *);
    owned *o = malloc(sizeof *o + children + len);
    if (!o) return false;
    snprintf(o->format, sizeof o->format, "%s", format);
    char *copy = (char *)o + sizeof *o + children;
    memcpy(copy, name, len);
    *out = (struct ArrowSchema){.format = o->format,
                                .name = copy,
                                .flags = ARROW_FLAG_NULLABLE,
                                .children = n ? o->children : NULL,
                                .release = release_schema,
                                .private_data = o};
    return true;
}

static bool add_child(struct ArrowSchema *parent, const mp_field *f) {
    char format[MP_ARROW_FORMAT_MAX];
    struct ArrowSchema *child = malloc(sizeof *child);
    mp_arrow_format(f, format);
    if (!child || !make_schema(child, format, f->name, 0)) {
        free(child);
        return false;
    }
    parent->children[parent->n_children++] = child;
    return true;
}

mp_status mp_arrow_schema_export(const mp_schema *s, struct ArrowSchema *out, mp_error *err) {
    out->release = NULL;
    bool ok = make_schema(out, "+s", "", s->n);
    if (ok) out->flags = 0;
    for (int32_t i = 0; i < s->n && ok; i++)
        ok = add_child(out, &s->fields[i]);
    if (ok) return MP_OK;
    if (out->release) out->release(out);
    return mp_error_nomem(err, (int64_t)sizeof(struct ArrowSchema) * (s->n + 1), 0);
}

/* ---- in ---- */

static mp_status wrong(mp_error *err, const char *column, const char *why) {
    mp_error_set(err, MP_FAILED, "bad schema", "%s", why);
    if (column) mp_error_column(err, column);
    return MP_FAILED;
}

static mp_status make_table(int64_t n, mp_arena *arena, mp_arrow_table *out, mp_error *err) {
    size_t bytes = (size_t)n * (sizeof *out->schema.fields + sizeof *out->types);
    out->schema.n = (int32_t)n;
    out->schema.fields = mp_arena_alloc(arena, (size_t)n * sizeof *out->schema.fields, 8);
    out->types = mp_arena_alloc(arena, (size_t)n * sizeof *out->types, 8);
    return out->schema.fields && out->types ? MP_OK : mp_mem_error(arena->mem, bytes, err);
}

static mp_status import_column(const struct ArrowSchema *in, mp_arena *arena, mp_field *f,
                               mp_arrow_type *type, mp_error *err) {
    if (!in || !in->release || !in->format) return wrong(err, NULL, "a column without a format");
    const char *name = in->name ? in->name : "";
    size_t len = strnlen(name, NAME_MAX_BYTES);
    if (len == NAME_MAX_BYTES) return wrong(err, NULL, "the name of a column is too long");
    if (in->dictionary) {
        wrong(err, name, "a dictionary-encoded column cannot be taken");
        mp_error_hint(err, "hand out the values themselves");
        return MP_FAILED;
    }
    if (strnlen(in->format, 64) == 64 || !mp_arrow_type_parse(in->format, type)) {
        mp_error_set(err, MP_FAILED, "bad schema", "Arrow format '%.40s' cannot be taken",
                     in->format);
        mp_error_column(err, name);
        mp_error_hint(err, "cast it to numbers, text, bool, date or timestamp");
        return MP_FAILED;
    }
    char *copy = mp_arena_alloc(arena, len + 1, 1);
    if (!copy) return mp_mem_error(arena->mem, len + 1, err);
    *f = field_of(type);
    f->name = memcpy(copy, name, len);
    copy[len] = 0;
    return MP_OK;
}

mp_status mp_arrow_schema_import(const struct ArrowSchema *in, mp_arena *arena, mp_arrow_table *out,
                                 mp_error *err) {
    if (!in->release || !in->format) return wrong(err, NULL, "there is none");
    if (strncmp(in->format, "+s", 3) != 0)
        return wrong(err, NULL, "it is not a struct (format '+s'), one child a column");
    if (in->n_children < 1) return wrong(err, NULL, "it has no columns");
    if (in->n_children > COLUMNS_MAX || !in->children) return wrong(err, NULL, "it is broken");
    mp_arrow_table t = {0};
    mp_status st = make_table(in->n_children, arena, &t, err);
    for (int32_t i = 0; i < t.schema.n && st == MP_OK; i++)
        st = import_column(in->children[i], arena, &t.schema.fields[i], &t.types[i], err);
    if (st == MP_OK) *out = t;
    return st;
}

mp_status mp_arrow_table_of(const mp_schema *s, mp_arena *arena, mp_arrow_table *out,
                            mp_error *err) {
    mp_arrow_table t = {0};
    mp_status st = make_table(s->n, arena, &t, err);
    if (st != MP_OK) return st;
    for (int32_t i = 0; i < s->n; i++) {
        char format[MP_ARROW_FORMAT_MAX];
        mp_arrow_format(&s->fields[i], format);
        (void)mp_arrow_type_parse(format, &t.types[i]);
        t.schema.fields[i] = s->fields[i];
    }
    *out = t;
    return MP_OK;
}
