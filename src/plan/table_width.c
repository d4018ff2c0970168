/* table_width.c - how wide the numbers of a column are where the input says so, for outputs that keep
 * it.
 * Invariant: a width holds every value of the column, since all of them come from files that store
 * them so. */
#include "plan/table.h"

static int8_t width_in(const mp_table_file *f, int c) {
    if (!f->h5 || c < 0 || c >= f->h5->n_columns) return 0;
    const mp_h5_column *h = &f->h5->columns[c];
    bool plain = h->dict < 0 && !h->scaled && (h->type == MP_INT64 || h->type == MP_FLOAT64);
    if (!plain || (h->size >= 8 && h->form != MP_H5_UINT)) return 0;
    switch (h->form) {
    case MP_H5_INT:
        return (int8_t)h->size;
    case MP_H5_UINT:
        return (int8_t) - (int)h->size;
    case MP_H5_FLOAT:
        return 4; /* also of 2 bytes, which few programs read */
    default:
        return 0;
    }
}

int8_t mp_table_width(const mp_table *t, int i) {
    int8_t width = 0;
    for (int f = 0; f < t->n_files && i < t->n_columns; f++) {
        int8_t w = width_in(&t->files[f], mp_table_column(&t->files[f], i));
        if (w == 0 || (f > 0 && w != width)) return 0;
        width = w;
    }
    return width;
}
