/* blocks.c - see blocks.h. The carry holds plain bytes from carry_begin on; a block is cut from its
 * front. */
#include "run/blocks.h"

#include <errno.h>
#include <unistd.h>

#include "io/output/output.h"

enum {
    BLOCK_BYTES = 1 << 20,
    READ_BYTES = 256 << 10, /* of one call: bounded work */
    TAIL_BYTES = 64 << 10   /* looked at record by record for the last boundary */
};

struct mp_blocks {
    mp_blocks_args a;
    mp_buf carry;
    int64_t carry_begin; /* offset of its first byte in the plain text */
    size_t given;        /* bytes at its front that the last block held */
    size_t target;       /* size at which a block is cut; grows when a record is longer */
    int64_t skip_to;     /* bytes before this offset are dropped (the head, when read again) */
    bool at_end, finished;
    int spool;       /* -1: none */
    int64_t spooled; /* bytes in it, from data_offset on */
    mp_buf again;    /* a block read back */
};

mp_status mp_blocks_open(const mp_blocks_args *args, mp_blocks **out, mp_error *err) {
    mp_blocks *b = mp_mem_calloc(args->mem, 1, sizeof *b);
    *out = b;
    if (!b) return mp_mem_error(args->mem, sizeof *b, err);
    *b = (mp_blocks){.a = *args, .spool = -1, .target = BLOCK_BYTES};
    mp_buf_init(&b->again, args->mem);
    b->carry = args->stream->front;
    mp_buf_init(&args->stream->front, args->mem);
    b->at_end = args->stream->at_end;
    b->skip_to = args->file->data_offset;
    if (args->keep && args->file->kind == MP_INPUT_STREAM)
        return mp_out_spool(args->run->scratch, &b->spool, err);
    return MP_OK;
}

void mp_blocks_free(mp_blocks **b) {
    if (!*b) return;
    if ((*b)->spool >= 0) close((*b)->spool);
    mp_buf_release(&(*b)->carry);
    mp_buf_release(&(*b)->again);
    mp_mem_free((*b)->a.mem, *b);
    *b = NULL;
}

int mp_blocks_fd(const mp_blocks *b) {
    return b->a.stream->stream ? mp_stream_fd(b->a.stream->stream) : -1;
}

static void drop_front(mp_blocks *b, size_t n) {
    if (n == 0) return;
    memmove(b->carry.data, b->carry.data + n, b->carry.len - n);
    b->carry.len -= n;
    b->carry_begin += (int64_t)n;
}

mp_status mp_blocks_rewind(mp_blocks *b, mp_error *err) {
    if (b->a.file->kind == MP_INPUT_STREAM) return MP_OK;
    mp_stream_close(&b->a.stream->stream);
    b->carry.len = b->given = 0;
    b->carry_begin = 0;
    b->target = BLOCK_BYTES;
    b->skip_to = b->a.file->data_offset;
    b->at_end = b->finished = false;
    mp_input in = {.path = b->a.file->path,
                   .kind = b->a.file->kind,
                   .packing = b->a.file->packing,
                   .size_bytes = b->a.file->size_bytes};
    return mp_stream_open(&in, &b->a.stream->stream, err);
}

/* ---- the cut ---- */

/* Walk [from, n) line by line from state s: the last record start behind a newline, -1: none. */
static int64_t last_start(const mp_csv_dialect *d, const uint8_t *p, size_t from, size_t n,
                          mp_csv_state s) {
    int64_t last = -1;
    while (from < n) {
        const uint8_t *newline = memchr(p + from, '\n', n - from);
        if (!newline) break;
        size_t next = (size_t)(newline - p) + 1;
        int64_t first;
        s = mp_csv_walk(d, p + from, next - from, s, &first);
        from = next;
        if (s == MP_CSV_RECORD_START) last = (int64_t)next;
    }
    return last;
}

/* End of the last whole record in the first n bytes of text that begins with a record; -1: it has
 * no whole record. */
