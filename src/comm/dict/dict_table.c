/* dict_table.c - slots, growth, removal and scans of a table of the dictionary.
 * Invariant: at most 7 of 8 slots are in use, so every probe ends. A slot holds the place of its entry, so entries can
 * be put into other slots without looking at them. */
#include "comm/dict/dict_table.h"

#include <string.h>

enum { SLOTS_MIN = 8 };

void mp_dict_table_init(mp_dict_table *t, mp_mem *mem) {
    *t = (mp_dict_table){.mem = mem};
}

static void free_value(mp_dict_table *t, mp_dict_entry *e) {
    if (e->type == MP_DICT_BYTES && e->cap) mp_mem_free(t->mem, e->p);
    if (e->type == MP_DICT_HASH || e->type == MP_DICT_SET) {
        mp_dict_table_clear(e->sub);
        mp_mem_free(t->mem, e->sub);
    }
    e->type = MP_DICT_NONE;
}

void mp_dict_table_clear(mp_dict_table *t) {
    for (size_t i = 0; i < t->n_slots && t->n > 0; i++) {
        mp_dict_entry *e = t->slots[i].entry;
        if (!e) continue;
        free_value(t, e);
        mp_mem_free(t->mem, e);
        t->n--;
    }
    mp_mem_free(t->mem, t->slots);
    mp_dict_table_init(t, t->mem);
}

mp_dict_entry *mp_dict_table_find(const mp_dict_table *t, uint64_t place, const void *key,
                                  size_t n) {
    if (t->n == 0) return NULL;
    size_t mask = t->n_slots - 1;
    for (size_t i = place >> t->shift; t->slots[i].entry; i = (i + 1) & mask) {
        mp_dict_entry *e = t->slots[i].entry;
        if (t->slots[i].place == place && e->key_len == n && memcmp(e->key, key, n) == 0) return e;
    }
    return NULL;
}

static void put(mp_dict_table *t, mp_dict_slot s) {
    size_t mask = t->n_slots - 1, i = s.place >> t->shift;
    while (t->slots[i].entry)
        i = (i + 1) & mask;
    t->slots[i] = s;
}

/* False: memory was refused, the table is as it was. */
static bool resize(mp_dict_table *t, size_t n_slots) {
    mp_dict_slot *slots = mp_mem_calloc(t->mem, n_slots, sizeof *slots);
    mp_dict_table old = *t;
    if (!slots) return false;
    t->slots = slots;
    t->n_slots = n_slots;
    t->shift = 64 - __builtin_ctzll(n_slots);
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i].entry) put(t, old.slots[i]);
    mp_mem_free(t->mem, old.slots);
    return true;
}

static bool make_room(mp_dict_table *t) {
    if (t->n_slots == 0) return resize(t, SLOTS_MIN);
    if (t->n + 1 <= t->n_slots / 8 * 5) return true;
    /* where memory is short a fuller table does, too */
    return resize(t, 2 * t->n_slots) || t->n + 1 <= t->n_slots / 8 * 7;
}

mp_dict_entry *mp_dict_table_insert(mp_dict_table *t, uint64_t place, const void *key, size_t n) {
    if (n > MP_DICT_VALUE_MAX || !make_room(t)) return NULL;
    mp_dict_entry *e = mp_mem_alloc(t->mem, sizeof *e + n);
    if (!e) return NULL;
    *e = (mp_dict_entry){.place = place, .key_len = (uint32_t)n, .type = MP_DICT_NONE};
    if (n) memcpy(e->key, key, n);
    put(t, (mp_dict_slot){place, e});
    t->n++;
    return e;
}

/* Closes the gap at i: what could not stay in its home moves up. */
static void close_gap(mp_dict_table *t, size_t i) {
    size_t mask = t->n_slots - 1;
    for (size_t j = (i + 1) & mask; t->slots[j].entry; j = (j + 1) & mask) {
        size_t home = t->slots[j].place >> t->shift;
        if (((j - home) & mask) < ((j - i) & mask)) continue;
        t->slots[i] = t->slots[j];
        i = j;
    }
    t->slots[i] = (mp_dict_slot){0};
}

void mp_dict_table_remove(mp_dict_table *t, mp_dict_entry *e) {
    size_t mask = t->n_slots - 1, i = e->place >> t->shift;
    while (t->slots[i].entry != e)
        i = (i + 1) & mask;
    close_gap(t, i);
    free_value(t, e);
    mp_mem_free(t->mem, e);
    t->n--;
    if (t->n_slots > 64 && t->n < t->n_slots / 16) resize(t, t->n_slots / 4);
}

