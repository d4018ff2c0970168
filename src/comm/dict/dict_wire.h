/* dict_wire.h - operations of the dictionary and their answers as bytes: what a client writes, an owner carries out,
 * and a client reads back.
 * Record: u32 bytes of the whole record, u32 bytes of the key, u8 operation, u8 flags, u16 0, the key, the arguments.
 * Value: u8 kind, then i64, f64, or u32 length and bytes. An answer is a value, an error or a list of values.
 * Invariant: an owner answers the records that ask for it in their order, each with exactly one answer. */
#ifndef MP_COMM_DICT_WIRE_H
#define MP_COMM_DICT_WIRE_H

#include "base/buf.h"
#include "comm/dict/dict_table.h"
#include "mpart/dict_value.h"

/* Arguments and answers. "new": whether there was none before (0 or 1). A key that is not there answers none, 0 or an
 * empty list. */
typedef enum {
    MP_DICT_GET = 1, /* → value */
    MP_DICT_TYPE,    /* → mp_dict_type as int */
    MP_DICT_EXISTS,  /* → 0 or 1 */
    MP_DICT_LENGTH,  /* → bytes of the text */
    MP_DICT_PUT,     /* value → 1 stored, 0 not; with MP_DICT_OLD: the value before */
    MP_DICT_DELETE,  /* → 0 or 1; with MP_DICT_OLD: the value before */
    MP_DICT_ADD, /* int or float (bytes: not a number, an error behind that of the key's type) → sum */
    MP_DICT_MIN,    /* int or float → the less */
    MP_DICT_MAX,    /* int or float → the greater */
    MP_DICT_APPEND, /* bytes → bytes of the text */
    MP_DICT_CAS,    /* value expected (none: no key), new value (none: delete) → 1 done, 0 not */
    MP_DICT_HSET,   /* u32 n, n times field and value → number of new fields */
    MP_DICT_HGET,   /* u32 n, n fields → list of values; n = 1: value */
    MP_DICT_HADD,   /* field, int or float → sum */
    MP_DICT_HALL,   /* → list of fields and values in turn */
    MP_DICT_HKEYS,  /* → list of fields */
    MP_DICT_HVALS,  /* → list of values */
    MP_DICT_HDEL,   /* u32 n, n fields → number deleted */
    MP_DICT_HLEN,   /* → number of fields */
    MP_DICT_SADD,   /* u32 n, n members → number of new ones */
    MP_DICT_SREM,   /* u32 n, n members → number deleted */
    MP_DICT_SHAS,   /* u32 n, n members → list of 0 or 1; n = 1: int */
    MP_DICT_SALL,   /* → list of members */
    MP_DICT_SLEN,   /* → number of members */
    /* without a key, of all that the asked rank owns */
    MP_DICT_KEYS, /* bytes: a pattern with * ? [a-z] \ → list of keys */
    MP_DICT_SCAN, /* u64 from, u32 count, pattern, u32 mp_dict_type or 0 → list: place to go on from (int), keys */
    MP_DICT_SIZE,  /* → number of keys */
    MP_DICT_CLEAR, /* → number of keys deleted */
    MP_DICT_OP_COUNT
} mp_dict_op;

enum {
    MP_DICT_ANSWER = 1, /* the client waits for an answer */
    MP_DICT_IF_NEW = 2, /* PUT, HSET: only where there is none */
    MP_DICT_IF_OLD = 4, /* PUT: only where there is one */
    MP_DICT_OLD = 8,    /* PUT, DELETE: the answer is the value before */
    MP_DICT_BY_TEXT =
        16 /* ADD, HADD: a float before counts by its text, so 2.0 is an int, as in Redis */
};

/* Kinds of values and answers behind the mp_dict_type ones. */
enum {
    MP_DICT_LIST = 0x40,  /* u32 n, then n values */
    MP_DICT_ERROR = 0x41, /* u8 mp_dict_code, u64 bytes that found no memory, u64 the limit */
    MP_DICT_LOST =
        0x42 /* an update that nobody waits for failed: as an error, then the key (bytes) */
};

/* X(name, text in Redis's words) */
#define MP_DICT_CODE_LIST(X)                                                                       \
    X(MP_DICT_OK, "")                                                                              \
    X(MP_DICT_WRONG_TYPE, "WRONGTYPE Operation against a key holding the wrong kind of value")     \
    X(MP_DICT_NOT_INT, "ERR value is not an integer or out of range")                              \
    X(MP_DICT_NOT_FLOAT, "ERR value is not a valid float")                                         \
    X(MP_DICT_OVERFLOW, "ERR increment or decrement would overflow")                               \
    X(MP_DICT_NOT_FINITE, "ERR increment would produce NaN or Infinity")                           \
    X(MP_DICT_FIELD_NOT_INT, "ERR hash value is not an integer")                                   \
    X(MP_DICT_FIELD_NOT_FLOAT, "ERR hash value is not a float")                                    \
    X(MP_DICT_TOO_LONG, "ERR string exceeds maximum allowed size (proto-max-bulk-len)")            \
    X(MP_DICT_NO_MEMORY, "OOM command not allowed when used memory > 'maxmemory'")                 \
    X(MP_DICT_BAD_RECORD, "ERR malformed request")

