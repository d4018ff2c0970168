/* json_index_kernel.h - the index itself, included once by the file of each SIMD level, which
 * defines before: index_classify (64 bytes to a mask for each kind of byte), index_differs (which
 * of 32 or 64 bytes differ), and INDEX_KERNELS (the name of what it gives).
 * Escapes and brackets of nested values are gone through one by one, in the blocks that have some.
 * Invariant: every rule says what may follow a byte, so that with the heads of its members a line
 * without an odd byte is known from its first byte to its last. Runs of digits and strings are
 * passed by the carry of an addition (Langdale, Lemire: Parsing gigabytes of JSON per second, 2019,
 * doi:10.1007/s00778-019-00578-5). */
#include <string.h>

#include "io/json/json_index.h"
#include "io/json/json_line.h"

#define INDEX_INLINE static inline __attribute__((always_inline))

enum { INDEX_AHEAD = 3072 }; /* bytes */

/* What a block must know of the one before: bit 0 alone, but for the first three. */
typedef struct {
    uint64_t inside;    /* all ones: it ended inside a string */
    uint64_t depth;     /* brackets that are open in a nested value */
    const uint8_t *low; /* the escape there has to be the second of a surrogate pair */
    uint64_t escape, colon, blank, minus, zero, whole, dot, fraction, string, nested, closed, brace,
        cr;
} index_carry;

/* The bytes behind those of m. */
INDEX_INLINE uint64_t behind(uint64_t m, uint64_t *carry) {
    uint64_t at = m << 1 | *carry;
    *carry = m >> 63;
    return at;
}

/* The bytes behind the runs that begin at from; only those count that are not in runs. */
INDEX_INLINE uint64_t behind_run(uint64_t from, uint64_t runs, uint64_t *carry) {
    unsigned long long sum;
    bool over = __builtin_uaddll_overflow(from, runs, &sum);
    over |= __builtin_uaddll_overflow(sum, *carry, &sum);
    *carry = over;
    return sum & ~runs;
}

/* Is the escape at p, which can be read 12 bytes far, a character, or half a pair whose other half it stands
 * with? */
static bool is_escape(const uint8_t *p, index_carry *c) {
    const uint64_t low_set = UINT64_C(1) << '"' | UINT64_C(1) << '/',
                   high_set = UINT64_C(1) << ('\\' - 64) | UINT64_C(1) << ('b' - 64) |
                              UINT64_C(1) << ('f' - 64) | UINT64_C(1) << ('n' - 64) |
                              UINT64_C(1) << ('r' - 64) | UINT64_C(1) << ('t' - 64);
    if (p[1] != 'u') return p[1] < 128 && (p[1] < 64 ? low_set : high_set) >> (p[1] & 63) & 1;
    int32_t v = mp_json_hex4(p + 2);
    bool low = v >= 0xDC00 && v < 0xE000, high = v >= 0xD800 && v < 0xDC00;
    if (v <= 0 || low != (p == c->low)) return false;
    if (high) c->low = p + 6;
    return !high || (p[6] == '\\' && p[7] == 'u');
}

/* The bytes that a backslash before them takes their meaning from; *odd: and those backslashes where that is no
 * character. */
static uint64_t find_escaped(const uint8_t *p, uint64_t slashes, index_carry *c, uint64_t *odd) {
    uint64_t escaped = c->escape;
    c->escape = 0;
    for (slashes &= ~escaped; slashes;) {
        uint64_t one = slashes & -slashes;
        escaped |= one << 1;
        c->escape = one >> 63;
        if (!is_escape(p + __builtin_ctzll(one), c)) *odd |= one;
        slashes &= ~(one | one << 1);
    }
    return escaped;
}

/* The bytes of nested values in a block. from: where values begin; marks: brackets and newlines outside
 * strings. *begins, *ends: of nested values, their first and last bytes; *odd: a newline in one. */
static uint64_t find_nested(uint64_t from, uint64_t marks, const index_masks *m, index_carry *c,
                            uint64_t *begins, uint64_t *ends, uint64_t *odd) {
    uint64_t nested = 0, first = 1, depth = c->depth;
    for (; marks; marks &= marks - 1) {
        uint64_t one = marks & -marks;
        if (depth == 0) {
            if (!(one & from & m->open)) continue;
            *begins |= first = one;
            depth = 1;
        } else if (one & m->open) {
            depth++;
        } else if (one & m->lf) {
            *odd |= one;
            nested |= one - first;
            depth = 0;
        } else if (--depth == 0) {
            *ends |= one;
            nested |= (one | (one - 1)) & ~(first - 1);
        }
    }
    c->depth = depth;
    return depth ? nested | ~(first - 1) : nested;
}

static bool is_word(const uint8_t *p) {
    uint32_t four;
    memcpy(&four, p, sizeof four);
    uint32_t n = memcmp(&four, "true", 4) == 0 || memcmp(&four, "null", 4) == 0 ? 4
                 : memcmp(&four, "fals", 4) == 0 && p[4] == 'e'                 ? 5
                                                                                : 0;
    return n && (p[n] == ',' || p[n] == '}');
}

