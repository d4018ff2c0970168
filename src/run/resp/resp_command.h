/* resp_command.h - the commands of the dictionary's socket: one table of names, arities and what carries them out.
 * Invariant: a command is either answered at once or becomes operations whose answers make its answer; never both,
 * never neither. */
#ifndef MP_RUN_RESP_COMMAND_H
#define MP_RUN_RESP_COMMAND_H

#include "run/resp/resp_state.h"

typedef struct mp_resp_command mp_resp_command;

/* A command being started. */
typedef struct {
    mp_resp_client *c;
    const mp_resp_command *cmd;
    const mp_resp_arg *a; /* a[0]: the name */
    size_t n;
    mp_buf *b; /* of the operation that is open */
} mp_resp_run_ctx;

typedef void (*mp_resp_command_fn)(mp_resp_run_ctx *x);

struct mp_resp_command {
    const char *name; /* lower case; the table is in order */
    int arity;        /* arguments with the name; negative: at least so many */
    mp_resp_command_fn fn;
    mp_dict_op op; /* of the functions that serve several */
    mp_reply_kind reply;
    unsigned flags;
};

/* resp_command.c */
int mp_resp_n_commands(void);
const char *mp_resp_command_name(int i);
/* Answers at once. */
void mp_resp_say(mp_resp_run_ctx *x, const char *line);
void mp_resp_say_int(mp_resp_run_ctx *x, int64_t v);
void mp_resp_say_bulk(mp_resp_run_ctx *x, const void *p, size_t n);
/* An answer of n_parts operations; false: there was no memory, which was answered. */
bool mp_resp_start(mp_resp_run_ctx *x, mp_reply_kind kind, size_t n_parts);
/* Operation `part` on a key: x->b takes its arguments, then close. False: it could not be opened, which counts as its
 * answer. */
bool mp_resp_open(mp_resp_run_ctx *x, uint32_t part, mp_dict_op op, unsigned flags,
                  const mp_resp_arg *key);
bool mp_resp_open_at(mp_resp_run_ctx *x, uint32_t part, mp_dict_op op, int owner);
void mp_resp_close(mp_resp_run_ctx *x, uint32_t part);
/* The whole of a command with one operation on the key a[1], whose arguments are written by fn (NULL: none). */
void mp_resp_single(mp_resp_run_ctx *x, mp_dict_op op, unsigned flags, mp_reply_kind kind,
                    void (*fn)(mp_resp_run_ctx *x));
bool mp_resp_is(const mp_resp_arg *a, const char *word);      /* in any case */
bool mp_resp_int(mp_resp_run_ctx *x, size_t i, int64_t *out); /* argument i; false: answered */

/* resp_keys.c: commands on plain values and on keys. resp_sub.c: hashes and sets. resp_talk.c: the rest. */
/* clang-format off */
#define MP_RESP_HANDLERS(X) \
    X(one_key) X(each_key) X(set) X(getset) X(incr) X(incrby) X(incrbyfloat) X(append) X(cas) X(mset) X(keys) X(scan) X(all) X(flush_all) X(ttl) \
    X(names) X(hset) X(hexists) X(hincrby) X(hincrbyfloat) \
    X(ping) X(echo) X(select_db) X(hello) X(command_command) X(client_command) X(config) X(refused) X(no_expiry) X(quit) \
    X(auth) X(records)
/* clang-format on */
#define MP_RESP_DECLARE(name) void mp_resp_##name(mp_resp_run_ctx *x);
MP_RESP_HANDLERS(MP_RESP_DECLARE)
#undef MP_RESP_DECLARE

#endif
