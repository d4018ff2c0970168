/* dict_table.h - the part of the shared dictionary that one rank owns: a hash table of byte strings whose values are
 * byte strings, int64, float64, hashes (tables of fields) or sets (tables of members).
 * Invariant: slots are probed linearly from the home slot, the high bits of an entry's place; there is no gap between
 * an entry's home slot and its slot, so the entries of one home are found without looking further than the next empty
 * slot. Entries do not move. All memory is counted; what is refused leaves the table as it was. */
#ifndef MP_COMM_DICT_TABLE_H
#define MP_COMM_DICT_TABLE_H

#include <stdbool.h>

#include "base/mem.h"

typedef enum {
    MP_DICT_NONE,
    MP_DICT_INT,
    MP_DICT_FLOAT,
    MP_DICT_BYTES,
    MP_DICT_HASH,
    MP_DICT_SET
} mp_dict_type;

enum {
    MP_DICT_VALUE_MAX = 512 << 20, /* bytes of a value or a key, as in Redis */
    MP_DICT_TEXT_MAX = 400         /* bytes of the text of a number */
};

/* A value that somebody else owns (bytes are not copied). MP_DICT_NONE: there is none. */
typedef struct {
    mp_dict_type type; /* NONE, INT, FLOAT, BYTES */
    union {
        int64_t i;
        double f;
        struct {
            const void *p;
            size_t n;
        } bytes;
    };
} mp_dict_value;

typedef struct mp_dict_table mp_dict_table;

typedef struct mp_dict_entry {
    uint64_t place;
    union {
        int64_t i;
        double f;
        uint8_t *p;         /* MP_DICT_BYTES with cap > 0 */
        uint8_t inside[8];  /* MP_DICT_BYTES with cap 0 */
        mp_dict_table *sub; /* MP_DICT_HASH, MP_DICT_SET: never empty */
    };
    uint32_t len, cap; /* MP_DICT_BYTES */
    uint32_t key_len;
    uint8_t type;
    uint8_t key[];
} mp_dict_entry;

/* The place is here, too: an entry is looked at only where it is the one. */
typedef struct {
    uint64_t place;
    mp_dict_entry *entry; /* NULL: empty */
} mp_dict_slot;

struct mp_dict_table {
    mp_mem *mem;
    mp_dict_slot *slots;
    size_t n_slots; /* a power of two, 0 at first */
    size_t n;       /* entries */
    int shift;      /* home slot = place >> shift */
};

/* A zeroed table with mem set is an empty one. */
void mp_dict_table_init(mp_dict_table *t, mp_mem *mem);
/* Frees all entries; the table is empty and usable. */
void mp_dict_table_clear(mp_dict_table *t);

/* The place of a key is a 64-bit hash of it, the same at every call. NULL: not there. */
mp_dict_entry *mp_dict_table_find(const mp_dict_table *t, uint64_t place, const void *key,
                                  size_t n);
/* A new entry without a value for a key that is not there; NULL: memory was refused. */
mp_dict_entry *mp_dict_table_insert(mp_dict_table *t, uint64_t place, const void *key, size_t n);
/* Frees the entry, its value included. */
void mp_dict_table_remove(mp_dict_table *t, mp_dict_entry *e);

/* Reading ahead for find: first the slot, some time later the entry that it names. */
static inline void mp_dict_table_fetch_slot(const mp_dict_table *t, uint64_t place) {
    if (t->n_slots) __builtin_prefetch(&t->slots[place >> t->shift]);
}
static inline void mp_dict_table_fetch_entry(const mp_dict_table *t, uint64_t place) {
    if (t->n_slots) __builtin_prefetch(t->slots[place >> t->shift].entry);
}

/* Called for an entry; false ends the walk. The table must not change meanwhile. */
typedef bool (*mp_dict_entry_fn)(void *ctx, const mp_dict_entry *e);
/* All entries, in the order of the slots. */
void mp_dict_table_each(const mp_dict_table *t, mp_dict_entry_fn fn, void *ctx);
/* The entries whose place is from or above, in ascending places of homes, until some max of them were visited or as
 * many slots were looked at as usually hold them. Returns the place to go on from, 0: all were visited. An entry that
 * is there all the time is visited by a series of calls, however the table grows or shrinks between them. */
uint64_t mp_dict_table_scan(const mp_dict_table *t, uint64_t from, size_t max, mp_dict_entry_fn fn,
                            void *ctx);

/* Values of entries. The bytes of a view are valid until the entry changes. */
mp_dict_value mp_dict_entry_value(const mp_dict_entry *e);
/* False: memory was refused, the entry keeps its old value. */
bool mp_dict_entry_set(mp_dict_table *t, mp_dict_entry *e, const mp_dict_value *v);
/* Bytes at the end of a value of type BYTES. */
bool mp_dict_entry_append(mp_dict_table *t, mp_dict_entry *e, const void *p, size_t n);
/* An entry without value gets an empty table; false: refused. */
bool mp_dict_entry_make_sub(mp_dict_table *t, mp_dict_entry *e, mp_dict_type type);

/* Values as text and numbers. text: at least MP_DICT_TEXT_MAX bytes, used for numbers only; *n: bytes. Floats as
 * Redis has them: shortest digits, no exponent below 1e300 or so, no fraction where there is none. */
const void *mp_dict_value_text(const mp_dict_value *v, char *text, size_t *n);
/* The integer that a value is or that its text is the canonical form of. */
bool mp_dict_value_int(const mp_dict_value *v, int64_t *out);
/* The number that a value is or that its text is; false also for nan. */
bool mp_dict_value_float(const mp_dict_value *v, double *out);
/* The same type and value, or the same text. */
bool mp_dict_value_equal(const mp_dict_value *a, const mp_dict_value *b);

#endif
