/* wordcount.c - how often each word occurs: `mpart map big.txt --plugin build/plugins/wordcount.so` gives word,count.
 *     --arg column=NAME   the text (default: the first text column)
 * Words are what is between white space (blank, tab, newline, CR, VT, FF), as they are written.
 * A map-reduce: a shard's instance hands out its words with their numbers, and the same code adds the numbers of the
 * shards. Invariant: entries lie in the order in which their words were first seen; the index finds them by hash. */
#include <stdio.h>

#include "mpart/plugin_build.h"

enum { SHORT = 16, FIRST_INDEX = 1 << 12, BATCH = 1 << 16, AT_ONCE = 32 };

/* A word of up to 16 bytes is its two words of memory, padded with 0; a longer one is a place in the text. */
typedef struct {
    uint64_t lo, hi;
    uint32_t len;
    uint32_t hash;
    int64_t count;
} entry;

typedef struct {
    int column; /* of the text */
    bool combine;
    entry *entries;
    size_t n, room;
    uint32_t *index; /* 1 + number of the entry, 0: free */
    size_t mask;
    char *text; /* of long words */
    size_t text_len, text_room;
    /* words that wait for their entries to come from memory: one miss for all of them, not one for each */
    int n_waiting;
    entry waiting[AT_ONCE];
    const char *waiting_text[AT_ONCE];
    const char *limit; /* end of the batch's text: up to there may be read */
} counter;

/* ---- the table ---- */

