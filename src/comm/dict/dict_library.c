/* dict_library.c - the dictionary of libmpart: a communicator of its own, calls that wait, and updates that make
 * progress now and then.
 * Invariant: results lie in futures; those of one call live until the next call. A future that is not done is known
 * to the dictionary's waiters, so it is freed only after it is. */
#include <stdlib.h>

#include "comm/dict/dictionary.h"
#include "mpart/dict.h"

enum { UPDATES_PER_ROUND = 64, MESSAGE_CAP = 2048, BUDGET = 64 << 20 };

struct mpart_dict_future {
    bool done;
    mp_dict_code code;
    int64_t bytes, limit; /* MP_DICT_NO_MEMORY */
    mpart_dict_value value;
    mp_mem *mem;
    void *copy; /* of the value's bytes */
};

struct mpart_dict {
    mp_comm *c;
    mp_dict *d;
    mp_mem mem;
    mpart_dict_future *results; /* of the last call */
    size_t n_results, cap_results;
    mpart_dict_future taken;
    unsigned n_updates;
    mp_error err;
    char message[MESSAGE_CAP];
};

static mpart_dict_code code_of(mp_status s) {
    return s == MP_OK      ? MPART_DICT_OK
           : s == MP_NOMEM ? MPART_DICT_NO_MEMORY
           : s == MP_DATA  ? MPART_DICT_BAD_VALUE
                           : MPART_DICT_FAILED;
}

static mpart_dict_code report(mpart_dict *m, mpart_dict_code code, const mp_error *err) {
    if (code != MPART_DICT_OK) mp_error_format(err, m->message, sizeof m->message);
    return code;
}

static mpart_dict_code fail(mpart_dict *m, mp_status s, const mp_error *err) {
    return report(m, code_of(s), err);
}

static mpart_dict_code peer_failed(mpart_dict *m) {
    mp_error e = MP_ERROR_INIT;
    mp_error_set(&e, MP_FAILED, "dictionary", "another rank has given up");
    return report(m, MPART_DICT_PEER_FAILED, &e);
}

static mpart_dict_code too_large(mpart_dict *m) {
    mp_error e = MP_ERROR_INIT;
    mp_error_set(&e, MP_DATA, "dictionary", "a key or value is longer than 512 MiB");
    return report(m, MPART_DICT_TOO_LARGE, &e);
}

/* ---- open and close ---- */

static void release_future(mpart_dict_future *f) {
    mp_mem_free(f->mem, f->copy);
    *f = (mpart_dict_future){.mem = f->mem};
}

static void release_results(mpart_dict *m) {
    for (size_t i = 0; i < m->n_results; i++)
        release_future(&m->results[i]);
    mp_mem_free(&m->mem, m->results);
    release_future(&m->taken);
}

mpart_dict *mp_dict_client_new(mp_comm *c, mp_dict *d) {
    mpart_dict *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->c = c;
    m->d = d;
    m->err = MP_ERROR_INIT;
    mp_mem_init(&m->mem, 0);
    m->taken.mem = &m->mem;
    return m;
}

void mp_dict_client_free(mpart_dict **pm) {
    if (*pm) release_results(*pm);
    free(*pm);
    *pm = NULL;
}

static void release(mpart_dict *m) {
    release_results(m);
    mp_dict_free(&m->d);
    mp_comm_free(&m->c);
    free(m);
}

static void copy_text(char *out, size_t cap, const char *text) {
    if (!out || cap == 0) return;
    size_t n = strlen(text);
    if (n >= cap) n = cap - 1;
    memcpy(out, text, n);
    out[n] = 0;
}

mpart_dict_code mpart_dict_open(MPI_Comm comm, int64_t memory_bytes, mpart_dict **out,
                                char *message, size_t cap) {
    mp_error err = MP_ERROR_INIT;
    char text[MESSAGE_CAP] = "";
    *out = NULL;
    mp_comm *c = NULL;
    mp_status s = mp_comm_new(comm, &c, &err);
    mpart_dict *m = calloc(1, sizeof *m);
    if (s == MP_OK && m) {
        m->c = c;
        m->err = MP_ERROR_INIT;
        mp_mem_init(&m->mem, 0);
        m->taken.mem = &m->mem;
        int64_t budget = memory_bytes > 0 && memory_bytes < BUDGET * 8 ? memory_bytes / 8 : BUDGET;
        mp_dict_args args = {&m->mem, memory_bytes, budget};
        s = mp_dict_new(c, &args, &m->d, &err);
    } else if (s == MP_OK) {
        s = mp_error_nomem(&err, sizeof *m, 0);
    }
    /* without a communicator no agreement is possible */
    if (c) s = mp_comm_agree_on(c, s, &err, &err);
    if (s == MP_OK) {
        *out = m;
    } else {
        mp_error_format(&err, text, sizeof text);
        if (m && m->c)
            release(m);
        else {
            mp_comm_free(&c);
            free(m);
        }
    }
    copy_text(message, cap, text);
    return code_of(s);
}

