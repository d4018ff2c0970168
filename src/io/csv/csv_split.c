/* csv_split.c - the state machine over the bytes of a CSV text: what a range of bytes does to every
 * state, where its first record starts, and a guess at the state in the middle of a file.
 * Invariant: next_state is the one definition of the machine; every short cut below gives what it
 * gives. */
#include <string.h>

#include "io/csv/csv_record.h"
#include "io/csv/csv_scan.h"

static inline mp_csv_state next_state(const mp_csv_dialect *d, mp_csv_state s, uint8_t c) {
    bool is_quote = d->quote && c == (uint8_t)d->quote;
    if (s == MP_CSV_IN_QUOTES) return is_quote ? MP_CSV_AFTER_QUOTE : MP_CSV_IN_QUOTES;
    if (c == '\n') return MP_CSV_RECORD_START;
    if (s == MP_CSV_IN_COMMENT) return s;
    if (s == MP_CSV_RECORD_START && d->comment && c == (uint8_t)d->comment)
        return MP_CSV_IN_COMMENT;
    if (is_quote && s != MP_CSV_IN_FIELD) return MP_CSV_IN_QUOTES;
    return c == (uint8_t)d->delimiter ? MP_CSV_FIELD_START : MP_CSV_IN_FIELD;
}

/* ---- skipping: over stretches in which only few bytes matter ---- */

static const uint8_t *find(const uint8_t *p, const uint8_t *end, uint8_t c) {
    return p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
}

/* From a byte outside quotes and comments, over bytes without a quote, to end. */
static mp_csv_state skip_plain(const mp_csv_dialect *d, const uint8_t *p, const uint8_t *end,
                               mp_csv_state s) {
    if (p == end) return s;
    if (d->comment) {
        /* a comment ends at its newline, so only the last line matters */
        const uint8_t *lf = memrchr(p, '\n', (size_t)(end - p));
        if (lf) {
            p = lf + 1;
            s = MP_CSV_RECORD_START;
        }
        if (p == end) return s;
        if (s == MP_CSV_RECORD_START && *p == (uint8_t)d->comment) return MP_CSV_IN_COMMENT;
    }
    if (end[-1] == '\n') return MP_CSV_RECORD_START;
    return end[-1] == (uint8_t)d->delimiter ? MP_CSV_FIELD_START : MP_CSV_IN_FIELD;
}

/* One stride of the machine: from *p in state s to a byte that the shortest skip for s leads to, at
 * most to end. quote: the next quote at or behind *p, NULL: none; kept over strides by caller. */
static mp_csv_state stride(const mp_csv_dialect *d, const uint8_t **p, const uint8_t *end,
                           const uint8_t **quote, bool *quote_known, mp_csv_state s) {
    if (s == MP_CSV_IN_COMMENT) {
        const uint8_t *lf = find(*p, end, '\n');
        *p = lf ? lf + 1 : end;
        return lf ? MP_CSV_RECORD_START : s;
    }
    if (!*quote_known || (*quote && *quote < *p)) {
        *quote = d->quote ? find(*p, end, (uint8_t)d->quote) : NULL;
        *quote_known = true;
    }
    const uint8_t *stop = *quote ? *quote : end;
    if (*p < stop) {
        if (s != MP_CSV_IN_QUOTES) {
            s = s == MP_CSV_AFTER_QUOTE ? next_state(d, s, *(*p)++) : s;
            s = skip_plain(d, *p, stop, s);
        }
        *p = stop;
        return s;
    }
    return next_state(d, s, *(*p)++);
}

/* Through text with many quotes by the scan, which knows it by blocks: from *p, a field's or
 * record's start, to the start of a later one. Where the quotes are odd it gets nowhere, and *p
 * stays. */
