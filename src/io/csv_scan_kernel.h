/* csv_scan_kernel.h - the scan itself, included once by the file of each SIMD level, which defines
 * before: SCAN_NAME (the function's name); scan_keys and scan_keys_of (delimiter and quote in the
 * form that the level compares with); scan_seen, scan_seen_none and scan_seen_cr (whether a CR was among the bytes
 * classified); scan_classify (64 bytes to masks of separators, newlines, and quote or NUL); scan_mask (64 bytes to the mask of
 * one byte value); scan_store (the positions of a mask's bits); where the level has it, SCAN_EXTRACT (the bits of one mask at
 * the places that are set in another, side by side).
 * Invariant: carry holds all that a block must know of the blocks before it, and is 0 in text
 * without quotes. */
#include "io/csv_scan.h"

enum { SCAN_AHEAD = 3072 }; /* bytes */

typedef struct {
    uint64_t in_quotes;   /* all ones: the block before ended inside quotes */
    uint64_t after_close; /* 1: its last byte was a closing quote */
    uint64_t after_cr;    /* 1: its last byte was a CR behind a closing quote */
    uint64_t doubled;     /* not 0: some quote stood right behind a closing one */
} scan_carry;

/* Bit i: xor of bits 0..i. */
static inline uint64_t scan_prefix_xor(uint64_t m) {
    for (int s = 1; s < 64; s *= 2)
        m ^= m << s;
    return m;
}

/* Take what is inside quotes out of the masks; false where a quote is not at a field's edge.
 * before: bit 0 tells that the byte before the block is a separator or a quote. */
static inline bool scan_quotes(uint64_t quotes, uint64_t crs, uint64_t keep, uint64_t before,
                               uint64_t *sep, uint64_t *lines, scan_carry *c) {
    uint64_t inside = scan_prefix_xor(quotes) ^ c->in_quotes;
    uint64_t open = quotes & inside;
    uint64_t close = quotes & ~inside;
    uint64_t left_edge = (*sep | quotes) << 1 | before;
    uint64_t behind = close << 1 | c->after_close;
    uint64_t cr_behind = behind & crs;
    uint64_t bad = (open & ~left_edge) | (behind & ~(*sep | quotes | crs)) |
                   ((cr_behind << 1 | c->after_cr) & ~*lines);
    if (bad & keep) return false;
    c->doubled |= open & behind;
    *sep &= ~inside;
    *lines &= ~inside;
    c->in_quotes = (uint64_t)((int64_t)inside >> 63);
    c->after_close = close >> 63;
    c->after_cr = cr_behind >> 63;
    return true;
}

#ifdef SCAN_EXTRACT
/* Are the newlines where they belong? n separators follow field *at of a row. */
static inline uint64_t scan_irregular(const mp_csv_period *p, uint64_t sep, uint64_t lines,
                                      uint32_t n, uint32_t *at) {
    uint64_t want;
    if (p->n <= 64) {
        want = p->newlines[*at];
        *at = p->next[*at + n];
    } else {
        uint32_t to_last = p->n - 1 - *at;
        want = to_last < 64 ? UINT64_C(1) << to_last : 0;
        *at = to_last < n ? n - 1 - to_last : *at + n;
    }
    uint64_t mask = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
    return SCAN_EXTRACT(lines, sep) ^ (want & mask);
}
#endif

void SCAN_NAME(mp_csv_scan *s) {
    const uint8_t *base = s->base;
    const uint32_t to = s->to;
    const scan_keys keys = scan_keys_of(s);
    uint32_t *pos = s->pos;
    uint32_t n_pos = 0, n_lines = 0;
    uint64_t before = UINT64_C(1) << 63; /* as if a separator stood before the first byte */
    scan_carry carry = {0, 0, 0, 0};
    bool any_quotes = false, odd = false;
    scan_seen seen = scan_seen_none();
    uint64_t irregular = 0;
#ifdef SCAN_EXTRACT
    const mp_csv_period none = {.n = UINT32_MAX}, *period = s->period ? s->period : &none;
    uint32_t field = 0;
#endif
    for (uint32_t at = s->from; at < to; at += 64) {
        uint64_t sep, lines, special;
        /* hardware prefetching ends at every page; this is worth nearly a factor of two */
        __builtin_prefetch((const void *)((uintptr_t)(base + at) + SCAN_AHEAD), 0, 2);
        scan_classify(base + at, &keys, &seen, &sep, &lines, &special);
        uint64_t keep = ~UINT64_C(0);
        if (to - at < 64) {
            keep = (UINT64_C(1) << (to - at)) - 1;
            sep &= keep;
            lines &= keep;
            special &= keep;
        }
        uint64_t edge = sep;
        if (__builtin_expect((special | carry.in_quotes | carry.after_close | carry.after_cr) != 0,
                             0)) {
            if (special & scan_mask(base + at, 0)) {
                odd = true;
                break;
            }
            edge |= special;
            any_quotes = any_quotes || special;
            if (!scan_quotes(special, scan_mask(base + at, '\r'), keep, before >> 63, &sep, &lines,
                             &carry)) {
                odd = true;
                break;
            }
        }
        before = edge;
        uint32_t n = (uint32_t)__builtin_popcountll(sep);
        scan_store(pos + n_pos, sep, at, n);
        n_pos += n;
#ifdef SCAN_EXTRACT
        irregular |= scan_irregular(period, sep, lines, n, &field);
#endif
        n_lines += (uint32_t)__builtin_popcountll(lines);
        if (n_pos >= s->max_pos || n_lines >= s->max_lines) break;
        if (to - at < 64) break;
    }
    s->n_pos = n_pos;
    s->n_lines = n_lines;
    s->quotes = any_quotes;
    s->doubled = carry.doubled != 0;
    s->crs = scan_seen_cr(seen);
    s->regular = irregular == 0;
    s->odd = odd;
#ifdef SCAN_EXTRACT
    s->regular_known = s->period != NULL;
#else
    s->regular_known = false;
#endif
}
