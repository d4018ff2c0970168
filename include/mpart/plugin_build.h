/* plugin_build.h - a small reader and builder of Arrow batches for plug-ins, where nanoarrow and the like are not at hand.
 *
 *     struct mpart_build *b = mpart_build_new(2, (const char *[]){"u", "l"});   // a text, an int64 column
 *     mpart_put_text(b, 0, "word", 4);
 *     mpart_put_int64(b, 1, 17);
 *     mpart_build_emit(b, sink);                                                // hands the rows out, b is empty again
 *     mpart_build_free(b);
 *
 * All functions are static; a failure is only ever no memory. It is kept until mpart_build_emit, which then returns not
 * 0, so values can be put without looking. The columns must have equally many values when they are handed out. */
#ifndef MPART_PLUGIN_BUILD_H
#define MPART_PLUGIN_BUILD_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mpart/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MPART_UNUSED __attribute__((unused))
#else
#define MPART_UNUSED
#endif

/* ---- reading ---- */

/* Number of the column called name, -1: none. */
MPART_UNUSED static int mpart_find_column(const struct ArrowSchema *s, const char *name) {
    for (int64_t i = 0; i < s->n_children; i++)
        if (strcmp(s->children[i]->name, name) == 0) return (int)i;
    return -1;
}

/* The value of an argument, or what it is without. */
MPART_UNUSED static const char *mpart_find_arg(const struct mpart_open *o, const char *key,
                                               const char *otherwise) {
    for (int64_t i = 0; i < o->n_args; i++)
        if (strcmp(o->args[i].key, key) == 0) return o->args[i].value;
    return otherwise;
}

MPART_UNUSED static bool mpart_is_null(const struct ArrowArray *a, int64_t i) {
    if (a->n_buffers == 0) return true; /* a column without any value */
    const uint8_t *bits = (const uint8_t *)a->buffers[0];
    i += a->offset;
    return bits && a->null_count != 0 && !(bits[i >> 3] >> (i & 7) & 1);
}

/* Of a column with format "u": text that does not end with NUL. */
MPART_UNUSED static const char *mpart_text(const struct ArrowArray *a, int64_t i, size_t *len) {
    const int32_t *offsets = (const int32_t *)a->buffers[1] + a->offset + i;
    *len = (size_t)(offsets[1] - offsets[0]);
    return (const char *)a->buffers[2] + offsets[0];
}

MPART_UNUSED static int64_t mpart_int64(const struct ArrowArray *a, int64_t i) {
    return ((const int64_t *)a->buffers[1])[a->offset + i];
}

/* Is it a format of numbers that mpart_number reads? */
MPART_UNUSED static bool mpart_is_number(const char *format) {
    return strcmp(format, "l") == 0 || strcmp(format, "g") == 0 || strncmp(format, "d:", 2) == 0;
}

/* A value of such a column as a double. */
MPART_UNUSED static double mpart_number(const struct ArrowArray *a, const char *format, int64_t i) {
    if (format[0] == 'l') return (double)mpart_int64(a, i);
    if (format[0] == 'g') return ((const double *)a->buffers[1])[a->offset + i];
    /* a decimal: 128 bits of which mpart uses 18 digits, so the low half with its sign is all of it */
    const char *comma = strchr(format, ',');
    int64_t mantissa;
    double power = 1;
    memcpy(&mantissa, (const char *)a->buffers[1] + 16 * (a->offset + i), sizeof mantissa);
    for (int scale = comma ? (int)strtol(comma + 1, NULL, 10) : 0; scale > 0; scale--)
        power *= 10;
    return (double)mantissa / power;
}

/* ---- schemas ---- */

MPART_UNUSED static void mpart_release_schema(struct ArrowSchema *s) {
    for (int64_t i = 0; i < s->n_children; i++) {
        if (s->children[i]->release) s->children[i]->release(s->children[i]);
        free(s->children[i]);
    }
    free(s->children);
    free((void *)(uintptr_t)s->format);
    free((void *)(uintptr_t)s->name);
    s->release = NULL;
}

