/* dict_apply_sub.c - hashes and sets: values that are tables of fields or members.
 * Invariant: a table without fields or members is never left behind: its key goes with the last of them. Several
 * fields are stored only where memory for all of them is there, so none are left half-way. */
#include "base/hash.h"
#include "comm/dict/dict_call.h"

typedef struct {
    const void *p;
    size_t n;
    uint64_t place;
} name;

static name read_name(mp_rd *r) {
    name f;
    f.p = mp_rd_bytes(r, &f.n);
    f.place = f.p ? mp_hash_bytes(f.p, f.n) : 0;
    return f;
}

static mp_dict_entry *find_in(const mp_dict_table *t, const name *f) {
    return t ? mp_dict_table_find(t, f->place, f->p, f->n) : NULL;
}

static mp_dict_type wanted_type(uint8_t op) {
    return op >= MP_DICT_SADD ? MP_DICT_SET : MP_DICT_HASH;
}

/* The entry of the key, NULL: there is none. False: it is of another type, and that was answered. */
static bool open_key(mp_dict_call *c, mp_dict_entry **out) {
    mp_dict_entry *e = mp_dict_table_find(c->table, c->place, c->r.key, c->r.key_len);
    *out = e;
    if (!e || e->type == wanted_type(c->r.op)) return true;
    *out = NULL;
    mp_dict_answer_code(c, MP_DICT_WRONG_TYPE);
    return false;
}

/* As open_key, but makes the key. */
static mp_dict_entry *make_key(mp_dict_call *c) {
    mp_dict_entry *e;
    if (!open_key(c, &e) || e) return e;
    e = mp_dict_table_insert(c->table, c->place, c->r.key, c->r.key_len);
    if (e && mp_dict_entry_make_sub(c->table, e, wanted_type(c->r.op))) return e;
    if (e) mp_dict_table_remove(c->table, e);
    mp_dict_answer_code(c, MP_DICT_NO_MEMORY);
    return NULL;
}

static void drop_if_empty(mp_dict_call *c, mp_dict_entry *e) {
    if (e && e->sub->n == 0) mp_dict_table_remove(c->table, e);
}

/* The most that n names (and values) of these bytes can take in a table. */
static size_t most_bytes(const mp_dict_table *t, uint32_t n, size_t n_bytes) {
    size_t slots = t->n_slots ? t->n_slots : 8;
    while (slots / 2 < t->n + n)
        slots *= 2;
    return n_bytes + n * (sizeof(mp_dict_entry) + 96) + 2 * slots * sizeof(mp_dict_slot) + 16384;
}

static bool store_in(mp_dict_table *t, mp_dict_entry *e, const name *f, const mp_dict_value *v) {
    mp_dict_entry *new = e ? e : mp_dict_table_insert(t, f->place, f->p, f->n);
    if (new &&mp_dict_entry_set(t, new, v)) return true;
    if (new && !e) mp_dict_table_remove(t, new);
    return false;
}

/* n names, each with a value behind it where there are values, and nothing else? If not, that was answered. */
static bool well_formed(mp_dict_call *c, uint32_t n, bool values) {
    mp_rd r = c->args;
    size_t len;
    for (uint32_t i = 0; i < n && !r.bad; i++) {
        mp_rd_bytes(&r, &len);
        if (values) mp_dict_read_value(&r);
    }
    if (!r.bad && !c->args.bad && mp_rd_left(&r) == 0) return true;
    mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
    return false;
}

