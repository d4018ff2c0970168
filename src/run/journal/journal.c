/* journal.c - lines "unit ... check": words of digits, the hash of what is before it last. */
#include "run/journal/journal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"

enum { LINE_MAX_BYTES = 512 };

/* Ends the line that begins at from. */
static void put_check(mp_buf *out, size_t from) {
    if (out->failed) return;
    mp_buf_printf(out, " %016" PRIx64 "\n", mp_hash_bytes(out->data + from, out->len - from));
}

void mp_journal_put(mp_buf *out, const mp_unit_record *r) {
    size_t from = out->len;
    mp_buf_printf(out,
                  "unit %" PRId64 " %d %d %" PRId64 " %" PRId64 " %" PRId64 " %016" PRIx64
                  " %d %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
                  r->unit, r->run, r->rank, r->offset, r->len, r->head_len, r->head_hash,
                  r->outcome, r->code, r->tries, r->bad, r->start_ms, r->run_ns, r->reject_len,
                  r->n_rejected);
    put_check(out, from);
}

void mp_journal_put_run(mp_buf *out, int run, int n_ranks) {
    size_t from = out->len;
    mp_buf_printf(out, "run %d %d", run, n_ranks);
    put_check(out, from);
}

void mp_journal_put_dict(mp_buf *out, const mp_journal_dict *d) {
    size_t from = out->len;
    mp_buf_printf(out, "dict %d %d %" PRId64, d->number, d->n_ranks, d->bytes);
    put_check(out, from);
}

/* n words of digits behind the first word. */
static bool read_words(const char *line, int n, const int *bases, uint64_t *out) {
    const char *p = strchr(line, ' ');
    for (int i = 0; i < n; i++) {
        char *end;
        if (!p || *p != ' ') return false;
        out[i] = bases[i] == 16 ? strtoull(p + 1, &end, 16) : (uint64_t)strtoll(p + 1, &end, 10);
        if (end == p + 1) return false;
        p = end;
    }
    return *p == 0;
}

/* The line without its check, when that fits; false: broken. */
static bool checked(const char *text, size_t len, char *line) {
    enum { CHECK = 17 };
    if (len <= CHECK || len >= LINE_MAX_BYTES) return false;
    size_t n = len - CHECK;
    char check[CHECK + 1];
    snprintf(check, sizeof check, " %016" PRIx64, mp_hash_bytes(text, n));
    if (memcmp(text + n, check, CHECK) != 0) return false;
    memcpy(line, text, n);
    line[n] = 0;
    return true;
}

static bool read_record(const char *line, mp_unit_record *r) {
    enum { WORDS = 15 };
    static const int bases[WORDS] = {10, 10, 10, 10, 10, 10, 16, 10, 10, 10, 10, 10, 10, 10, 10};
    uint64_t w[WORDS];
    if (!read_words(line, WORDS, bases, w)) return false;
    *r = (mp_unit_record){.unit = (int64_t)w[0],
                          .run = (int32_t)w[1],
                          .rank = (int32_t)w[2],
                          .offset = (int64_t)w[3],
                          .len = (int64_t)w[4],
                          .head_len = (int64_t)w[5],
                          .head_hash = w[6],
                          .outcome = (int32_t)w[7],
                          .code = (int32_t)w[8],
                          .tries = (int32_t)w[9],
                          .bad = (int32_t)w[10],
                          .start_ms = (int64_t)w[11],
                          .run_ns = (int64_t)w[12],
                          .reject_len = (int64_t)w[13],
                          .n_rejected = (int64_t)w[14]};
    return r->offset >= 0 && r->len >= 0 && r->reject_len >= 0 && r->head_len >= 0 &&
           r->head_len <= r->len;
}

void mp_journal_read(const char *text, size_t len, void *ctx,
                     void (*on_record)(void *ctx, const mp_unit_record *r), mp_journal_end *end) {
    static const int ten[3] = {10, 10, 10};
    char line[LINE_MAX_BYTES];
    mp_unit_record r;
    uint64_t w[3];
    *end = (mp_journal_end){0};
    while (end->good < len) {
        const char *from = text + end->good, *to = memchr(from, '\n', len - end->good);
        if (!to || !checked(from, (size_t)(to - from), line)) return;
        size_t next = (size_t)(to - text) + 1;
        if (strncmp(line, "unit ", 5) == 0) {
            if (!read_record(line, &r)) return;
            if (on_record) on_record(ctx, &r);
        } else if (strncmp(line, "run ", 4) == 0) {
            if (!read_words(line, 2, ten, w)) return;
            if ((int)w[0] > end->runs) end->runs = (int)w[0];
        } else if (strncmp(line, "dict ", 5) == 0) {
            if (!read_words(line, 3, ten, w)) return;
            end->dict = (mp_journal_dict){(int)w[0], (int)w[1], (int64_t)w[2]};
            end->dict_good = next;
        }
        end->good = next;
    }
}
