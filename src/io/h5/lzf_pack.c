/* lzf_pack.c - see lzf_pack.h. Greedy matching through a table of the last place of each hash of
 * three bytes.
 * Invariant: bytes [from, at) are literals that are not written yet; everything before from is. */
#include "io/h5/lzf_pack.h"

#include <stdbool.h>
#include <string.h>

enum { MOST_LITERALS = 32, MOST_DISTANCE = 1 << 13, LEAST_MATCH = 3, MOST_MATCH = 264 };

typedef struct {
    const uint8_t *in;
    size_t n;
    uint8_t *out;
    size_t len, cap;
} packer;

static uint32_t hash_at(const uint8_t *p) {
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
    return v * 2654435761u >> 18;
}

static bool put_literals(packer *p, size_t from, size_t to) {
    while (from < to) {
        size_t n = to - from < MOST_LITERALS ? to - from : MOST_LITERALS;
        if (p->cap - p->len < n + 1) return false;
        p->out[p->len++] = (uint8_t)(n - 1);
        memcpy(p->out + p->len, p->in + from, n);
        p->len += n;
        from += n;
    }
    return true;
}

static bool put_match(packer *p, size_t distance, size_t length) {
    size_t far = distance - 1, more = length - 2;
    if (p->cap - p->len < 3) return false;
    p->out[p->len++] = (uint8_t)((more < 7 ? more : 7) << 5 | far >> 8);
    if (more >= 7) p->out[p->len++] = (uint8_t)(more - 7);
    p->out[p->len++] = (uint8_t)far;
    return true;
}

static size_t match_length(const packer *p, size_t a, size_t b) {
    size_t most = p->n - b < MOST_MATCH ? p->n - b : MOST_MATCH, n = 0;
    while (n < most && p->in[a + n] == p->in[b + n])
        n++;
    return n;
}

size_t mp_lzf_pack(const uint8_t *plain, size_t n, uint8_t *out, size_t cap, uint32_t *table) {
    packer p = {.in = plain, .n = n, .out = out, .cap = cap};
    size_t from = 0, at = 0;
    memset(table, 0xFF, MP_LZF_TABLE * sizeof *table);
    while (n >= LEAST_MATCH && at <= n - LEAST_MATCH) {
        uint32_t *place = &table[hash_at(plain + at)];
        size_t before = *place, length = 0;
        *place = (uint32_t)at;
        if (before != UINT32_MAX && at - before <= MOST_DISTANCE)
            length = match_length(&p, before, at);
        if (length < LEAST_MATCH) {
            at++;
            continue;
        }
        if (!put_literals(&p, from, at) || !put_match(&p, at - before, length)) return 0;
        at += length;
        from = at;
        /* the end of a match is where the next one often begins */
        if (at <= n - LEAST_MATCH) table[hash_at(plain + at - 1)] = (uint32_t)(at - 1);
    }
    return put_literals(&p, from, n) ? p.len : 0;
}
