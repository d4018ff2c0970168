/* csv_scan_kernel.h - the scan itself, included once by the file of each SIMD level, which defines
 * before: SCAN_NAME (the function's name); scan_keys and scan_keys_of (delimiter and quote in the
 * form that the level compares with); scan_seen, scan_seen_none and scan_seen_cr (whether a CR was
 * among the bytes classified); scan_classify (64 bytes to masks of separators, newlines, and quote
 * or NUL); scan_mask (64 bytes to the mask of one byte value); scan_store (the positions of a
 * mask's bits); where the level has them, SCAN_EXTRACT (the bits of one mask at the places that are
 * set in another, side by side) and SCAN_PREFIX_XOR (bit i: xor of bits 0..i). Invariant: carry
 * holds all that a block must know of the blocks before it, and is 0 in text without quotes. */
#include "io/csv/csv_scan.h"

#define SCAN_INLINE static inline __attribute__((always_inline))

enum { SCAN_AHEAD = 6144 }; /* bytes */

typedef struct {
    uint64_t in_quotes;   /* all ones: the block before ended inside quotes */
    uint64_t after_close; /* 1: its last byte was a closing quote */
    uint64_t after_cr;    /* 1: its last byte was a CR behind a closing quote */
    uint64_t doubled;     /* not 0: some quote stood right behind a closing one */
} scan_carry;

/* Bit i: xor of bits 0..i. */
static inline uint64_t scan_prefix_xor(uint64_t m) {
#ifdef SCAN_PREFIX_XOR
    return SCAN_PREFIX_XOR(m);
#else
    for (int s = 1; s < 64; s *= 2)
        m ^= m << s;
    return m;
#endif
}

/* Take what is inside quotes out of the masks; false where a quote is not at a field's edge.
 * before: bit 0 tells that the byte before the block is a separator or a quote. */