static void hset(mp_dict_call *c) {
    uint32_t n = mp_rd_u32(&c->args);
    int64_t n_new = 0;
    bool ok = true;
    mp_dict_entry *e = well_formed(c, n, true) ? make_key(c) : NULL;
    if (!e) return;
    if (n > 1) ok = mp_dict_fits(c, most_bytes(e->sub, n, c->r.args_len));
    for (uint32_t i = 0; i < n && ok; i++) {
        name f = read_name(&c->args);
        mp_dict_value v = mp_dict_read_value(&c->args);
        mp_dict_entry *old = find_in(e->sub, &f);
        if (old && (c->r.flags & MP_DICT_IF_NEW)) continue;
        ok = store_in(e->sub, old, &f, &v);
        n_new += !old;
    }
    drop_if_empty(c, e);
    if (ok)
        mp_dict_answer_int(c, n_new);
    else
        mp_dict_answer_code(c, MP_DICT_NO_MEMORY);
}

static void open_list(mp_dict_call *c, uint32_t n) {
    mp_buf_u8(c->out, MP_DICT_LIST);
    mp_buf_u32(c->out, n);
}

/* May an answer of n_bytes become longer? A field that is named many times could make it longer than all
 * that the table holds, so memory is asked for while it grows, each time it has doubled. */
static mp_dict_code answer_code(mp_dict_call *c, size_t n_bytes, size_t *tried) {
    if (n_bytes > MP_DICT_VALUE_MAX) return MP_DICT_TOO_LONG;
    if (n_bytes < MP_DICT_LARGE || n_bytes / 2 < *tried) return MP_DICT_OK;
    *tried = n_bytes;
    return mp_dict_fits(c, n_bytes) ? MP_DICT_OK : MP_DICT_NO_MEMORY;
}

static void hget(mp_dict_call *c) {
    mp_dict_entry *e;
    uint32_t n = mp_rd_u32(&c->args);
    if (!well_formed(c, n, false) || !open_key(c, &e) || !mp_dict_answers(c)) return;
    size_t start = c->out->len, tried = 0;
    mp_dict_code code = MP_DICT_OK;
    if (n != 1) open_list(c, n);
    for (uint32_t i = 0; i < n && code == MP_DICT_OK; i++) {
        name f = read_name(&c->args);
        const mp_dict_entry *field = find_in(e ? e->sub : NULL, &f);
        mp_dict_value v = {.type = MP_DICT_NONE};
        if (field) v = mp_dict_entry_value(field);
        mp_dict_put_value(c->out, &v);
        if (n > 1) code = answer_code(c, c->out->len - start, &tried);
    }
    if (code == MP_DICT_OK) return;
    c->out->len = start;
    mp_dict_answer_code(c, code);
}

static mp_dict_code field_code(mp_dict_code code) {
    return code == MP_DICT_NOT_INT     ? MP_DICT_FIELD_NOT_INT
           : code == MP_DICT_NOT_FLOAT ? MP_DICT_FIELD_NOT_FLOAT
                                       : code;
}

static void hadd(mp_dict_call *c) {
    name f = read_name(&c->args);
    mp_dict_value delta = mp_dict_read_value(&c->args), v = {.type = MP_DICT_NONE}, sum;
    if (c->args.bad || (delta.type != MP_DICT_INT && delta.type != MP_DICT_FLOAT)) {
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
        return;
    }
    mp_dict_entry *e = make_key(c);
    if (!e) return;
    mp_dict_entry *field = find_in(e->sub, &f);
    if (field) v = mp_dict_entry_value(field);
    mp_dict_code code = mp_dict_sum(c->r.flags, &v, &delta, &sum);
    if (code == MP_DICT_OK && !store_in(e->sub, field, &f, &sum)) code = MP_DICT_NO_MEMORY;
    drop_if_empty(c, e);
    if (code != MP_DICT_OK)
        mp_dict_answer_code(c, field_code(code));
    else if (mp_dict_answers(c))
        mp_dict_put_value(c->out, &sum);
}

typedef struct {
    mp_buf *out;
    uint8_t op;
} listing;

