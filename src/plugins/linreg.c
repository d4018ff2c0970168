/* linreg.c - a straight line through the points of each key, y = intercept + slope * x by least squares:
 *     mpart map t.csv --plugin build/plugins/linreg.so --arg x=COLUMN --arg y=COLUMN [--arg by=COLUMN]
 * gives by,n,intercept,slope,r2; without by one row, with the key "all". Rows without x or y, or with an infinite or NaN
 * one, are left out.
 * A map-reduce: shards hand out moments about their means, which are merged pairwise (Chan, Golub, LeVeque 1983), in the
 * order of the shards; so the last digits depend on the cutting into shards alone, which does not depend on the ranks. */
#include <math.h>
#include <stdio.h>

#include "mpart/plugin_build.h"

enum { N_MOMENTS = 5, BATCH = 1 << 14 };

typedef struct {
    char *key;
    size_t len;
    bool null;
    uint32_t hash;
    int64_t n;
    double m[N_MOMENTS]; /* mean x, mean y, Σ(x-mx)², Σ(y-my)², Σ(x-mx)(y-my) */
} line;

typedef struct {
    bool combine;
    int by, x, y; /* columns; by -1: none */
    char *x_format, *y_format;
    line *lines;
    size_t n, room;
    uint32_t *index;
    size_t mask;
} fit;

/* ---- lines by key ---- */

static uint32_t hash_of(const char *p, size_t n, bool null) {
    uint64_t h = null ? 1 : 0xCBF29CE484222325u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 0x100000001B3u;
    return (uint32_t)(h ^ h >> 32);
}

static bool grow(fit *f) {
    size_t room = f->room ? 2 * f->room : 1024;
    line *lines = realloc(f->lines, room * sizeof *lines);
    if (lines) f->lines = lines;
    uint32_t *index = calloc(2 * room, sizeof *index);
    if (!lines || !index) {
        free(index);
        return false;
    }
    for (size_t i = 0; i < f->n; i++) {
        size_t at = f->lines[i].hash & (2 * room - 1);
        while (index[at])
            at = (at + 1) & (2 * room - 1);
        index[at] = (uint32_t)i + 1;
    }
    free(f->index);
    f->index = index;
    f->mask = 2 * room - 1;
    f->room = room;
    return true;
}

/* The line of a key, new where there is none; NULL: no memory. */
static line *find(fit *f, const char *key, size_t len, bool null) {
    uint32_t hash = hash_of(key, len, null);
    if (f->n == f->room && !grow(f)) return NULL;
    size_t at = hash & f->mask;
    for (; f->index[at]; at = (at + 1) & f->mask) {
        line *l = &f->lines[f->index[at] - 1];
        if (l->hash == hash && l->null == null && l->len == len && memcmp(l->key, key, len) == 0)
            return l;
    }
    line *l = &f->lines[f->n];
    *l = (line){.key = malloc(len + 1), .len = len, .null = null, .hash = hash};
    if (!l->key) return NULL;
    memcpy(l->key, key, len);
    f->index[at] = (uint32_t)++f->n;
    return l;
}

static void add_moments(line *l, int64_t n, const double *m) {
    double total = (double)(l->n + n), dx = m[0] - l->m[0], dy = m[1] - l->m[1];
    double weight = (double)l->n * (double)n / total, share = (double)n / total;
    l->m[2] += m[2] + dx * dx * weight;
    l->m[3] += m[3] + dy * dy * weight;
    l->m[4] += m[4] + dx * dy * weight;
    l->m[0] += dx * share;
    l->m[1] += dy * share;
    l->n += n;
}

/* ---- the plug-in ---- */

static int find_column(const struct mpart_open *o, const char *arg, char **format, char *error) {
    const char *name = mpart_find_arg(o, arg, NULL);
    int i = name ? mpart_find_column(o->input, name) : -1;
    if (!name)
        snprintf(error, MPART_ERROR_MAX, "which column is %s? --arg %s=COLUMN", arg, arg);
    else if (i < 0)
        snprintf(error, MPART_ERROR_MAX, "there is no column '%s'", name);
    else if (format && !mpart_is_number(o->input->children[i]->format))
        snprintf(error, MPART_ERROR_MAX, "column '%s' is not of numbers", name);
    else if (!format && strcmp(o->input->children[i]->format, "u") != 0)
        snprintf(error, MPART_ERROR_MAX, "column '%s' is not text; --types %s:string", name, name);
    else
        return format && !(*format = strdup(o->input->children[i]->format)) ? -1 : i;
    return -1;
}

