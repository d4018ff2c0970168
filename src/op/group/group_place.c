/* group_place.c - when rows lie by place, and their keys. */
#include "op/group/group_place.h"

#include "op/group/group_state.h"

enum {
    PLACES_FROM = 1 << 17, /* an array of fewer stays in the cache */
    ROWS_PER_PLACE = 2,    /* to come at least */
    PLACES_PER_ROW = 8     /* so far: what is in the table is emitted */
};

/* n rows that are drawn evenly from D keys meet n^2 / 2D of them again; so few did that D is not much
 * less than the places: a quarter at least. (The 16: what chance may add.) */
static bool fills(double places, double n, double groups) {
    return n * PLACES_PER_ROW <= places && n - groups < 2 * n * n / places + 16;
}

bool mp_group_place_pays(const mp_group *g, int64_t n_rows) {
    int64_t n = mp_dense_places(&g->dense), bytes = n * (int64_t)g->table.stride;
    for (int i = 0; i < g->n_aggs; i++)
        if (g->agg[i]->ops->held) return false; /* would be emitted too often */
    return n >= PLACES_FROM && g->table.n_placed == 0 && bytes <= mp_group_large_bytes(g) / 2 &&
           mp_group_rows_to_come(g) >= ROWS_PER_PLACE * (double)n &&
           fills((double)n, (double)n_rows, (double)g->table.n);
}

void mp_group_place(mp_group *g) {
    if (g->table.n_placed > 0) return;
    if (g->table.n > 0 || mp_table_place(&g->table, mp_dense_places(&g->dense), NULL) != MP_OK)
        mp_dense_clear(&g->dense, false);
}

mp_status mp_group_count_placed(mp_group *g, const mp_dense_rows *r, int32_t first, int32_t n,
                                const uint32_t *group, mp_error *err) {
    int32_t fresh[MP_BATCH_ROWS], n_fresh = 0;
    const mp_table t = g->table;
    for (int32_t i = 0; i < n; i++) {
        uint64_t *count = (void *)(mp_table_row(&t, group[i]) + MP_ROW_COUNT_AT);
        fresh[n_fresh] = first + i;
        n_fresh += (*count == 0) & (group[i] < t.n_placed);
        ++*count;
    }
    if (n_fresh == 0) return MP_OK;
    mp_status s = mp_key_encode_rows(r->text, r->valid, g->n_keys, fresh, n_fresh, r->scratch,
                                     r->key, r->hash, err);
    for (int32_t i = 0; i < n_fresh && s == MP_OK; i++)
        s = mp_table_name(&g->table, group[fresh[i] - first], &r->key[fresh[i]], err);
    return s;
}