const char *mpart_dict_message(const mpart_dict *m) {
    return m->message;
}

static bool is_done(void *ctx) {
    return mp_dict_done(ctx);
}

mpart_dict_code mpart_dict_close(mpart_dict **pm, int failed) {
    mpart_dict *m = *pm;
    mp_error err = MP_ERROR_INIT;
    *pm = NULL;
    mp_status s = mp_dict_end(m->d, failed || mp_comm_broken(m->c), &err);
    if (s == MP_OK) s = mp_comm_wait(m->c, is_done, m->d, "end of the dictionary", &err);
    mp_status lost = mp_dict_lost(m->d, s == MP_OK ? &err : NULL);
    if (s == MP_OK) s = lost;
    if (s == MP_OK && failed)
        s = mp_error_set(&err, MP_FAILED, "dictionary", "a rank has given up");
    mp_dict_free(&m->d);
    if (!mp_comm_broken(m->c)) s = mp_comm_agree_on(m->c, s, &err, &err);
    release(m);
    return code_of(s);
}

/* ---- waiting ---- */

/* May an operation start, and has none failed before? */
static mpart_dict_code state_of(mpart_dict *m) {
    mp_error err = MP_ERROR_INIT;
    mp_status s = mp_dict_whole(m->d, &err);
    if (s == MP_OK && mp_dict_failed(m->d)) return peer_failed(m);
    if (s == MP_OK) s = mp_dict_lost(m->d, &err);
    return s == MP_OK ? MPART_DICT_OK : fail(m, s, &err);
}

mpart_dict_code mpart_dict_progress(mpart_dict *m) {
    mp_error err = MP_ERROR_INIT;
    mp_status s = mp_comm_progress(m->c, NULL, &err);
    return s == MP_OK ? state_of(m) : fail(m, s, &err);
}

typedef struct {
    mp_dict *d;
    const mpart_dict_future *futures;
    size_t n;
} waiting;

static bool all_done(void *ctx) {
    waiting *w = ctx;
    while (w->n > 0 && w->futures[w->n - 1].done)
        w->n--;
    return w->n == 0;
}

static bool has_room(void *ctx) {
    return !mp_dict_full(ctx);
}

static mpart_dict_code wait_for(mpart_dict *m, const mpart_dict_future *f, size_t n) {
    mp_error err = MP_ERROR_INIT;
    waiting w = {m->d, f, n};
    mp_status s = all_done(&w) ? MP_OK : mp_dict_flush(m->d, &err);
    if (s == MP_OK) s = mp_comm_wait(m->c, all_done, &w, "answer of the dictionary", &err);
    if (s != MP_OK) mp_comm_give_up(m->c); /* answers may come to futures that are no more */
    return s == MP_OK ? MPART_DICT_OK : fail(m, s, &err);
}

/* ---- starting ---- */

static mpart_dict_code not_open(mpart_dict *m) {
    mp_error err = MP_ERROR_INIT;
    mp_mem_error(&m->mem, 64 * 1024, &err);
    return report(m, MPART_DICT_NO_MEMORY, &err);
}

/* A future's answer: its bytes are copied, since those of the message go. */
static void on_answer(void *ctx, uint64_t tag, mp_rd r) {
    mpart_dict_future *f = (mpart_dict_future *)ctx + tag;
    mp_dict_answer a;
    f->done = true;
    if (!mp_dict_answer_read(&r, &a))
        a = (mp_dict_answer){.kind = MP_DICT_ERROR, .code = MP_DICT_BAD_RECORD};
    f->code = a.code;
    f->bytes = a.bytes;
    f->limit = a.limit;
    f->value = (mpart_dict_value){.type = (mpart_dict_type)a.value.type};
    if (a.value.type == MP_DICT_INT) f->value.i = a.value.i;
    if (a.value.type == MP_DICT_FLOAT) f->value.f = a.value.f;
    if (a.value.type != MP_DICT_BYTES) return;
    f->copy = mp_mem_alloc(f->mem, a.value.bytes.n);
    if (!f->copy) {
        *f = (mpart_dict_future){.done = true, .code = MP_DICT_NO_MEMORY, .mem = f->mem};
        f->bytes = (int64_t)a.value.bytes.n;
        f->limit = f->mem->limit_bytes;
        return;
    }
    if (a.value.bytes.n) memcpy(f->copy, a.value.bytes.p, a.value.bytes.n);
    f->value.bytes = f->copy;
    f->value.n = a.value.bytes.n;
}