static bool find_columns(fit *f, const struct mpart_open *o, char *error) {
    f->x = find_column(o, "x", &f->x_format, error);
    if (f->x >= 0) f->y = find_column(o, "y", &f->y_format, error);
    f->by = -1;
    if (f->x < 0 || f->y < 0) return false;
    if (mpart_find_arg(o, "by", NULL)) {
        f->by = find_column(o, "by", NULL, error);
        return f->by >= 0;
    }
    return true;
}

static void close_shard(void *self) {
    fit *f = self;
    for (size_t i = 0; i < f->n; i++)
        free(f->lines[i].key);
    free(f->lines);
    free(f->index);
    free(f->x_format);
    free(f->y_format);
    free(f);
}

static int open_shard(struct mpart_open *o, void **self, char *error) {
    static const char *const formats[] = {"u", "l", "g", "g", "g", "g", "g"};
    static const char *const moments[] = {"", "n", "mean_x", "mean_y", "xx", "yy", "xy"};
    static const char *const result[] = {"", "n", "intercept", "slope", "r2"};
    const char *names[N_MOMENTS + 2];
    fit *f = calloc(1, sizeof *f);
    if (!f) return -1;
    f->combine = o->role == MPART_COMBINE;
    int n = f->combine ? 5 : N_MOMENTS + 2;
    memcpy(names, f->combine ? result : moments, (size_t)n * sizeof *names);
    names[0] = mpart_find_arg(o, "by", "key");
    if ((!f->combine && !find_columns(f, o, error)) ||
        mpart_schema(&o->output, n, names, formats) != 0) {
        close_shard(f);
        return -1;
    }
    o->n_keys = 1;
    *self = f;
    return 0;
}

/* A row of the input is one point. false: it does not count. */
static bool point(const fit *f, struct ArrowArray *const *c, int64_t i, double *m) {
    if (mpart_is_null(c[f->x], i) || mpart_is_null(c[f->y], i)) return false;
    m[0] = mpart_number(c[f->x], f->x_format, i);
    m[1] = mpart_number(c[f->y], f->y_format, i);
    return isfinite(m[0]) && isfinite(m[1]);
}

static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error) {
    fit *f = self;
    struct ArrowArray *const *c = batch->children;
    (void)sink;
    for (int64_t i = 0; i < batch->length; i++) {
        double m[N_MOMENTS] = {0};
        int by = f->combine ? 0 : f->by;
        int64_t n = f->combine ? mpart_int64(c[1], i) : 1;
        size_t len = 3;
        bool null = by >= 0 && mpart_is_null(c[by], i);
        const char *key = by < 0 ? "all" : null ? "" : mpart_text(c[by], i, &len);
        if (null) len = 0;
        if (!f->combine && !point(f, c, i, m)) continue;
        for (int k = 0; f->combine && k < N_MOMENTS; k++)
            m[k] = mpart_number(c[k + 2], "g", i);
        line *l = find(f, key, len, null);
        if (!l) {
            snprintf(error, MPART_ERROR_MAX, "no memory for more keys");
            return -1;
        }
        add_moments(l, n, m);
    }
    return 0;
}

/* Without two different x there is no line, without two different y no r2. */
static void put_result(struct mpart_build *b, const line *l) {
    if (!(l->m[2] > 0)) {
        for (int k = 2; k < 5; k++)
            mpart_put_null(b, k);
        return;
    }
    double slope = l->m[4] / l->m[2];
    mpart_put_float64(b, 2, l->m[1] - slope * l->m[0]);
    mpart_put_float64(b, 3, slope);
    if (l->m[3] > 0)
        mpart_put_float64(b, 4, slope * l->m[4] / l->m[3]);
    else
        mpart_put_null(b, 4);
}

static int finish(void *self, const struct mpart_sink *sink, char *error) {
    static const char *const formats[] = {"u", "l", "g", "g", "g", "g", "g"};
    fit *f = self;
    struct mpart_build *b = mpart_build_new(f->combine ? 5 : N_MOMENTS + 2, formats);
    int failed = b == NULL;
    for (size_t i = 0; i < f->n && !failed; i++) {
        const line *l = &f->lines[i];
        if (l->null)
            mpart_put_null(b, 0);
        else
            mpart_put_text(b, 0, l->key, l->len);
        mpart_put_int64(b, 1, l->n);
        if (f->combine)
            put_result(b, l);
        else
            for (int k = 0; k < N_MOMENTS; k++)
                mpart_put_float64(b, k + 2, l->m[k]);
        if ((i + 1) % BATCH == 0) failed = mpart_build_emit(b, sink);
    }
    if (!failed) failed = mpart_build_emit(b, sink);
    mpart_build_free(b);
    if (failed) snprintf(error, MPART_ERROR_MAX, "no memory for the result");
    return failed;
}

static const struct mpart_plugin table = {sizeof table, MPART_PLUGIN_ABI, "linreg",   open_shard,
                                          process,      finish,           close_shard};

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return &table;
}