/* Those of the bytes at p where none of true, false, null stands. */
static uint64_t no_words(const uint8_t *p, uint64_t at) {
    uint64_t odd = 0;
    for (; at; at &= at - 1)
        if (!is_word(p + __builtin_ctzll(at))) odd |= at & -at;
    return odd;
}

/* Where values begin in a block, and what is odd about numbers there. stop: what may stand behind a
 * value. */
INDEX_INLINE uint64_t odd_numbers(const index_masks *m, uint64_t values, uint64_t stop,
                                  index_carry *c) {
    uint64_t signed_at = behind(values & m->minus, &c->minus);
    uint64_t from = (values | signed_at) & m->digit;
    uint64_t odd = signed_at & ~m->digit;
    odd |= behind(from & m->zero, &c->zero) & m->digit;
    uint64_t whole = behind_run(from, m->digit, &c->whole);
    odd |= whole & ~(m->dot | stop);
    uint64_t fraction = behind(whole & m->dot, &c->dot);
    odd |= fraction & ~m->digit;
    return odd | (behind_run(fraction & m->digit, m->digit, &c->fraction) & ~stop);
}

/* One block, of which the bytes of keep count: what is odd in it; *ends: its commas and newlines
 * outside strings, up to one inside a string; *broken: there is such a one. */
INDEX_INLINE uint64_t index_block(const uint8_t *p, uint64_t keep, index_carry *c, uint64_t *ends,
                                  uint64_t *slash, uint64_t *nest, bool *broken) {
    index_masks m;
    index_classify(p, &m);
    uint64_t odd = 0, begins = 0, ended = 0, nested = 0;
    if (__builtin_expect((m.slash | c->escape) != 0, 0))
        m.quote &= ~find_escaped(p, m.slash & keep, c, &odd);
    uint64_t inside = mp_bits_prefix_xor(m.quote) ^ c->inside;
    c->inside = (uint64_t)((int64_t)inside >> 63);
    odd |= (inside & (m.control | m.ff)) | (m.slash & ~inside);
    uint64_t colon = behind(m.colon & ~inside, &c->colon);
    uint64_t values = (colon & ~m.blank) | behind(colon & m.blank, &c->blank);
    if (__builtin_expect(((values & m.open) | c->depth) != 0, 0)) {
        nested = find_nested(values, (m.open | m.close | m.lf) & ~inside & keep, &m, c, &begins,
                             &ended, &odd);
        values &= ~nested;
    }
    uint64_t outside = ~(inside | nested), comma = m.comma & outside, brace = m.brace & outside;
    uint64_t stop = comma | brace;
    *slash = m.slash;
    *nest = begins;
    uint64_t strings = values & m.quote & inside;
    uint64_t words = values & ~(strings | m.minus | m.digit);
    if (words) odd |= no_words(p, words & keep);
    odd |= odd_numbers(&m, values, stop, c);
    uint64_t closing = behind_run(strings, inside, &c->string);
    odd |= behind(closing, &c->closed) & ~stop;
    odd |= behind(ended, &c->nested) & ~stop;
    uint64_t closed = behind(brace, &c->brace);
    odd |= closed & ~(m.lf | m.cr);
    odd |= behind(closed & m.cr, &c->cr) & ~m.lf;
    uint64_t cut = m.lf & inside & keep;
    *ends = (comma | (m.lf & ~inside)) & keep;
    *broken = cut != 0;
    if (__builtin_expect(cut != 0, 0)) *ends &= (cut & -cut) - 1;
    return odd;
}

static void index_text(mp_json_index *x) {
    index_carry c = {0};
    const uint8_t *p = x->base;
    uint32_t *out = x->ends;
    bool broken = false;
    for (uint32_t at = 0; at < x->len && !broken; at += 64) {
        uint64_t ends, keep = ~UINT64_C(0);
        __builtin_prefetch((const void *)((uintptr_t)p + at + INDEX_AHEAD), 0, 2);
        if (__builtin_expect(x->len - at < 64, 0)) keep = (UINT64_C(1) << (x->len - at)) - 1;
        uint32_t w = at / 64;
        x->odd[w] = index_block(p + at, keep, &c, &ends, &x->slash[w], &x->nest[w], &broken);
        uint32_t n = (uint32_t)__builtin_popcountll(ends);
        mp_bits_store(out, ends, at, n);
        out += n;
    }
    x->n_ends = (uint32_t)(out - x->ends);
}

static bool match_heads(const mp_json_heads *h, const uint8_t *base, uint32_t start,
                        const uint32_t *ends) {
    enum { STRIDE = 16 };
    uint64_t differs = 0;
    const uint8_t *head = h->text;
    for (int32_t i = 0; i < h->n && !differs;) {
        int32_t to = h->n - i < STRIDE ? h->n : i + STRIDE;
        for (; i < to; i++, head += MP_JSON_HEAD) {
            differs |= index_differs(base + start, head, h->narrow) & h->mask[i];
            differs |= i + 1 < h->n && base[ends[i]] != ','; /* the next member is in this line */
            start = ends[i] + 1;
        }
    }
    return !differs;
}

const mp_json_kernels INDEX_KERNELS = {.index = index_text, .match = match_heads};