MPART_UNUSED static int mpart_schema_one(struct ArrowSchema *s, const char *format,
                                         const char *name) {
    memset(s, 0, sizeof *s);
    s->format = strdup(format);
    s->name = strdup(name);
    s->flags = ARROW_FLAG_NULLABLE;
    s->release = mpart_release_schema;
    return s->format && s->name ? 0 : -1;
}

/* The schema of n columns. 0, or not 0: no memory. Released by release(), as any schema. */
MPART_UNUSED static int mpart_schema(struct ArrowSchema *out, int n, const char *const *names,
                                     const char *const *formats) {
    int failed = mpart_schema_one(out, "+s", "");
    out->flags = 0;
    out->children = (struct ArrowSchema **)calloc((size_t)n, sizeof *out->children);
    if (!out->children) failed = -1;
    for (int i = 0; i < n && !failed; i++) {
        out->children[i] = (struct ArrowSchema *)calloc(1, sizeof **out->children);
        if (!out->children[i]) {
            failed = -1;
            break;
        }
        out->n_children = i + 1;
        failed = mpart_schema_one(out->children[i], formats[i], names[i]);
    }
    if (failed) out->release(out);
    return failed;
}

/* ---- building ---- */

struct mpart_build_column {
    char format; /* 'u' text, 'l' int64, 'g' float64 */
    int64_t n, n_nulls;
    size_t room; /* of values */
    uint8_t *valid;
    char *values; /* int64, double, or n + 1 offsets as int32 */
    char *text;
    size_t text_len, text_room;
};

struct mpart_build {
    int n_columns;
    bool failed;
    struct mpart_build_column columns[];
};

/* formats: "u", "l" or "g" for each column. NULL: no memory. */
MPART_UNUSED static struct mpart_build *mpart_build_new(int n, const char *const *formats) {
    struct mpart_build *b =
        (struct mpart_build *)calloc(1, sizeof *b + (size_t)n * sizeof(struct mpart_build_column));
    for (int i = 0; b && i < n; i++)
        b->columns[i].format = formats[i][0];
    if (b) b->n_columns = n;
    return b;
}

MPART_UNUSED static void mpart_build_clear(struct mpart_build *b) {
    for (int i = 0; i < b->n_columns; i++) {
        struct mpart_build_column *c = &b->columns[i];
        char format = c->format;
        free(c->valid);
        free(c->values);
        free(c->text);
        memset(c, 0, sizeof *c);
        c->format = format;
    }
}

MPART_UNUSED static void mpart_build_free(struct mpart_build *b) {
    if (b) mpart_build_clear(b);
    free(b);
}

/* A new value of column i; its place, NULL: no memory. Validity bits are all set, and cleared for nulls. */
MPART_UNUSED static char *mpart_build_add(struct mpart_build *b, int i, bool valid) {
    struct mpart_build_column *c = &b->columns[i];
    size_t width = c->format == 'u' ? 4 : 8, n = (size_t)c->n;
    if (n + 2 > c->room) {
        size_t room = c->room ? 2 * c->room : 1024;
        uint8_t *bits = (uint8_t *)realloc(c->valid, room / 8);
        if (bits) c->valid = bits;
        char *values = (char *)realloc(c->values, room * width);
        if (values) c->values = values;
        if (!bits || !values) {
            b->failed = true;
            return NULL;
        }
        memset(c->valid + c->room / 8, 0xFF, (room - c->room) / 8);
        if (c->room == 0) memset(c->values, 0, 8); /* the first offset */
        c->room = room;
    }
    if (!valid) {
        c->valid[n >> 3] = (uint8_t)(c->valid[n >> 3] & ~(1u << (n & 7)));
        c->n_nulls++;
    }
    c->n++;
    return c->values + n * width;
}

MPART_UNUSED static void mpart_put_int64(struct mpart_build *b, int column, int64_t v) {
    char *p = mpart_build_add(b, column, true);
    if (p) memcpy(p, &v, sizeof v);
}

MPART_UNUSED static void mpart_put_float64(struct mpart_build *b, int column, double v) {
    char *p = mpart_build_add(b, column, true);
    if (p) memcpy(p, &v, sizeof v);
}