static mp_csv_state scan_ahead(const mp_csv_dialect *d, mp_csv_scan_fn scan, const uint8_t **p,
                               const uint8_t *end, mp_csv_state s) {
    enum { MAX_POS = 2048, MAX_BYTES = 1 << 16 };
    uint32_t pos[MAX_POS + MP_CSV_SCAN_SLACK];
    size_t n = (size_t)(end - *p) - 64; /* blocks are read whole */
    mp_csv_scan a = {.base = *p,
                     .to = (uint32_t)(n < MAX_BYTES ? n : MAX_BYTES),
                     .delimiter = (uint8_t)d->delimiter,
                     .quote = (uint8_t)d->quote,
                     .pos = pos,
                     .max_pos = MAX_POS,
                     .max_lines = MAX_POS};
    scan(&a);
    uint32_t last = a.n_pos;
    for (uint32_t i = 0; d->comment && i < a.n_pos; i++) {
        const uint8_t *at = *p + pos[i];
        if (at[0] != '\n' || at[1] != (uint8_t)d->comment) continue;
        last = i + 1; /* what stands behind the first comment is void */
        break;
    }
    if (last == 0) return s;
    *p += pos[last - 1] + 1;
    return (*p)[-1] == '\n' ? MP_CSV_RECORD_START : MP_CSV_FIELD_START;
}

/* From the start of a record to end. */
static mp_csv_state walk_records(const mp_csv_dialect *d, const uint8_t *p, const uint8_t *end) {
    enum { SCAN_MIN = 256, NEAR = 4096, PAUSE = 1024 };
    mp_csv_scan_fn scan = mp_csv_scan_choose(mp_simd_level());
    mp_csv_state s = MP_CSV_RECORD_START;
    const uint8_t *quote = NULL, *no_scan = p;
    bool quote_known = false;
    while (p < end) {
        bool comment = s == MP_CSV_RECORD_START && d->comment && *p == (uint8_t)d->comment;
        bool fits = (s == MP_CSV_RECORD_START || s == MP_CSV_FIELD_START) && !comment;
        if (fits && p >= no_scan && end - p > SCAN_MIN && quote && quote - p < NEAR) {
            const uint8_t *from = p;
            s = scan_ahead(d, scan, &p, end, s);
            /* a short way means odd quotes, or a field as long as that */
            if (p - from < PAUSE) no_scan = p + PAUSE;
            if (p > from) continue;
        }
        s = stride(d, &p, end, &quote, &quote_known, s);
    }
    return s;
}

mp_csv_state mp_csv_walk(const mp_csv_dialect *d, const uint8_t *p, size_t n, mp_csv_state s,
                         int64_t *first) {
    int64_t at = mp_csv_find_record(d, p, n, s, &s);
    if (first) *first = at;
    return at < 0 ? s : walk_records(d, p + at, p + n);
}

int64_t mp_csv_find_record(const mp_csv_dialect *d, const uint8_t *p, size_t n, mp_csv_state s,
                           mp_csv_state *end_state) {
    const uint8_t *at = p, *end = p + n;
    while (at < end && s != MP_CSV_RECORD_START) {
        if (s == MP_CSV_IN_QUOTES) {
            const uint8_t *q = d->quote ? find(at, end, (uint8_t)d->quote) : NULL;
            at = q ? q + 1 : end;
            s = q ? MP_CSV_AFTER_QUOTE : s;
        } else if (s == MP_CSV_IN_COMMENT) {
            const uint8_t *lf = find(at, end, '\n');
            at = lf ? lf + 1 : end;
            s = lf ? MP_CSV_RECORD_START : s;
        } else {
            s = next_state(d, s, *at++);
        }
    }
    *end_state = s;
    return at < end ? at - p : -1;
}

void mp_csv_range_func(const mp_csv_dialect *d, const uint8_t *p, size_t n, mp_csv_func *f) {
    enum { PIECE_MIN = 64, PIECE_MAX = 1 << 16 };
    for (int s = 0; s < MP_CSV_STATES; s++)
        f->exit[s] = (uint8_t)s;
    /* Entry states merge soon, most of them at the first delimiter: so small pieces first, and in
     * every piece one walk for each state that is still distinct. */
    for (size_t at = 0, piece = PIECE_MIN; at < n;) {
        size_t len = n - at < piece ? n - at : piece;
        mp_csv_state to[MP_CSV_STATES];
        bool done[MP_CSV_STATES] = {false};
        for (int s = 0; s < MP_CSV_STATES; s++) {
            int from = f->exit[s];
            if (!done[from]) to[from] = mp_csv_walk(d, p + at, len, (mp_csv_state)from, NULL);
            done[from] = true;
            f->exit[s] = (uint8_t)to[from];
        }
        at += len;
        if (piece < PIECE_MAX) piece *= 2;
    }
}

/* ---- the guess ---- */

