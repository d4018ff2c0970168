/* resp.h - RESP2, the protocol of Redis: commands read from bytes as they come, answers written.
 * Invariant: the parser looks at each byte once, however the bytes are cut, and takes memory only for what has come,
 * never for what was declared. */
#ifndef MP_IO_RESP_H
#define MP_IO_RESP_H

#include "base/buf.h"

enum {
    MP_RESP_ARGS_MAX = 1024 * 1024,
    MP_RESP_BULK_MAX = 512 * 1024 * 1024,
    MP_RESP_INLINE_MAX = 64 * 1024
};

typedef struct {
    const uint8_t *p;
    size_t n;
} mp_resp_arg;

typedef enum {
    MP_RESP_MORE,    /* the command is not whole yet */
    MP_RESP_COMMAND, /* args, n_args; n_args 0: an empty line, to be passed over */
    MP_RESP_BROKEN, /* not RESP: why says so in Redis's words; nothing behind it can be understood */
    MP_RESP_NOMEM,
    MP_RESP_PASSED /* the end of a command that was passed over */
} mp_resp_result;

typedef struct {
    mp_mem *mem;
    mp_resp_arg *args; /* of the command that is being read; p is an offset until it is whole */
    size_t n_args, cap_args;
    int64_t wanted;  /* arguments of the command, -1: not known yet */
    int64_t bulk;    /* bytes of the argument that comes next, -1: not known yet */
    size_t at;       /* looked at, from the command's start */
    size_t searched; /* no end of line before this */
    bool passing;    /* the command is passed over */
    size_t passed;   /* bytes of the argument that comes next */
    char why[80];
} mp_resp_parser;

void mp_resp_parser_init(mp_resp_parser *r, mp_mem *mem);
void mp_resp_parser_release(mp_resp_parser *r);
/* p: all bytes since the command's start, the n first of the next call's. COMMAND: *used bytes are the command's, and
 * the arguments point into p, valid until the next call; that call gets what comes behind them. An inline command is
 * unquoted in place. */
mp_resp_result mp_resp_parse(mp_resp_parser *r, uint8_t *p, size_t n, size_t *used);
/* The command that is being read is not wanted (there is no room for it): parse now needs no memory, and sets *used with
 * MORE as well, the bytes that are done with; PASSED behind the command's end. Then all is as before. */
void mp_resp_pass_over(mp_resp_parser *r);
/* Bytes from the command's start that it has at least, by what it has declared. */
size_t mp_resp_least_bytes(const mp_resp_parser *r);

void mp_resp_put_int(mp_buf *b, int64_t v);                /* :1 */
void mp_resp_put_bulk(mp_buf *b, const void *p, size_t n); /* $1 a */
void mp_resp_put_nil(mp_buf *b);                           /* $-1 */
void mp_resp_put_array(mp_buf *b, size_t n);               /* *2, n values follow */
void mp_resp_put_line(mp_buf *b,
                      const char *line); /* +OK, -ERR what: up to its end or the first line break */

#endif
