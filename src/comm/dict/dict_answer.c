/* dict_answer.c - answers of owners, given to those who wait for them, and what was lost without anybody waiting.
 * Invariant: answers of a peer come in the order of its waiters. */
#include "comm/dict/dict_state.h"

static mp_status one_answer(mp_dict *d, mp_dict_peer *p, mp_rd *r, mp_error *err) {
    mp_rd whole = *r;
    mp_dict_answer a;
    if (!mp_dict_answer_read(r, &a))
        return mp_error_set(err, MP_FAILED, "bad message", "answer of the dictionary");
    if (a.kind == MP_DICT_LOST) {
        mp_dict_note_lost(d, r, &a);
        return MP_OK;
    }
    for (uint32_t i = 0; a.kind == MP_DICT_LIST && i < a.n && !r->bad; i++)
        mp_dict_read_value(r);
    if (r->bad || p->n_waiters == 0)
        return mp_error_set(err, MP_FAILED, "bad message", "answer of the dictionary");
    mp_dict_waiter w = p->waiters[p->first_waiter];
    p->first_waiter = (p->first_waiter + 1) & (p->cap_waiters - 1);
    p->n_waiters--;
    d->n_waiting--;
    whole.end = r->p;
    w.fn(w.ctx, w.tag, whole);
    return MP_OK;
}

mp_status mp_dict_answers_of(mp_dict *d, mp_dict_peer *p, mp_rd *r, mp_error *err) {
    mp_status s = MP_OK;
    while (mp_rd_left(r) && s == MP_OK)
        s = one_answer(d, p, r, err);
    return s;
}

mp_status mp_dict_on_answer(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    mp_dict *d = ctx;
    mp_dict_peer *p = &d->peers[src];
    mp_rd r = mp_rd_of(bytes, len);
    uint32_t serial = mp_rd_u32(&r), acked = mp_rd_u32(&r);
    if (r.bad || serial != d->serial || (int64_t)acked > p->unacked)
        return mp_error_set(err, MP_FAILED, "bad message", "answer of another dictionary");
    mp_status s = mp_dict_answers_of(d, p, &r, err);
    p->unacked -= (int)acked;
    d->n_waiting -= acked;
    return s;
}

static void printable(char *out, size_t cap, const void *key, size_t n) {
    const uint8_t *k = key;
    size_t i = 0;
    for (; i < n && i + 1 < cap; i++)
        out[i] = k[i] < ' ' || k[i] == 127 ? '?' : (char)k[i];
    out[i] = 0;
}

mp_status mp_dict_code_error(mp_dict_code code, int64_t bytes, int64_t limit, const void *key,
                             size_t n, mp_error *err) {
    char name[64], what[120];
    const char *text = mp_dict_code_text(code);
    printable(name, sizeof name, key, key ? n : 0);
    if (code == MP_DICT_NO_MEMORY) return mp_error_nomem(err, bytes, limit);
    snprintf(what, sizeof what, key ? "dictionary: key '%s'" : "dictionary", name);
    /* without Redis's prefix */
    const char *words = strchr(text, ' ');
    return mp_error_set(err, MP_DATA, what, "%s", words ? words + 1 : text);
}

void mp_dict_note_lost(mp_dict *d, mp_rd *r, const mp_dict_answer *a) {
    size_t n;
    const void *key = mp_rd_bytes(r, &n);
    if (d->lost.status == MP_OK)
        mp_dict_code_error(a->code, a->bytes, a->limit, key ? key : "", n, &d->lost);
}

mp_status mp_dict_lost(mp_dict *d, mp_error *err) {
    mp_status s = (mp_status)d->lost.status;
    if (s != MP_OK && err && err->status == MP_OK) *err = d->lost;
    mp_error_init(&d->lost);
    return s;
}