SCAN_INLINE bool scan_quotes(uint64_t quotes, uint64_t crs, uint64_t keep, uint64_t before,
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

/* Are the newlines where they belong? n separators follow field *at of a row; 0: they are. narrow:
 * rows of up to 64 fields. */
SCAN_INLINE uint64_t scan_irregular(const mp_csv_period *p, bool narrow, uint64_t sep,
                                    uint64_t lines, uint32_t n, uint32_t *at) {
#ifdef SCAN_EXTRACT
    uint64_t want;
    if (narrow) {
        want = p->newlines[*at];
        *at = p->next[*at + n];
    } else {
        uint32_t to_last = p->n - 1 - *at;
        want = to_last < 64 ? UINT64_C(1) << to_last : 0;
        *at = to_last < n ? n - 1 - to_last : *at + n;
    }
    uint64_t mask = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
    return SCAN_EXTRACT(lines, sep) ^ (want & mask);
#else
    (void)p, (void)narrow, (void)sep, (void)lines, (void)n, (void)at;
    return 0;
#endif
}

/* Where a scan is. */
typedef struct {
    uint32_t at;
    uint32_t n_pos, n_lines;
    uint32_t field; /* of the row, as far as period tells */
    uint64_t irregular;
    uint64_t before; /* top bit: the byte before is a separator or a quote */
    scan_carry carry;
    scan_seen seen;
    bool quotes;
} scan_state;

/* Hardware prefetching ends at every page; this is worth nearly a factor of two. */
SCAN_INLINE void scan_prefetch(const uint8_t *p) {
    __builtin_prefetch((const void *)((uintptr_t)p + SCAN_AHEAD), 0, 2);
}

/* Up to n whole blocks, as long as they have no quote and no NUL. */
SCAN_INLINE void scan_plain_blocks(mp_csv_scan *s, const scan_keys *keys,
                                   const mp_csv_period *period, uint32_t n, bool narrow,
                                   scan_state *st) {
    const uint8_t *const base = s->base;
    const scan_keys k = *keys;
    scan_seen seen = st->seen;
    uint32_t *pos = s->pos + st->n_pos;
    uint32_t at = st->at, field = st->field, n_lines = st->n_lines;
    uint64_t irregular = st->irregular, before = st->before;
    for (const uint32_t to = at + 64 * n; at != to; at += 64) {
        uint64_t sep, lines, special;
        scan_prefetch(base + at);
        scan_classify(base + at, &k, &seen, &sep, &lines, &special);
        if (__builtin_expect(special != 0, 0)) break;
        uint32_t count = (uint32_t)__builtin_popcountll(sep);
        scan_store(pos, sep, at, count);
        pos += count;
        irregular |= scan_irregular(period, narrow, sep, lines, count, &field);
        n_lines += (uint32_t)__builtin_popcountll(lines);
        before = sep;
    }
    st->at = at;
    st->n_pos = (uint32_t)(pos - s->pos);
    st->n_lines = n_lines;
    st->field = field;
    st->irregular = irregular;
    st->before = before;
    st->seen = seen;
}

/* One block of any kind, whole or the last one of the text; false: it needs the state machine.
 * *calm: it had no quote. */
SCAN_INLINE bool scan_block(mp_csv_scan *s, const scan_keys *keys, const mp_csv_period *period,
                            bool narrow, bool whole, scan_state *st, bool *calm) {
    const uint8_t *p = s->base + st->at;
    const uint32_t len = whole ? 64 : s->to - st->at;
    uint64_t sep, lines, special, keep = ~UINT64_C(0);
    scan_carry *c = &st->carry;
    scan_classify(p, keys, &st->seen, &sep, &lines, &special);
    if (!whole) {
        keep = (UINT64_C(1) << len) - 1;
        sep &= keep;
        lines &= keep;
        special &= keep;
    }
    uint64_t edge = sep | special;
    *calm = (special | c->in_quotes | c->after_close | c->after_cr) == 0;
    if (!*calm) {
        if (special & scan_mask(p, 0)) return false;
        st->quotes = st->quotes || special;
        uint64_t crs = scan_mask(p, '\r');
        if (!scan_quotes(special, crs, keep, st->before >> 63, &sep, &lines, c)) return false;
    }
    st->before = edge;
    uint32_t n = (uint32_t)__builtin_popcountll(sep);
    scan_store(s->pos + st->n_pos, sep, st->at, n);
    st->n_pos += n;
    st->irregular |= scan_irregular(period, narrow, sep, lines, n, &st->field);
    st->n_lines += (uint32_t)__builtin_popcountll(lines);
    st->at += len;
    return true;
}

/* Up to n whole blocks of any kind, ending behind the first one without quotes; false: the block at
 * st->at needs the state machine. */
SCAN_INLINE bool scan_blocks(mp_csv_scan *s, const scan_keys *keys, const mp_csv_period *period,
                             uint32_t n, bool narrow, scan_state *st, bool *calm) {
    scan_state own = *st;
    bool ok = true;
    do {
        scan_prefetch(s->base + own.at);
        ok = scan_block(s, keys, period, narrow, true, &own, calm);
    } while (ok && !*calm && --n > 0);
    *st = own;
    return ok;
}

/* The whole text, or up to its limits; false: what is left needs the state machine. */
SCAN_INLINE bool scan_text(mp_csv_scan *s, const scan_keys *keys, const mp_csv_period *period,
                           bool narrow, scan_state *st) {
    bool calm = true, ok = true;
    while (st->at < s->to && st->n_pos < s->max_pos && st->n_lines < s->max_lines && ok) {
        /* so many blocks cannot pass the limits before the last one */
        uint32_t pos_left = s->max_pos - st->n_pos, lines_left = s->max_lines - st->n_lines;
        uint32_t room = (pos_left < lines_left ? pos_left : lines_left) / 64;
        uint32_t n = (s->to - st->at) / 64, from = st->at;
        if (n == 0) return scan_block(s, keys, period, narrow, false, st, &calm);
        if (n > room) n = room > 0 ? room : 1;
        if (calm) scan_plain_blocks(s, keys, period, n, narrow, st);
        n -= (st->at - from) / 64;
        if (n > 0) ok = scan_blocks(s, keys, period, n, narrow, st, &calm);
    }
    return ok;
}

void SCAN_NAME(mp_csv_scan *s) {
    const scan_keys keys = scan_keys_of(s);
    const mp_csv_period none = {.n = UINT32_MAX}, *period = s->period ? s->period : &none;
    /* as if a separator stood before the first byte */
    scan_state st = {.at = s->from, .before = UINT64_C(1) << 63, .seen = scan_seen_none()};
    bool ok = period->n <= 64 ? scan_text(s, &keys, period, true, &st)
                              : scan_text(s, &keys, period, false, &st);
    s->n_pos = st.n_pos;
    s->n_lines = st.n_lines;
    s->quotes = st.quotes;
    s->doubled = st.carry.doubled != 0;
    s->crs = scan_seen_cr(st.seen);
    s->regular = st.irregular == 0;
    s->odd = !ok;
#ifdef SCAN_EXTRACT
    s->regular_known = s->period != NULL;
#else
    s->regular_known = false;
#endif
}