typedef struct {
    mp_dict_op op;
    unsigned flags;
    const void *key;
    size_t n;
    const mpart_dict_value *first, *second; /* arguments, NULL: none */
} request;

/* f NULL: no answer is wanted. number: of the future behind f. */
static mpart_dict_code start(mpart_dict *m, const request *q, mpart_dict_future *f,
                             uint64_t number) {
    mp_error err = MP_ERROR_INIT;
    if (q->n > MP_DICT_VALUE_MAX || !mp_dict_given_fits(q->first) || !mp_dict_given_fits(q->second))
        return too_large(m);
    mp_status s = mp_dict_whole(m->d, &err);
    if (s != MP_OK) return fail(m, s, &err);
    mp_buf *b = mp_dict_open(m->d, q->op, q->flags | (f ? MP_DICT_ANSWER : 0), q->key, q->n);
    if (!b) return not_open(m);
    if (q->first) mp_dict_put_given(b, q->first);
    if (q->second) mp_dict_put_given(b, q->second);
    s = mp_dict_close(m->d, on_answer, f, number, &err);
    return s == MP_OK ? MPART_DICT_OK : fail(m, s, &err);
}

static mpart_dict_code make_room(mpart_dict *m) {
    mp_error err = MP_ERROR_INIT;
    mp_status s = MP_OK;
    if (mp_dict_full(m->d)) s = mp_comm_wait(m->c, has_room, m->d, "room in the dictionary", &err);
    return s == MP_OK ? MPART_DICT_OK : fail(m, s, &err);
}

static mpart_dict_code update(mpart_dict *m, const request *q) {
    mpart_dict_code code = MPART_DICT_OK;
    if (++m->n_updates % UPDATES_PER_ROUND == 0) code = mpart_dict_progress(m);
    if (code == MPART_DICT_OK) code = make_room(m);
    return code == MPART_DICT_OK ? start(m, q, NULL, 0) : code;
}

static bool new_results(mpart_dict *m, size_t n) {
    for (size_t i = 0; i < m->n_results; i++)
        release_future(&m->results[i]);
    m->n_results = 0;
    if (n > m->cap_results) {
        mpart_dict_future *new = mp_mem_realloc(&m->mem, m->results, n * sizeof *new);
        if (!new) return false;
        m->results = new;
        m->cap_results = n;
    }
    for (size_t i = 0; i < n; i++)
        m->results[i] = (mpart_dict_future){.mem = &m->mem};
    m->n_results = n;
    return true;
}

static mpart_dict_code result_code(mpart_dict *m, const mpart_dict_future *f, const void *key,
                                   size_t n) {
    mp_error err = MP_ERROR_INIT;
    if (f->code == MP_DICT_OK) return MPART_DICT_OK;
    return fail(m, mp_dict_code_error(f->code, f->bytes, f->limit, key, n, &err), &err);
}

/* Starts q, waits, and gives the value of its answer. */
static mpart_dict_code ask(mpart_dict *m, const request *q, mpart_dict_value *out) {
    mpart_dict_code code = state_of(m);
    /* a rank that asks itself would never look after the others */
    if (code == MPART_DICT_OK && ++m->n_updates % UPDATES_PER_ROUND == 0)
        code = mpart_dict_progress(m);
    if (code == MPART_DICT_OK && !new_results(m, 1)) code = not_open(m);
    if (code == MPART_DICT_OK) code = start(m, q, m->results, 0);
    if (code == MPART_DICT_OK) code = wait_for(m, m->results, 1);
    if (code == MPART_DICT_OK) code = result_code(m, m->results, q->key, q->n);
    if (code == MPART_DICT_OK) *out = m->results[0].value;
    return code;
}

static mpart_dict_code ask_flag(mpart_dict *m, const request *q, int *flag) {
    mpart_dict_value v;
    mpart_dict_code code = ask(m, q, &v);
    if (code == MPART_DICT_OK) *flag = v.i != 0;
    return code;
}