void mp_dict_table_each(const mp_dict_table *t, mp_dict_entry_fn fn, void *ctx) {
    for (size_t i = 0; i < t->n_slots; i++)
        if (t->slots[i].entry && !fn(ctx, t->slots[i].entry)) return;
}

/* The entries of one home. */
static size_t scan_home(const mp_dict_table *t, size_t home, uint64_t from, mp_dict_entry_fn fn,
                        void *ctx, bool *go_on) {
    size_t mask = t->n_slots - 1, n = 0;
    for (size_t i = home; t->slots[i].entry && *go_on; i = (i + 1) & mask) {
        uint64_t place = t->slots[i].place;
        if (place >> t->shift != home || place < from) continue;
        n++;
        *go_on = fn(ctx, t->slots[i].entry);
    }
    return n;
}

uint64_t mp_dict_table_scan(const mp_dict_table *t, uint64_t from, size_t max, mp_dict_entry_fn fn,
                            void *ctx) {
    bool go_on = true;
    size_t seen = 0, looked = 0;
    if (t->n == 0) return 0;
    size_t home = from >> t->shift;
    for (; home < t->n_slots && go_on && seen < max && looked < 16 * max; home++, looked++)
        seen += scan_home(t, home, from, fn, ctx, &go_on);
    return home < t->n_slots ? (uint64_t)home << t->shift : 0;
}

mp_dict_value mp_dict_entry_value(const mp_dict_entry *e) {
    mp_dict_value v = {.type = (mp_dict_type)e->type};
    if (e->type == MP_DICT_INT) v.i = e->i;
    if (e->type == MP_DICT_FLOAT) v.f = e->f;
    if (e->type == MP_DICT_BYTES) {
        v.bytes.p = e->cap ? e->p : e->inside;
        v.bytes.n = e->len;
    }
    return v;
}

static bool set_bytes(mp_dict_table *t, mp_dict_entry *e, const void *p, size_t n) {
    bool outside = e->type == MP_DICT_BYTES && e->cap;
    if (outside && n <= e->cap && n > e->cap / 4) {
        memmove(e->p, p, n);
        e->len = (uint32_t)n;
        return true;
    }
    mp_dict_entry new = {.type = MP_DICT_BYTES, .len = (uint32_t)n};
    if (n > sizeof new.inside) {
        new.p = mp_mem_alloc(t->mem, n);
        new.cap = (uint32_t)n;
        if (!new.p) return false;
    }
    if (n) memcpy(new.cap ? new.p : new.inside, p, n);
    free_value(t, e);
    e->type = new.type;
    e->len = new.len;
    e->cap = new.cap;
    memcpy(e->inside, new.inside, sizeof e->inside);
    return true;
}

bool mp_dict_entry_set(mp_dict_table *t, mp_dict_entry *e, const mp_dict_value *v) {
    if (v->type == MP_DICT_BYTES) return set_bytes(t, e, v->bytes.p, v->bytes.n);
    free_value(t, e);
    e->type = (uint8_t)v->type;
    if (v->type == MP_DICT_INT) e->i = v->i;
    if (v->type == MP_DICT_FLOAT) e->f = v->f;
    return true;
}

bool mp_dict_entry_append(mp_dict_table *t, mp_dict_entry *e, const void *p, size_t n) {
    size_t len = e->len + n;
    if (len <= sizeof e->inside && !e->cap) {
        if (n) memcpy(e->inside + e->len, p, n);
    } else {
        if (len > e->cap) {
            /* with room for as much again, where memory allows; 0 as capacity would mean inside */
            uint8_t *old = e->cap ? e->p : NULL;
            size_t cap = 2 * len;
            uint8_t *new = mp_mem_realloc(t->mem, old, cap);
            if (!new) new = mp_mem_realloc(t->mem, old, cap = len);
            if (!new) return false;
            if (!old) memcpy(new, e->inside, e->len);
            e->p = new;
            e->cap = (uint32_t)cap;
        }
        if (n) memcpy(e->p + e->len, p, n);
    }
    e->len = (uint32_t)len;
    return true;
}

bool mp_dict_entry_make_sub(mp_dict_table *t, mp_dict_entry *e, mp_dict_type type) {
    mp_dict_table *sub = mp_mem_alloc(t->mem, sizeof *sub);
    if (!sub) return false;
    mp_dict_table_init(sub, t->mem);
    e->sub = sub;
    e->type = (uint8_t)type;
    return true;
}
