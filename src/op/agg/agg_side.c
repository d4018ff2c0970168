/* agg_side.c - superaccumulators by group number. */
#include "op/agg/agg_side.h"

#include <string.h>

static mp_status grow_index(mp_agg_side *s, uint32_t group, mp_error *err) {
    if ((int64_t)group < s->index_cap) return MP_OK;
    int64_t cap = (int64_t)group + group / 2 + 64;
    size_t bytes = (size_t)cap * sizeof *s->index;
    uint32_t *index = mp_mem_realloc(s->mem, s->index, bytes);
    if (!index) return mp_mem_error(s->mem, bytes, err);
    memset(index + s->index_cap, 0, (size_t)(cap - s->index_cap) * sizeof *index);
    s->index = index;
    s->index_cap = cap;
    return MP_OK;
}

mp_status mp_agg_side_get(mp_agg_side *s, uint32_t group, mp_superacc **out, mp_error *err) {
    size_t per = (size_t)s->per_group;
    mp_status status = grow_index(s, group, err);
    if (status != MP_OK) return status;
    if (!s->index[group]) {
        if (s->n == s->cap) {
            uint32_t cap = s->cap + s->cap / 2 + 4;
            size_t bytes = (size_t)cap * per * sizeof *s->acc;
            mp_superacc *acc = mp_mem_realloc(s->mem, s->acc, bytes);
            if (!acc) return mp_mem_error(s->mem, bytes, err);
            s->acc = acc;
            s->cap = cap;
        }
        for (size_t i = 0; i < per; i++)
            mp_superacc_init(&s->acc[s->n * per + i]);
        s->index[group] = ++s->n;
    }
    *out = s->acc + (s->index[group] - 1) * per;
    return MP_OK;
}

void mp_agg_side_clear(mp_agg_side *s) {
    mp_mem_free(s->mem, s->index);
    mp_mem_free(s->mem, s->acc);
    *s = (mp_agg_side){.per_group = s->per_group, .mem = s->mem};
}

void mp_agg_side_write(const mp_agg_side *s, uint32_t group, mp_buf *out) {
    const mp_superacc *acc = mp_agg_side_find(s, group);
    for (int i = 0; acc && i < s->per_group; i++)
        mp_superacc_write(&acc[i], out);
}

mp_status mp_agg_side_absorb(mp_agg_side *s, uint32_t group, mp_rd *in, mp_error *err) {
    mp_superacc *acc, more;
    mp_status status = mp_agg_side_get(s, group, &acc, err);
    for (int i = 0; status == MP_OK && i < s->per_group; i++) {
        if (mp_superacc_read(in, &more))
            mp_superacc_merge(&acc[i], &more);
        else
            status = mp_error_set(err, MP_FAILED, NULL, "a record of partial sums is damaged");
    }
    return status;
}