typedef enum {
#define MP_DICT_CODE_ENUM(name, text) name,
    MP_DICT_CODE_LIST(MP_DICT_CODE_ENUM)
#undef MP_DICT_CODE_ENUM
        MP_DICT_CODE_COUNT
} mp_dict_code;
/* "WRONGTYPE Operation …" */
const char *mp_dict_code_text(mp_dict_code code);

enum { MP_DICT_RECORD_HEAD = 12 };

typedef struct {
    uint32_t total, key_len;
    uint8_t op, flags;
    const uint8_t *key, *args;
    size_t args_len;
} mp_dict_record;

/* The record at p, of at most left bytes; false: no whole record is there. */
static inline bool mp_dict_record_read(const uint8_t *p, size_t left, mp_dict_record *r) {
    if (left < MP_DICT_RECORD_HEAD) return false;
    memcpy(&r->total, p, 4);
    memcpy(&r->key_len, p + 4, 4);
    if (r->total < MP_DICT_RECORD_HEAD || r->total > left ||
        r->key_len > r->total - MP_DICT_RECORD_HEAD)
        return false;
    r->op = p[8];
    r->flags = p[9];
    r->key = p + MP_DICT_RECORD_HEAD;
    r->args = r->key + r->key_len;
    r->args_len = r->total - MP_DICT_RECORD_HEAD - r->key_len;
    return true;
}

/* A record is opened, its arguments are appended to b, then it is closed: at is what open returned. */
static inline size_t mp_dict_record_open(mp_buf *b, mp_dict_op op, unsigned flags, const void *key,
                                         size_t n) {
    uint8_t head[MP_DICT_RECORD_HEAD] = {0};
    uint32_t key_len = (uint32_t)n;
    size_t at = b->len;
    memcpy(head + 4, &key_len, 4);
    head[8] = (uint8_t)op;
    head[9] = (uint8_t)flags;
    mp_buf_put(b, head, sizeof head);
    mp_buf_put(b, key, n);
    return at;
}
static inline void mp_dict_record_close(mp_buf *b, size_t at) {
    uint32_t total = (uint32_t)(b->len - at);
    if (!b->failed) memcpy(b->data + at, &total, 4);
}

/* dict_combine.c: the update r, which follows the one at `into` (of the same key, none of it between them), becomes part
 * of it; that one's length stays. false: it cannot. */
bool mp_dict_record_combine(uint8_t *into, const mp_dict_record *r);

static inline void mp_dict_put_bytes(mp_buf *b, const void *p, size_t n) {
    mp_buf_u8(b, MP_DICT_BYTES);
    mp_buf_u32(b, (uint32_t)n);
    mp_buf_put(b, p, n);
}
static inline void mp_dict_put_int(mp_buf *b, int64_t v) {
    uint8_t bytes[9] = {MP_DICT_INT};
    memcpy(bytes + 1, &v, 8);
    mp_buf_put(b, bytes, sizeof bytes);
}
static inline void mp_dict_put_value(mp_buf *b, const mp_dict_value *v) {
    if (v->type == MP_DICT_BYTES) {
        mp_dict_put_bytes(b, v->bytes.p, v->bytes.n);
    } else if (v->type == MP_DICT_INT) {
        mp_dict_put_int(b, v->i);
    } else {
        mp_buf_u8(b, (uint8_t)v->type);
        if (v->type == MP_DICT_FLOAT) mp_buf_f64(b, v->f);
    }
}
/* A value as programs and plug-ins give it; NULL, no value, fits. */
static inline bool mp_dict_given_fits(const mpart_dict_value *v) {
    return !v || v->type != MPART_DICT_BYTES || v->n <= MP_DICT_VALUE_MAX;
}
static inline void mp_dict_put_given(mp_buf *b, const mpart_dict_value *v) {
    mp_dict_value w = {.type = (mp_dict_type)v->type};
    if (v->type == MPART_DICT_INT) w.i = v->i;
    if (v->type == MPART_DICT_FLOAT) w.f = v->f;
    if (v->type == MPART_DICT_BYTES) {
        w.bytes.p = v->bytes;
        w.bytes.n = v->n;
    }
    mp_dict_put_value(b, &w);
}
mp_dict_value mp_dict_read_any(mp_rd *r);
/* The value at r, in place; NONE and r->bad where there is none. */
static inline mp_dict_value mp_dict_read_value(mp_rd *r) {
    mp_dict_value v;
    if (mp_rd_left(r) < 9 || *r->p != MP_DICT_INT) return mp_dict_read_any(r);
    v.type = MP_DICT_INT;
    memcpy(&v.i, r->p + 1, 8);
    r->p += 9;
    return v;
}

/* An answer taken apart. */
typedef struct {
    uint8_t kind;        /* mp_dict_type, MP_DICT_LIST, MP_DICT_ERROR */
    mp_dict_value value; /* of a value */
    uint32_t n;          /* values of a list; they follow in rest */
    mp_dict_code code;   /* of an error */
    int64_t bytes;       /* that found no memory */
    int64_t limit;       /* of the memory that refused them */
    mp_rd rest;          /* behind the answer, or behind the head of a list */
} mp_dict_answer;
/* False: no whole answer. For a list it is the caller that reads its values from rest. */
bool mp_dict_answer_read(mp_rd *r, mp_dict_answer *out);
/* Puts r behind the answer that starts there. */
bool mp_dict_answer_skip(mp_rd *r);

#endif