typedef struct {
    int64_t good;      /* records with n_columns fields */
    int64_t wrong;     /* records with another number */
    int64_t malformed; /* closing quotes with text behind them */
    int64_t literal;   /* quotes inside unquoted fields: allowed, but rare */
    mp_csv_state at;
} guess_score;

/* Run the machine over the window from state s and see how well the records fit. */
static guess_score try_state(const mp_csv_dialect *d, const uint8_t *p, size_t n, size_t at,
                             mp_csv_state s, int n_columns) {
    guess_score g = {0};
    uint8_t matters[256] = {0};
    matters['\n'] = matters[(uint8_t)d->delimiter] = matters[(uint8_t)d->quote] = 1;
    int64_t fields = -1; /* fields of the record so far; -1: its start was not seen */
    for (size_t i = 0; i < n; i++) {
        if (i == at) g.at = s;
        bool inside = s == MP_CSV_IN_FIELD || s == MP_CSV_IN_QUOTES || s == MP_CSV_IN_COMMENT;
        if (inside && !matters[p[i]]) continue;
        mp_csv_state t = next_state(d, s, p[i]);
        bool cr = p[i] == '\r' && i + 1 < n && p[i + 1] == '\n';
        if (s == MP_CSV_AFTER_QUOTE && t == MP_CSV_IN_FIELD && !cr) g.malformed++;
        if (s == MP_CSV_IN_FIELD && d->quote && p[i] == (uint8_t)d->quote) g.literal++;
        if (t == MP_CSV_FIELD_START && fields >= 0) fields++;
        if (t == MP_CSV_RECORD_START) {
            bool blank = i > 0 && p[i - 1] == '\r' && (i == 1 || p[i - 2] == '\n');
            bool line = s != MP_CSV_RECORD_START && s != MP_CSV_IN_COMMENT;
            if (line && !blank && fields >= 0) *(fields + 1 == n_columns ? &g.good : &g.wrong) += 1;
            fields = 0;
        }
        s = t;
    }
    if (at >= n) g.at = s;
    return g;
}

static int64_t fit(const guess_score *g) {
    return g->good - g->wrong - 4 * g->malformed;
}

static bool better(const guess_score *a, const guess_score *b) {
    return fit(a) != fit(b) ? fit(a) > fit(b) : a->literal < b->literal;
}

/* The state at p + at that fits the window best; *sure: it fits without a flaw, and nothing else
 * fits at all. */
static mp_csv_state guess_in(const mp_csv_dialect *d, const uint8_t *p, size_t n, size_t at,
                             int n_columns, bool *sure) {
    enum { SURE_RECORDS = 12 };
    guess_score best = try_state(d, p, n, at, MP_CSV_IN_FIELD, n_columns);
    const mp_csv_state others[] = {MP_CSV_IN_QUOTES, MP_CSV_FIELD_START};
    /* a window that begins with a quote may begin with a field */
    int n_others = p[0] == (uint8_t)d->quote ? 2 : 1;
    int64_t second = INT64_MIN;
    for (int i = 0; i < n_others; i++) {
        guess_score g = try_state(d, p, n, at, others[i], n_columns);
        bool same = g.at == best.at;
        guess_score lesser = better(&g, &best) ? best : g;
        if (better(&g, &best)) best = g;
        if (!same && fit(&lesser) > second) second = fit(&lesser);
    }
    *sure =
        best.good >= SURE_RECORDS && best.wrong + best.malformed + best.literal == 0 && second < 0;
    return best.at;
}

mp_csv_state mp_csv_guess(const mp_csv_dialect *d, const uint8_t *p, size_t n, size_t at,
                          bool start_known, int n_columns) {
    enum { AROUND = 4096 };
    if (at > n) at = n;
    if (start_known) return mp_csv_walk(d, p, at, MP_CSV_RECORD_START, NULL);
    if (!find(p, p + n, '\n')) return MP_CSV_IN_FIELD;
    if (!d->quote || !find(p, p + n, (uint8_t)d->quote))
        return mp_csv_walk(d, p, at, MP_CSV_IN_FIELD, NULL);
    /* the nearest records are enough where they leave no doubt */
    for (size_t around = AROUND;; around *= 4) {
        size_t from = at > around ? at - around : 0, to = n - at > around ? at + around : n;
        bool sure;
        mp_csv_state s = guess_in(d, p + from, to - from, at - from, n_columns, &sure);
        if (sure || (from == 0 && to == n)) return s;
    }
}
