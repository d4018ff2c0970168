/* resp_sub.c - commands on hashes and sets.
 * Invariant: a command is one operation on one key, so it is done as a whole. */
#include <math.h>

#include "run/resp/resp_command.h"

/* HDEL, HGET, HMGET, SADD, SREM, SISMEMBER, SMISMEMBER: names behind the key. */
static void put_names(mp_resp_run_ctx *x) {
    mp_buf_u32(x->b, (uint32_t)(x->n - 2));
    for (size_t i = 2; i < x->n; i++)
        mp_buf_bytes(x->b, x->a[i].p, x->a[i].n);
}

void mp_resp_names(mp_resp_run_ctx *x) {
    mp_resp_single(x, x->cmd->op, 0, x->cmd->reply, put_names);
}

void mp_resp_hexists(mp_resp_run_ctx *x) {
    mp_resp_single(x, MP_DICT_HGET, 0, MP_REPLY_THERE, put_names);
}

static void put_pairs(mp_resp_run_ctx *x) {
    mp_buf_u32(x->b, (uint32_t)((x->n - 2) / 2));
    for (size_t i = 2; i + 1 < x->n; i += 2) {
        mp_buf_bytes(x->b, x->a[i].p, x->a[i].n);
        mp_dict_put_bytes(x->b, x->a[i + 1].p, x->a[i + 1].n);
    }
}

void mp_resp_hset(mp_resp_run_ctx *x) {
    if (x->n % 2) {
        mp_resp_say(x, x->cmd->reply == MP_REPLY_OK
                           ? "-ERR wrong number of arguments for 'hmset' command"
                           : "-ERR wrong number of arguments for 'hset' command");
        return;
    }
    mp_resp_single(x, MP_DICT_HSET, x->cmd->flags, x->cmd->reply, put_pairs);
}

static void add(mp_resp_run_ctx *x, const mp_dict_value *delta) {
    if (!mp_resp_start(x, x->cmd->reply, 1) ||
        !mp_resp_open(x, 0, MP_DICT_HADD, MP_DICT_BY_TEXT, &x->a[1]))
        return;
    mp_buf_bytes(x->b, x->a[2].p, x->a[2].n);
    mp_dict_put_value(x->b, delta);
    mp_resp_close(x, 0);
}

void mp_resp_hincrby(mp_resp_run_ctx *x) {
    mp_dict_value v = {.type = MP_DICT_INT};
    if (mp_resp_int(x, 3, &v.i)) add(x, &v);
}

void mp_resp_hincrbyfloat(mp_resp_run_ctx *x) {
    mp_dict_value text = {.type = MP_DICT_BYTES, .bytes = {x->a[3].p, x->a[3].n}};
    mp_dict_value v = {.type = MP_DICT_FLOAT};
    if (!mp_dict_value_float(&text, &v.f))
        mp_resp_say(x, "-ERR value is not a valid float");
    else if (isinf(v.f))
        mp_resp_say(x, "-ERR value is NaN or Infinity");
    else
        add(x, &v);
}