/* At most 2 GiB of text in a column before it is handed out. */
MPART_UNUSED static void mpart_put_text(struct mpart_build *b, int column, const char *text,
                                        size_t len) {
    struct mpart_build_column *c = &b->columns[column];
    if (c->text_room - c->text_len < len || !c->text) {
        size_t room = 2 * (c->text_room + len) + 4096;
        char *more = c->text_len + len > INT32_MAX ? NULL : (char *)realloc(c->text, room);
        if (!more) {
            b->failed = true;
            return;
        }
        c->text = more;
        c->text_room = room;
    }
    char *p = mpart_build_add(b, column, true);
    if (!p) return;
    if (len) memcpy(c->text + c->text_len, text, len);
    c->text_len += len;
    int32_t end = (int32_t)c->text_len;
    memcpy(p + 4, &end, sizeof end); /* where the next one begins */
}

MPART_UNUSED static void mpart_put_null(struct mpart_build *b, int column) {
    struct mpart_build_column *c = &b->columns[column];
    char *p = mpart_build_add(b, column, false);
    if (!p) return;
    if (c->format == 'u')
        memcpy(p + 4, p, 4);
    else
        memset(p, 0, 8);
}

MPART_UNUSED static void mpart_release_array(struct ArrowArray *a) {
    for (int64_t i = 0; i < a->n_children; i++) {
        if (a->children[i]->release) a->children[i]->release(a->children[i]);
        free(a->children[i]);
    }
    if (a->n_children == 0)
        for (int64_t i = 0; i < a->n_buffers; i++)
            free((void *)(uintptr_t)a->buffers[i]);
    free(a->children);
    free((void *)(uintptr_t)a->buffers);
    a->release = NULL;
}

/* The values of a column move into an array. */
MPART_UNUSED static bool mpart_build_array(struct mpart_build_column *c, struct ArrowArray *a) {
    memset(a, 0, sizeof *a);
    a->length = c->n;
    a->null_count = c->n_nulls;
    a->n_buffers = c->format == 'u' ? 3 : 2;
    a->buffers = (const void **)calloc(3, sizeof *a->buffers);
    a->release = mpart_release_array;
    if (!a->buffers) {
        a->n_buffers = 0;
        return false;
    }
    a->buffers[0] = c->valid;
    a->buffers[1] = c->values;
    a->buffers[2] = c->text;
    c->valid = NULL;
    c->values = c->text = NULL;
    return true;
}

/* The rows as a batch, and b is empty. 0, or not 0: no memory, now or before. */
MPART_UNUSED static int mpart_build_take(struct mpart_build *b, struct ArrowArray *out) {
    memset(out, 0, sizeof *out);
    out->length = b->n_columns ? b->columns[0].n : 0;
    out->buffers = (const void **)calloc(1, sizeof *out->buffers);
    out->children = (struct ArrowArray **)calloc((size_t)b->n_columns, sizeof *out->children);
    out->n_buffers = out->buffers ? 1 : 0;
    out->release = mpart_release_array;
    bool ok = !b->failed && out->buffers && out->children;
    for (int i = 0; ok && i < b->n_columns; i++) {
        out->children[i] = (struct ArrowArray *)calloc(1, sizeof **out->children);
        ok = out->children[i] != NULL;
        if (!ok) break;
        out->n_children = i + 1;
        ok = mpart_build_array(&b->columns[i], out->children[i]);
    }
    mpart_build_clear(b);
    b->failed = false;
    if (ok) return 0;
    out->release(out);
    return -1;
}

/* Hands the rows out (none: nothing is done). Not 0: no memory, or they were not taken. */
MPART_UNUSED static int mpart_build_emit(struct mpart_build *b, const struct mpart_sink *sink) {
    struct ArrowArray batch;
    if (!b->failed && (b->n_columns == 0 || b->columns[0].n == 0)) return 0;
    if (mpart_build_take(b, &batch) != 0) return -1;
    return sink->emit(sink, &batch);
}

#ifdef __cplusplus
}
#endif

#endif