static uint64_t mix(uint64_t a, uint64_t b) {
    __uint128_t m = (__uint128_t)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load(const char *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static uint64_t hash_long(const char *p, size_t n) {
    uint64_t h = n;
    for (; n > 8; p += 8, n -= 8)
        h = mix(h, load(p, 8));
    return mix(h, load(p, n));
}

static bool grow_index(counter *c) {
    size_t size = c->index ? 2 * (c->mask + 1) : FIRST_INDEX;
    uint32_t *index = calloc(size, sizeof *index);
    if (!index) return false;
    for (size_t i = 0; i < c->n; i++) {
        size_t at = c->entries[i].hash & (size - 1);
        while (index[at])
            at = (at + 1) & (size - 1);
        index[at] = (uint32_t)i + 1;
    }
    free(c->index);
    c->index = index;
    c->mask = size - 1;
    return true;
}

static bool grow_entries(counter *c) {
    size_t room = c->room ? 2 * c->room : FIRST_INDEX;
    entry *more = room > UINT32_MAX / 2 ? NULL : realloc(c->entries, room * sizeof *more);
    if (!more) return false;
    c->entries = more;
    c->room = room;
    return true;
}

static bool keep_text(counter *c, const char *p, size_t n, uint64_t *place) {
    if (c->text_room - c->text_len < n) {
        size_t room = 2 * (c->text_room + n);
        char *more = realloc(c->text, room);
        if (!more) return false;
        c->text = more;
        c->text_room = room;
    }
    memcpy(c->text + c->text_len, p, n);
    *place = c->text_len;
    c->text_len += n;
    return true;
}

static inline bool is_word(const counter *c, const entry *e, const entry *word, const char *p) {
    if (e->hash != word->hash || e->len != word->len) return false;
    if (word->len <= SHORT) return e->lo == word->lo && e->hi == word->hi;
    return memcmp(c->text + e->lo, p, word->len) == 0;
}

/* word: with its count; p: its text. */
static bool add_entry(counter *c, entry word, const char *p) {
    size_t at = word.hash & c->mask;
    for (; c->index[at]; at = (at + 1) & c->mask) {
        entry *e = &c->entries[c->index[at] - 1];
        if (!is_word(c, e, &word, p)) continue;
        return !__builtin_add_overflow(e->count, word.count, &e->count);
    }
    if (c->n == c->room && !grow_entries(c)) return false;
    if (word.len > SHORT && !keep_text(c, p, word.len, &word.lo)) return false;
    c->entries[c->n++] = word;
    c->index[at] = (uint32_t)c->n;
    return 2 * c->n <= c->mask || grow_index(c);
}

static bool add_waiting(counter *c) {
    bool ok = c->index || grow_index(c);
    for (int i = 0; ok && i < c->n_waiting; i++) {
        uint32_t number = c->index[c->waiting[i].hash & c->mask];
        if (number) __builtin_prefetch(&c->entries[number - 1]);
    }
    for (int i = 0; ok && i < c->n_waiting; i++)
        ok = add_entry(c, c->waiting[i], c->waiting_text[i]);
    c->n_waiting = 0;
    return ok;
}

/* The first n bytes, 0 to 16, as two words padded with 0. */
static inline void load_short(const counter *c, const char *p, size_t n, entry *word) {
    if (c->limit - p < SHORT) {
        word->lo = load(p, n < 8 ? n : 8);
        word->hi = n > 8 ? load(p + 8, n - 8) : 0;
        return;
    }
    word->lo = load(p, 8);
    word->hi = load(p + 8, 8);
    if (n < 8)
        word->lo &= ((uint64_t)1 << 8 * n) - 1, word->hi = 0;
    else if (n < SHORT)
        word->hi &= ((uint64_t)1 << 8 * (n - 8)) - 1;
}

static inline bool add_word(counter *c, const char *p, size_t len, int64_t count) {
    entry *word = &c->waiting[c->n_waiting];
    word->len = (uint32_t)len;
    word->count = count;
    if (len > SHORT) {
        word->hash = (uint32_t)hash_long(p, len);
    } else {
        load_short(c, p, len, word);
        word->hash = (uint32_t)mix(word->lo, word->hi ^ (uint64_t)len << 56);
    }
    if (c->index) __builtin_prefetch(&c->index[word->hash & c->mask]);
    c->waiting_text[c->n_waiting++] = p;
    return c->n_waiting < AT_ONCE || add_waiting(c);
}

/* ---- words ---- */

static inline bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Where the next byte of at most ' ' is, 8 bytes at a time: of bytes below 0x80 those are found by what borrows. */
static const char *find_low(const char *p, const char *end) {
    for (; end - p >= 8; p += 8) {
        uint64_t v = load(p, 8);
        uint64_t low = (v - 0x2121212121212121u) & ~v & 0x8080808080808080u;
        if (low) return p + (__builtin_ctzll(low) >> 3);
    }
    while (p < end && (unsigned char)*p > ' ')
        p++;
    return p;
}

static bool count_words(counter *c, const char *p, const char *end) {
    while (p < end) {
        if (is_space(*p)) {
            p++;
            continue;
        }
        const char *begin = p;
        for (p = find_low(p, end); p < end && !is_space(*p);)
            p = find_low(p + 1, end); /* a control character is part of a word */
        if (!add_word(c, begin, (size_t)(p - begin), 1)) return false;
    }
    return true;
}

/* ---- the plug-in ---- */

static int find_text(const struct mpart_open *o, char *error) {
    const char *name = mpart_find_arg(o, "column", NULL);
    int found = name ? mpart_find_column(o->input, name) : -1;
    if (name && found < 0) {
        snprintf(error, MPART_ERROR_MAX, "there is no column '%s'", name);
        return -1;
    }
    for (int64_t i = 0; !name && i < o->input->n_children && found < 0; i++)
        if (strcmp(o->input->children[i]->format, "u") == 0) found = (int)i;
    if (found < 0 || strcmp(o->input->children[found]->format, "u") != 0) {
        snprintf(error, MPART_ERROR_MAX, "%s is no text", name ? name : "any column");
        return -1;
    }
    return found;
}

static int open_shard(struct mpart_open *o, void **self, char *error) {
    static const char *const names[] = {"word", "count"}, *const formats[] = {"u", "l"};
    counter *c = calloc(1, sizeof *c);
    if (!c) return -1;
    c->combine = o->role == MPART_COMBINE;
    c->column = c->combine ? 0 : find_text(o, error);
    if (c->column < 0 || mpart_schema(&o->output, 2, names, formats) != 0) {
        free(c);
        return -1;
    }
    o->n_keys = 1;
    *self = c;
    return 0;
}

static int process(void *self, struct ArrowArray *batch, const struct mpart_sink *sink,
                   char *error) {
    counter *c = self;
    const struct ArrowArray *words = batch->children[c->column];
    (void)sink;
    bool ok = true;
    size_t len;
    if (batch->length > 0 && words->n_buffers == 3)
        c->limit = mpart_text(words, batch->length - 1, &len) + len;
    for (int64_t i = 0; ok && i < batch->length; i++) {
        if (mpart_is_null(words, i)) continue;
        const char *p = mpart_text(words, i, &len);
        ok = c->combine ? add_word(c, p, len, mpart_int64(batch->children[1], i))
                        : count_words(c, p, p + len);
    }
    if (ok && add_waiting(c)) return 0; /* none may wait for longer than its text is there */
    snprintf(error, MPART_ERROR_MAX, "no memory for more words");
    return -1;
}

static int finish(void *self, const struct mpart_sink *sink, char *error) {
    static const char *const formats[] = {"u", "l"};
    counter *c = self;
    struct mpart_build *b = mpart_build_new(2, formats);
    int failed = b == NULL;
    for (size_t i = 0; i < c->n && !failed; i++) {
        const entry *e = &c->entries[i];
        const char *p = e->len <= SHORT ? (const char *)&e->lo : c->text + e->lo;
        mpart_put_text(b, 0, p, e->len);
        mpart_put_int64(b, 1, e->count);
        if ((i + 1) % BATCH == 0) failed = mpart_build_emit(b, sink);
    }
    if (!failed) failed = mpart_build_emit(b, sink);
    mpart_build_free(b);
    if (failed) snprintf(error, MPART_ERROR_MAX, "no memory for the result");
    return failed;
}

static void close_shard(void *self) {
    counter *c = self;
    free(c->entries);
    free(c->index);
    free(c->text);
    free(c);
}

static const struct mpart_plugin table = {sizeof table, MPART_PLUGIN_ABI, "wordcount", open_shard,
                                          process,      finish,           close_shard};

const struct mpart_plugin *mpart_plugin_entry(uint32_t abi) {
    (void)abi;
    return &table;
}