static bool list_entry(void *ctx, const mp_dict_entry *e) {
    listing *l = ctx;
    if (l->op != MP_DICT_HVALS) mp_dict_put_bytes(l->out, e->key, e->key_len);
    if (l->op == MP_DICT_HALL || l->op == MP_DICT_HVALS) {
        mp_dict_value v = mp_dict_entry_value(e);
        mp_dict_put_value(l->out, &v);
    }
    return !l->out->failed && l->out->len <= MP_DICT_VALUE_MAX;
}

static void list_all(mp_dict_call *c) {
    mp_dict_entry *e;
    if (!open_key(c, &e) || !mp_dict_answers(c)) return;
    size_t start = c->out->len, n = e ? e->sub->n : 0;
    listing l = {c->out, c->r.op};
    open_list(c, (uint32_t)(c->r.op == MP_DICT_HALL ? 2 * n : n));
    if (e) mp_dict_table_each(e->sub, list_entry, &l);
    if (!c->out->failed && c->out->len > MP_DICT_VALUE_MAX) {
        c->out->len = start;
        mp_dict_answer_code(c, MP_DICT_TOO_LONG);
    }
}

static void sadd(mp_dict_call *c) {
    uint32_t n = mp_rd_u32(&c->args);
    int64_t n_new = 0;
    bool ok = true;
    mp_dict_entry *e = well_formed(c, n, false) ? make_key(c) : NULL;
    if (!e) return;
    if (n > 1) ok = mp_dict_fits(c, most_bytes(e->sub, n, c->r.args_len));
    for (uint32_t i = 0; i < n && ok; i++) {
        name m = read_name(&c->args);
        if (find_in(e->sub, &m)) continue;
        ok = mp_dict_table_insert(e->sub, m.place, m.p, m.n) != NULL;
        n_new++;
    }
    drop_if_empty(c, e);
    if (ok)
        mp_dict_answer_int(c, n_new);
    else
        mp_dict_answer_code(c, MP_DICT_NO_MEMORY);
}

/* HDEL, SREM */
static void remove_some(mp_dict_call *c) {
    mp_dict_entry *e;
    int64_t n_removed = 0;
    uint32_t n = mp_rd_u32(&c->args);
    if (!well_formed(c, n, false) || !open_key(c, &e)) return;
    for (uint32_t i = 0; i < n && e; i++) {
        name f = read_name(&c->args);
        mp_dict_entry *old = find_in(e->sub, &f);
        if (!old) continue;
        mp_dict_table_remove(e->sub, old);
        n_removed++;
    }
    drop_if_empty(c, e);
    mp_dict_answer_int(c, n_removed);
}

static void shas(mp_dict_call *c) {
    mp_dict_entry *e;
    uint32_t n = mp_rd_u32(&c->args);
    if (!well_formed(c, n, false) || !open_key(c, &e) || !mp_dict_answers(c)) return;
    if (n != 1) open_list(c, n);
    for (uint32_t i = 0; i < n; i++) {
        name m = read_name(&c->args);
        mp_dict_put_int(c->out, find_in(e ? e->sub : NULL, &m) != NULL);
    }
}

static void count(mp_dict_call *c) {
    mp_dict_entry *e;
    if (open_key(c, &e)) mp_dict_answer_int(c, e ? (int64_t)e->sub->n : 0);
}

void mp_dict_apply_sub(mp_dict_call *c) {
    switch (c->r.op) {
    case MP_DICT_HSET:
        hset(c);
        break;
    case MP_DICT_HGET:
        hget(c);
        break;
    case MP_DICT_HADD:
        hadd(c);
        break;
    case MP_DICT_HALL:
    case MP_DICT_HKEYS:
    case MP_DICT_HVALS:
    case MP_DICT_SALL:
        list_all(c);
        break;
    case MP_DICT_SADD:
        sadd(c);
        break;
    case MP_DICT_HDEL:
    case MP_DICT_SREM:
        remove_some(c);
        break;
    case MP_DICT_SHAS:
        shas(c);
        break;
    case MP_DICT_HLEN:
    case MP_DICT_SLEN:
        count(c);
        break;
    default:
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
    }
}
