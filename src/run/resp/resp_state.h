/* resp_state.h - clients of the dictionary's socket and their commands under way; for the files of the server alone.
 * Invariant: commands under way are a ring in the order in which they came; the first of them is answered into `out`
 * directly, others keep their text until they are the first. A client is freed when its socket is closed and nothing
 * is under way. */
#ifndef MP_RUN_RESP_STATE_H
#define MP_RUN_RESP_STATE_H

#include "io/resp.h"
#include "run/resp/resp_server.h"

/* A cursor of SCAN: the owner, then these many high bits of the place to go on from. */
enum { MP_RESP_CURSOR_BITS = 40, MP_RESP_PART_BITS = 21 };

/* What the answers of a command's operations are made into. */
typedef enum {
    MP_REPLY_INT,
    MP_REPLY_BULK,      /* a value, or nil */
    MP_REPLY_OK,        /* +OK, whatever the answer */
    MP_REPLY_STORED,    /* +OK or nil */
    MP_REPLY_TYPE,      /* +string */
    MP_REPLY_THERE,     /* 1, or 0 for none */
    MP_REPLY_TTL,       /* -1 for a key that is there, -2 */
    MP_REPLY_LIST,      /* bulks */
    MP_REPLY_INTS,      /* ints */
    MP_REPLY_SUM,       /* of ints, one of each operation */
    MP_REPLY_INFO,      /* likewise, as the number of keys in the text of INFO */
    MP_REPLY_ALL_OK,    /* +OK behind several operations */
    MP_REPLY_EACH_BULK, /* an array: one value of each operation, nil for another type */
    MP_REPLY_EACH_RAW,  /* an array: the answer of each operation as the dictionary writes it */
    MP_REPLY_JOIN,      /* an array: the lists of all operations */
    MP_REPLY_SCAN       /* cursor and list; the owner asked is in `sum` */
} mp_reply_kind;

typedef struct {
    mp_reply_kind kind;
    bool done, no_memory;     /* no_memory: not for the answer */
    uint32_t n_parts, n_left; /* operations */
    int64_t sum;
    mp_buf text;  /* the answer, or the parts that came */
    mp_buf error; /* of the first operation that failed */
    struct mp_resp_part {
        size_t at, len; /* in text */
    } * parts;          /* MP_REPLY_EACH_BULK, MP_REPLY_EACH_RAW */
} mp_resp_pending;

typedef struct mp_resp_client mp_resp_client;
struct mp_resp_client {
    mp_resp_client *next, *prev;
    mp_resp_server *server;
    int fd;           /* -1: closed */
    uint32_t watched; /* events asked of epoll */
    mp_resp_parser parser;
    mp_buf in;
    size_t in_at; /* the command's start */
    mp_buf out;
    size_t out_at; /* written */
    mp_resp_pending *ring;
    size_t cap_ring;       /* a power of two */
    uint64_t first, end;   /* numbers of the commands under way */
    size_t usual_answer;   /* bytes: the largest of late */
    int64_t to_come;       /* at the end: bytes that are still read */
    bool no_more_input;    /* closed as soon as all answers are written */
    bool ended_input;      /* by the client, or by the server: what has come is still carried out */
    bool deaf;             /* it takes no more answers; what it has sent is carried out */
    bool unwatched;        /* epoll would only say that it is gone */
    bool filled;           /* the last read took all the room there was */
    bool stuck;            /* commands have come that may not be started yet */
    int64_t refused_bytes; /* of the command that is passed over */
};

struct mp_resp_server {
    mp_resp_server_args args;
    int size; /* ranks */
    int epoll, listener;
    char folder[103], path[108]; /* as long as a socket's name may be */
    int leftover;                /* of the folder, -1 */
    mp_resp_client *clients;
    bool ended, accepting;
    int64_t again_ns; /* when it is listened to again, if it is not */
    int n_stuck;
    mp_resp_server_counts counts;
};

/* resp_command.c: starts the command in c->parser, or answers it. */
void mp_resp_run(mp_resp_client *c);

/* resp_reply.c */
/* Room in the ring for one more command; false: none, until one of those under way is answered. */
bool mp_resp_ring_room(mp_resp_client *c);
/* A command of n_parts operations, for which there is room; NULL: memory was refused. Its number is c->end - 1. */
mp_resp_pending *mp_resp_begin(mp_resp_client *c, mp_reply_kind kind, uint32_t n_parts);
mp_resp_pending *mp_resp_pending_last(mp_resp_client *c);
/* The answer of operation `part` of the command with this number. A mp_dict_answer_fn is this with tag = number << 21
 * | part. */
void mp_resp_on_answer(void *client, uint64_t tag, mp_rd answer);
/* An operation of the command begun last could not be started. */
void mp_resp_part_failed(mp_resp_client *c, uint32_t part, const mp_error *err);
/* An answer without operation is put into the buffer that at_once returns, then done is called. */
mp_buf *mp_resp_at_once(mp_resp_client *c);
void mp_resp_at_once_done(mp_resp_client *c);
/* Answers at once that n_bytes were refused. */
void mp_resp_refuse(mp_resp_client *c, int64_t n_bytes);
/* The commands at the front that are answered leave the ring, as far as there is room for their answers. */
void mp_resp_flush(mp_resp_client *c);
/* resp_talk.c: the bulk of INFO, with the keys of all ranks. */
void mp_resp_put_info(const mp_resp_server *s, int64_t n_keys, mp_buf *b);
/* Frees what the ring keeps. */
void mp_resp_release_ring(mp_resp_client *c);

#endif
