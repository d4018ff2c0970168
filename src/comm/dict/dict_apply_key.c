/* dict_apply_key.c - operations on one value.
 * Invariant: what can be refused comes before what changes the table; a key that was made for an operation that then
 * fails is taken away again. */
#include "comm/dict/dict_call.h"

#include <math.h>

static void answer_value(mp_dict_call *c, const mp_dict_value *v) {
    if (mp_dict_answers(c)) mp_dict_put_value(c->out, v);
}

static mp_dict_entry *find(const mp_dict_call *c) {
    return mp_dict_table_find(c->table, c->place, c->r.key, c->r.key_len);
}

static bool is_plain(const mp_dict_entry *e) {
    return e->type == MP_DICT_INT || e->type == MP_DICT_FLOAT || e->type == MP_DICT_BYTES;
}

/* Gives the key the value, making the key where e is NULL. */
static bool store(mp_dict_call *c, mp_dict_entry *e, const mp_dict_value *v) {
    mp_dict_entry *new = e;
    if (!e) new = mp_dict_table_insert(c->table, c->place, c->r.key, c->r.key_len);
    if (new &&mp_dict_entry_set(c->table, new, v)) return true;
    if (new && !e) mp_dict_table_remove(c->table, new);
    mp_dict_answer_code(c, MP_DICT_NO_MEMORY);
    return false;
}

static void read_one(mp_dict_call *c) {
    const mp_dict_entry *e = find(c);
    mp_dict_value v = {.type = MP_DICT_NONE};
    char text[MP_DICT_TEXT_MAX];
    size_t n;
    if (e) v = mp_dict_entry_value(e);
    if (c->r.op == MP_DICT_TYPE) {
        mp_dict_answer_int(c, e ? e->type : MP_DICT_NONE);
    } else if (c->r.op == MP_DICT_EXISTS) {
        mp_dict_answer_int(c, e != NULL);
    } else if (e && !is_plain(e)) {
        mp_dict_answer_code(c, MP_DICT_WRONG_TYPE);
    } else if (c->r.op == MP_DICT_LENGTH) {
        mp_dict_value_text(&v, text, &n);
        mp_dict_answer_int(c, (int64_t)n);
    } else {
        answer_value(c, &v);
    }
}

/* The value before goes out first: setting may free its bytes. False: it cannot be told. */
static bool answer_old(mp_dict_call *c, const mp_dict_entry *e) {
    if (e && !is_plain(e)) {
        mp_dict_answer_code(c, MP_DICT_WRONG_TYPE);
        return false;
    }
    mp_dict_value old = {.type = MP_DICT_NONE};
    if (e) old = mp_dict_entry_value(e);
    if (old.type == MP_DICT_BYTES && old.bytes.n > MP_DICT_LARGE && !mp_dict_fits(c, old.bytes.n)) {
        mp_dict_answer_code(c, MP_DICT_NO_MEMORY);
        return false;
    }
    answer_value(c, &old);
    return !c->out->failed;
}

static void put(mp_dict_call *c) {
    mp_dict_value v = mp_dict_read_value(&c->args);
    if (c->args.bad || v.type == MP_DICT_NONE) {
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
        return;
    }
    mp_dict_entry *e = find(c);
    bool old = c->r.flags & MP_DICT_OLD;
    bool skip = e ? c->r.flags & MP_DICT_IF_NEW : c->r.flags & MP_DICT_IF_OLD;
    size_t before = c->out->len;
    if (old && !answer_old(c, e)) return;
    if (skip) {
        if (!old) mp_dict_answer_int(c, 0);
        return;
    }
    size_t after = c->out->len;
    if (!store(c, e, &v)) {
        /* the error takes the place of the value before */
        memmove(c->out->data + before, c->out->data + after, c->out->len - after);
        c->out->len -= after - before;
    } else if (!old) {
        mp_dict_answer_int(c, 1);
    }
}

static void delete (mp_dict_call *c) {
    mp_dict_entry *e = find(c);
    bool old = c->r.flags & MP_DICT_OLD;
    if (old && !answer_old(c, e)) return;
    if (e) mp_dict_table_remove(c->table, e);
    if (!old) mp_dict_answer_int(c, e != NULL);
}

