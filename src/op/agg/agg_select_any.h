/* agg_select_any.h - selection among values of one width, included by agg_select.c, which defines
 * VALUE, VALUE_MIN, VALUE_MAX and NAME. */

static void NAME(sift)(VALUE *v, int64_t at, int64_t n) {
    VALUE x = v[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && v[child] < v[child + 1]) child++;
        if (x >= v[child]) break;
        v[at] = v[child];
    }
    v[at] = x;
}

static void NAME(sort)(VALUE *v, int64_t n) {
    if (n > FEW) {
        for (int64_t i = n / 2 - 1; i >= 0; i--)
            NAME(sift)(v, i, n);
        for (int64_t end = n - 1; end > 0; end--) {
            VALUE x = v[0];
            v[0] = v[end];
            v[end] = x;
            NAME(sift)(v, 0, end);
        }
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        VALUE x = v[i];
        int64_t j = i;
        for (; j > 0 && x < v[j - 1]; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

static VALUE NAME(median3)(VALUE a, VALUE b, VALUE c) {
    if (a > b) {
        VALUE t = a;
        a = b;
        b = t;
    }
    return c <= a ? a : c >= b ? b : c;
}

/* Quickselect (Hoare): afterwards v[k] is in place, nothing before it is larger, nothing behind
 * it smaller. Where partitions stay lopsided, the heap takes over. */
static void NAME(select_at)(VALUE *v, int64_t n, int64_t k) {
    for (int rounds = 0; n > FEW; rounds++) {
        if (rounds > MOST_ROUNDS) break;
        VALUE pivot = NAME(median3)(v[0], v[n / 2], v[n - 1]);
        int64_t i = -1, j = n;
        for (;;) {
            while (v[++i] < pivot) {
            }
            while (v[--j] > pivot) {
            }
            if (i >= j) break;
            VALUE t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
        /* v[0 .. j] <= pivot <= v[j + 1 ..] */
        if (k <= j) {
            n = j + 1;
        } else {
            v += j + 1;
            n -= j + 1;
            k -= j + 1;
        }
    }
    NAME(sort)(v, n);
}

/* How many of n values are below lo, and how many above hi. Counts of the values' own width keep the
 * loop in vectors. */
static int64_t NAME(count_outside)(const VALUE *v, int64_t n, VALUE lo, VALUE hi, int64_t *below) {
    int64_t less = 0, more = 0;
    for (int64_t at = 0; at < n; at += COUNT_BLOCK) {
        int64_t end = n - at < COUNT_BLOCK ? n : at + COUNT_BLOCK;
        VALUE l = 0, m = 0;
        for (int64_t i = at; i < end; i++) {
            l += v[i] < lo;
            m += v[i] > hi;
        }
        less += l;
        more += m;
    }
    *below = less;
    return less + more;
}

/* Two of a sample's values between which the k-th of n lies almost certainly. */
static void NAME(bounds)(VALUE sample[SAMPLE], int64_t n, int64_t k, VALUE *lo, VALUE *hi) {
    int64_t at = k * SAMPLE / n, lo_at = at - SAMPLE_MARGIN, hi_at = at + SAMPLE_MARGIN + 1;
    NAME(sort)(sample, SAMPLE);
    *lo = lo_at < 0 ? VALUE_MIN : sample[lo_at];
    *hi = hi_at >= SAMPLE ? VALUE_MAX : sample[hi_at];
}

/* Moves the values between lo and hi to `to`, without branches on them; up to n values there are
 * written. `to` may be v. Returns their number. */
static int64_t NAME(pick)(const VALUE *v, int64_t n, VALUE lo, VALUE hi, VALUE *to) {
    int64_t picked = 0;
    for (int64_t i = 0; i < n; i++) {
        VALUE x = v[i];
        to[picked] = x;
        picked += (x >= lo) & (x <= hi);
    }
    return picked;
}

/* Most values are dropped at once: one pass over them moves what is between the bounds to the front.
 * Returns how many those are, *below how many were less; 0: the sample was wrong, and nothing was
 * dropped. */
static int64_t NAME(narrow)(VALUE *v, int64_t n, int64_t k, int64_t *below) {
    VALUE sample[SAMPLE], lo, hi;
    for (int64_t i = 0; i < SAMPLE; i++)
        sample[i] = v[i * n / SAMPLE + n / SAMPLE / 2];
    NAME(bounds)(sample, n, k, &lo, &hi);
    int64_t inside = n - NAME(count_outside)(v, n, lo, hi, below);
    if (k < *below || k + 1 >= *below + inside || inside > n / 2) return 0;
    return NAME(pick)(v, n, lo, hi, v);
}

void NAME(mp_select)(VALUE *v, int64_t n, int64_t k, VALUE out[2]) {
    bool last = k == n - 1;
    while (n >= SAMPLE_FROM) {
        int64_t below, inside = NAME(narrow)(v, n, k, &below);
        if (!inside) break;
        n = inside;
        k -= below;
    }
    NAME(select_at)(v, n, k);
    out[0] = out[1] = v[k];
    if (last) return;
    VALUE next = v[k + 1];
    for (int64_t i = k + 2; i < n; i++)
        next = v[i] < next ? v[i] : next;
    out[1] = next;
}

/* A sample of the n values of parts, evenly. */
static void NAME(sample_parts)(const mp_select_part *part, int64_t n_parts, int64_t n,
                               VALUE sample[SAMPLE]) {
    int64_t first = 0, i = 0;
    for (int64_t p = 0; p < n_parts; p++) {
        const VALUE *v = part[p].v;
        for (int64_t at; i < SAMPLE && (at = i * n / SAMPLE + n / SAMPLE / 2 - first) < part[p].n;)
            sample[i++] = v[at];
        first += part[p].n;
    }
}

void NAME(mp_select_parts)(const mp_select_part *part, int64_t n_parts, int64_t n, int64_t k,
                           VALUE *room, VALUE out[2]) {
    int64_t below = 0, inside = 0, b;
    if (n >= SAMPLE_FROM) {
        VALUE sample[SAMPLE], lo, hi;
        NAME(sample_parts)(part, n_parts, n, sample);
        NAME(bounds)(sample, n, k, &lo, &hi);
        for (int64_t p = 0; p < n_parts; p++) {
            NAME(count_outside)(part[p].v, part[p].n, lo, hi, &b);
            below += b;
            inside += NAME(pick)(part[p].v, part[p].n, lo, hi, room + inside);
        }
        if (k >= below && (k + 1 < below + inside || k + 1 == n)) {
            NAME(mp_select)(room, inside, k - below, out);
            return;
        }
    }
    inside = 0;
    for (int64_t p = 0; p < n_parts; inside += part[p++].n)
        memcpy(room + inside, part[p].v, (size_t)part[p].n * sizeof(VALUE));
    NAME(mp_select)(room, n, k, out);
}
