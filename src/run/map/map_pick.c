/* map_pick.c - see map_pick.h. */
#include "run/map/map_pick.h"

#include "plan/split_key.h"

/* Is the row with the next number one of them? */
static bool has_next(mp_map_pick *p) {
    int64_t row = p->at++;
    while (p->n_without > 0 && *p->without < row)
        p->without++, p->n_without--;
    if (p->n_without > 0 && *p->without == row) return false;
    return row >= p->low && (p->n < 0 || row - p->low < p->n);
}

mp_status mp_map_pick_rows(mp_map_pick *p, const mp_batch *rows, const int *key_at, int n_keys,
                           int64_t low, int64_t high, uint32_t *sel, int32_t *n, mp_error *err) {
    uint64_t hash[MP_BATCH_ROWS];
    bool hashes = p->by_key || p->hashes;
    mp_status st = hashes ? mp_split_key_hash(rows, key_at, n_keys, hash, err) : MP_OK;
    *n = 0;
    for (int64_t i = low; i < high && st == MP_OK; i++) {
        if (p->by_key && (hash[i] < p->least || hash[i] > p->most)) continue;
        if (p->on && !has_next(p)) continue;
        if (p->hashes)
            mp_buf_put(p->hashes, &hash[i], sizeof hash[i]);
        else
            sel[(*n)++] = (uint32_t)i;
    }
    return st == MP_OK && p->hashes ? mp_buf_check(p->hashes, err) : st;
}