/* MIN and MAX: the number that is kept; the one that is there where they are equal. */
static mp_dict_code choose(uint8_t op, const mp_dict_value *v, const mp_dict_value *other,
                           mp_dict_value *out) {
    int64_t i;
    double f;
    bool less;
    *out = *other;
    if (other->type == MP_DICT_FLOAT && isnan(other->f)) return MP_DICT_NOT_FLOAT;
    if (v->type == MP_DICT_NONE) return MP_DICT_OK;
    if (other->type == MP_DICT_INT) {
        if (!mp_dict_value_int(v, &i)) return MP_DICT_NOT_INT;
        less = op == MP_DICT_MIN ? other->i < i : other->i > i;
        if (!less) out->i = i;
        return MP_DICT_OK;
    }
    if (!mp_dict_value_float(v, &f)) return MP_DICT_NOT_FLOAT;
    less = op == MP_DICT_MIN ? other->f < f : other->f > f;
    if (!less) out->f = f;
    return MP_DICT_OK;
}

static void change_number(mp_dict_call *c) {
    mp_dict_value delta = mp_dict_read_value(&c->args), v = {.type = MP_DICT_NONE}, new;
    mp_dict_entry *e = find(c);
    mp_dict_code code = MP_DICT_OK;
    if (c->args.bad || delta.type == MP_DICT_NONE)
        code = MP_DICT_BAD_RECORD;
    else if (e && !is_plain(e))
        code = MP_DICT_WRONG_TYPE;
    else if (delta.type == MP_DICT_BYTES)
        code = MP_DICT_NOT_FLOAT;
    if (e) v = mp_dict_entry_value(e);
    if (code == MP_DICT_OK)
        code = c->r.op == MP_DICT_ADD ? mp_dict_sum(c->r.flags, &v, &delta, &new)
                                      : choose(c->r.op, &v, &delta, &new);
    if (code != MP_DICT_OK)
        mp_dict_answer_code(c, code);
    else if (store(c, e, &new))
        answer_value(c, &new);
}

static void append(mp_dict_call *c) {
    mp_dict_value more = mp_dict_read_value(&c->args), v = {.type = MP_DICT_NONE};
    mp_dict_entry *e = find(c);
    char text[MP_DICT_TEXT_MAX];
    size_t n = 0;
    if (e) v = mp_dict_entry_value(e);
    if (e) mp_dict_value_text(&v, text, &n);
    if (c->args.bad || more.type != MP_DICT_BYTES) {
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
    } else if (e && !is_plain(e)) {
        mp_dict_answer_code(c, MP_DICT_WRONG_TYPE);
    } else if (n + more.bytes.n > MP_DICT_VALUE_MAX) {
        mp_dict_answer_code(c, MP_DICT_TOO_LONG);
    } else if (!e) {
        if (store(c, NULL, &more)) mp_dict_answer_int(c, (int64_t)more.bytes.n);
    } else {
        mp_dict_value as_text = {.type = MP_DICT_BYTES, .bytes = {text, n}};
        if (e->type != MP_DICT_BYTES && !store(c, e, &as_text)) return;
        if (mp_dict_entry_append(c->table, e, more.bytes.p, more.bytes.n))
            mp_dict_answer_int(c, (int64_t)(n + more.bytes.n));
        else
            mp_dict_answer_code(c, MP_DICT_NO_MEMORY);
    }
}

static void compare_and_swap(mp_dict_call *c) {
    mp_dict_value expected = mp_dict_read_value(&c->args);
    mp_dict_value new = mp_dict_read_value(&c->args), v = {.type = MP_DICT_NONE};
    mp_dict_entry *e = find(c);
    if (e) v = mp_dict_entry_value(e);
    if (c->args.bad) {
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
    } else if (e && !is_plain(e)) {
        mp_dict_answer_code(c, MP_DICT_WRONG_TYPE);
    } else if (!mp_dict_value_equal(&v, &expected)) {
        mp_dict_answer_int(c, 0);
    } else if (new.type == MP_DICT_NONE) {
        if (e) mp_dict_table_remove(c->table, e);
        mp_dict_answer_int(c, 1);
    } else if (store(c, e, &new)) {
        mp_dict_answer_int(c, 1);
    }
}

void mp_dict_apply_key(mp_dict_call *c) {
    switch (c->r.op) {
    case MP_DICT_GET:
    case MP_DICT_TYPE:
    case MP_DICT_EXISTS:
    case MP_DICT_LENGTH:
        read_one(c);
        break;
    case MP_DICT_PUT:
        put(c);
        break;
    case MP_DICT_DELETE:
        delete (c);
        break;
    case MP_DICT_ADD:
    case MP_DICT_MIN:
    case MP_DICT_MAX:
        change_number(c);
        break;
    case MP_DICT_APPEND:
        append(c);
        break;
    case MP_DICT_CAS:
        compare_and_swap(c);
        break;
    default:
        mp_dict_answer_code(c, MP_DICT_BAD_RECORD);
    }
}