/* ---- updates ---- */

mpart_dict_code mpart_dict_put(mpart_dict *m, const void *key, size_t n,
                               const mpart_dict_value *v) {
    return update(m, &(request){MP_DICT_PUT, 0, key, n, v, NULL});
}

mpart_dict_code mpart_dict_delete(mpart_dict *m, const void *key, size_t n) {
    return update(m, &(request){MP_DICT_DELETE, 0, key, n, NULL, NULL});
}

mpart_dict_code mpart_dict_add_int(mpart_dict *m, const void *key, size_t n, int64_t delta) {
    mpart_dict_value v = mpart_dict_int(delta);
    return update(m, &(request){MP_DICT_ADD, 0, key, n, &v, NULL});
}

mpart_dict_code mpart_dict_add_float(mpart_dict *m, const void *key, size_t n, double delta) {
    mpart_dict_value v = mpart_dict_float(delta);
    return update(m, &(request){MP_DICT_ADD, 0, key, n, &v, NULL});
}

mpart_dict_code mpart_dict_min(mpart_dict *m, const void *key, size_t n,
                               const mpart_dict_value *v) {
    return update(m, &(request){MP_DICT_MIN, 0, key, n, v, NULL});
}

mpart_dict_code mpart_dict_max(mpart_dict *m, const void *key, size_t n,
                               const mpart_dict_value *v) {
    return update(m, &(request){MP_DICT_MAX, 0, key, n, v, NULL});
}

mpart_dict_code mpart_dict_append(mpart_dict *m, const void *key, size_t n, const void *bytes,
                                  size_t n_bytes) {
    mpart_dict_value v = mpart_dict_bytes(bytes, n_bytes);
    return update(m, &(request){MP_DICT_APPEND, 0, key, n, &v, NULL});
}

mpart_dict_code mpart_dict_put_many(mpart_dict *m, size_t n_pairs, const void *const *keys,
                                    const size_t *n_keys, const mpart_dict_value *values) {
    mpart_dict_code code = MPART_DICT_OK;
    for (size_t i = 0; i < n_pairs && code == MPART_DICT_OK; i++)
        code = mpart_dict_put(m, keys[i], n_keys[i], &values[i]);
    return code;
}

/* ---- operations with a result ---- */

mpart_dict_code mpart_dict_get(mpart_dict *m, const void *key, size_t n, mpart_dict_value *out) {
    return ask(m, &(request){MP_DICT_GET, 0, key, n, NULL, NULL}, out);
}

mpart_dict_code mpart_dict_exists(mpart_dict *m, const void *key, size_t n, int *there) {
    return ask_flag(m, &(request){MP_DICT_EXISTS, 0, key, n, NULL, NULL}, there);
}

mpart_dict_code mpart_dict_put_new(mpart_dict *m, const void *key, size_t n,
                                   const mpart_dict_value *v, int *stored) {
    return ask_flag(m, &(request){MP_DICT_PUT, MP_DICT_IF_NEW, key, n, v, NULL}, stored);
}

mpart_dict_code mpart_dict_fetch_add(mpart_dict *m, const void *key, size_t n,
                                     const mpart_dict_value *delta, mpart_dict_value *out) {
    return ask(m, &(request){MP_DICT_ADD, 0, key, n, delta, NULL}, out);
}

mpart_dict_code mpart_dict_compare_and_swap(mpart_dict *m, const void *key, size_t n,
                                            const mpart_dict_value *expected,
                                            const mpart_dict_value *new_value, int *swapped) {
    return ask_flag(m, &(request){MP_DICT_CAS, 0, key, n, expected, new_value}, swapped);
}

mpart_dict_code mpart_dict_get_many(mpart_dict *m, size_t n_keys, const void *const *keys,
                                    const size_t *n_bytes, mpart_dict_value *values) {
    mpart_dict_code code = state_of(m);
    if (code != MPART_DICT_OK) return code;
    if (!new_results(m, n_keys)) return not_open(m);
    size_t n = 0;
    for (; n < n_keys && code == MPART_DICT_OK; n++) {
        if (n % UPDATES_PER_ROUND == 0) code = mpart_dict_progress(m);
        if (code == MPART_DICT_OK) code = make_room(m);
        request q = {MP_DICT_GET, 0, keys[n], n_bytes[n], NULL, NULL};
        if (code == MPART_DICT_OK) code = start(m, &q, m->results, n);
        if (code != MPART_DICT_OK) break;
    }
    mpart_dict_code waited = wait_for(m, m->results, n);
    if (code == MPART_DICT_OK) code = waited;
    for (size_t i = 0; i < n_keys && code == MPART_DICT_OK; i++) {
        code = result_code(m, &m->results[i], keys[i], n_bytes[i]);
        values[i] = m->results[i].value;
    }
    return code;
}