static int64_t cut_at(const mp_csv_dialect *d, const uint8_t *p, size_t n) {
    if (!d->quote || !memchr(p, d->quote, n)) {
        const uint8_t *newline = memrchr(p, '\n', n);
        return newline ? newline - p + 1 : -1;
    }
    size_t from = n > TAIL_BYTES ? n - TAIL_BYTES : 0;
    int64_t first, at;
    at = last_start(d, p, from, n, mp_csv_walk(d, p, from, MP_CSV_RECORD_START, &first));
    return at < 0 && from ? last_start(d, p, 0, from, MP_CSV_RECORD_START) : at;
}

/* At a test's boundary, or after BLOCK_BYTES. */
static size_t target_of(const mp_blocks *b) {
    size_t target = b->target;
    for (int i = 0; i < b->a.run->n_test_splits; i++) {
        int64_t at = b->a.run->test_splits[i] - b->carry_begin;
        if (at > 0 && target == BLOCK_BYTES) return (size_t)at;
    }
    return target;
}

/* ---- reading ---- */

static mp_status read_some(mp_blocks *b, bool *later, mp_error *err) {
    if (!mp_buf_reserve(&b->carry, READ_BYTES)) return mp_buf_check(&b->carry, err);
    size_t n = 0;
    mp_status st = mp_stream_read(b->a.stream->stream, b->carry.data + b->carry.len, READ_BYTES, &n,
                                  later, &b->at_end, err);
    b->carry.len += n;
    return st;
}

static mp_status spool_out(mp_blocks *b, const uint8_t *p, size_t n, mp_error *err) {
    for (size_t done = 0; b->spool >= 0 && done < n;) {
        ssize_t wrote = pwrite(b->spool, p + done, n - done, b->spooled + (int64_t)done);
        if (wrote <= 0) return mp_error_errno(err, errno, "cannot write to scratch", "spool");
        done += (size_t)wrote;
    }
    b->spooled += (int64_t)n;
    return MP_OK;
}

mp_status mp_blocks_again(mp_blocks *b, int64_t begin, int64_t len, const uint8_t **bytes,
                          mp_error *err) {
    b->again.len = 0;
    if (!mp_buf_reserve(&b->again, (size_t)len)) return mp_buf_check(&b->again, err);
    for (int64_t done = 0; done < len;) {
        ssize_t got = pread(b->spool, b->again.data + done, (size_t)(len - done),
                            begin - b->a.file->data_offset + done);
        if (got <= 0) return mp_error_errno(err, got ? errno : EIO, "cannot read scratch", "spool");
        done += got;
    }
    *bytes = b->again.data;
    return MP_OK;
}

/* The head, read again or as it was. */
static void skip_head(mp_blocks *b) {
    if (b->carry_begin >= b->skip_to) return;
    int64_t n = b->skip_to - b->carry_begin;
    drop_front(b, n < (int64_t)b->carry.len ? (size_t)n : b->carry.len);
}

static mp_status give(mp_blocks *b, size_t n, const uint8_t **bytes, int64_t *begin, int64_t *len,
                      mp_split_state *state, mp_error *err) {
    *bytes = b->carry.data;
    *begin = b->carry_begin;
    *len = (int64_t)n;
    *state = MP_SPLIT_GOT;
    b->given = n;
    b->target = BLOCK_BYTES;
    return spool_out(b, b->carry.data, n, err);
}

mp_status mp_blocks_next(mp_blocks *b, const uint8_t **bytes, int64_t *begin, int64_t *len,
                         mp_split_state *state, mp_error *err) {
    *state = MP_SPLIT_NONE;
    if (b->finished) return MP_OK;
    if (b->given) drop_front(b, b->given);
    b->given = 0;
    skip_head(b);
    size_t target = target_of(b);
    while (b->carry.len >= target || b->at_end) {
        size_t n = b->carry.len < target ? b->carry.len : target;
        int64_t cut =
            b->at_end && n == b->carry.len ? (int64_t)n : cut_at(&b->a.dialect, b->carry.data, n);
        if (cut > 0) return give(b, (size_t)cut, bytes, begin, len, state, err);
        if (b->at_end && n == b->carry.len) {
            b->finished = true;
            mp_buf_release(&b->carry);
            return MP_OK;
        }
        b->target = target = 2 * target > BLOCK_BYTES ? 2 * target : 2 * BLOCK_BYTES;
    }
    bool later = false;
    mp_status st = read_some(b, &later, err);
    *state = later ? MP_SPLIT_LATER : MP_SPLIT_SOON;
    return st;
}