/* The same of every owner; the sum of what they answer. */
static mpart_dict_code ask_all(mpart_dict *m, mp_dict_op op, int64_t *sum) {
    mp_error err = MP_ERROR_INIT;
    int size = mp_comm_size(m->c), n = 0;
    mp_status s = mp_dict_whole(m->d, &err);
    if (s != MP_OK) return fail(m, s, &err);
    if (mp_dict_failed(m->d)) return peer_failed(m);
    if (!new_results(m, (size_t)size)) return not_open(m);
    for (; n < size && s == MP_OK; n++) {
        if (!mp_dict_open_at(m->d, op, MP_DICT_ANSWER, n)) break;
        s = mp_dict_close(m->d, on_answer, m->results, (uint64_t)n, &err);
        if (s != MP_OK) break;
    }
    mpart_dict_code code = wait_for(m, m->results, (size_t)n);
    if (code == MPART_DICT_OK && s != MP_OK) return fail(m, s, &err);
    if (code == MPART_DICT_OK && n < size) return not_open(m);
    *sum = 0;
    for (int r = 0; r < n; r++)
        *sum += m->results[r].value.i;
    return code;
}

mpart_dict_code mpart_dict_size(mpart_dict *m, int64_t *n_keys) {
    return ask_all(m, MP_DICT_SIZE, n_keys);
}

mpart_dict_code mpart_dict_clear(mpart_dict *m) {
    int64_t n;
    return ask_all(m, MP_DICT_CLEAR, &n);
}

mpart_dict_code mpart_dict_get_later(mpart_dict *m, const void *key, size_t n,
                                     mpart_dict_future **out) {
    request q = {MP_DICT_GET, 0, key, n, NULL, NULL};
    *out = NULL;
    mpart_dict_code code = MPART_DICT_OK;
    if (++m->n_updates % UPDATES_PER_ROUND == 0) code = mpart_dict_progress(m);
    if (code == MPART_DICT_OK) code = make_room(m);
    if (code != MPART_DICT_OK) return code;
    mpart_dict_future *f = mp_mem_calloc(&m->mem, 1, sizeof *f);
    if (!f) return not_open(m);
    f->mem = &m->mem;
    code = start(m, &q, f, 0);
    if (code == MPART_DICT_OK)
        *out = f;
    else
        mp_mem_free(&m->mem, f);
    return code;
}

mpart_dict_code mpart_dict_take(mpart_dict *m, mpart_dict_future **pf, mpart_dict_value *out) {
    mpart_dict_future *f = *pf;
    mpart_dict_code code = wait_for(m, f, 1);
    if (code != MPART_DICT_OK) return code;
    *pf = NULL;
    code = result_code(m, f, NULL, 0);
    release_future(&m->taken);
    m->taken = *f;
    mp_mem_free(&m->mem, f);
    if (code == MPART_DICT_OK) *out = m->taken.value;
    return code;
}

/* ---- quiet points ---- */

mpart_dict_code mpart_dict_quiet(mpart_dict *m) {
    mp_error err = MP_ERROR_INIT;
    mp_status s = mp_dict_quiet(m->d, &err);
    return s == MP_OK ? state_of(m) : fail(m, s, &err);
}

typedef struct {
    mpart_dict_each_fn fn;
    void *ctx;
} each;

static bool give(void *ctx, const mp_dict_entry *e) {
    const each *x = ctx;
    mp_dict_value v = mp_dict_entry_value(e);
    mpart_dict_value w = {.type = (mpart_dict_type)v.type};
    if (v.type == MP_DICT_INT) w.i = v.i;
    if (v.type == MP_DICT_FLOAT) w.f = v.f;
    if (v.type == MP_DICT_BYTES) w = mpart_dict_bytes(v.bytes.p, v.bytes.n);
    return x->fn(x->ctx, e->key, e->key_len, &w) != 0;
}

mpart_dict_code mpart_dict_each(mpart_dict *m, mpart_dict_each_fn fn, void *ctx) {
    each x = {fn, ctx};
    mp_dict_table_each(mp_dict_own(m->d), give, &x);
    return MPART_DICT_OK;
}
