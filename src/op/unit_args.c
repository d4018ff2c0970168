/* unit_args.c - see unit_args.h. */
#include "op/unit_args.h"

#include <inttypes.h>
#include <string.h>

static bool has_place(const mp_unit_command *c, const char *word) {
    return strstr(word, c->place) != NULL;
}

bool mp_unit_has_place(const mp_unit_command *c) {
    for (int i = 0; i < c->n_words; i++)
        if (has_place(c, c->words[i])) return true;
    return false;
}

bool mp_unit_first_has_place(const mp_unit_command *c) {
    return c->n_words > 0 && has_place(c, c->words[0]);
}

typedef struct {
    const char *place, *item, *number;
    size_t n_place, n_item, n_number;
} values;

/* Writes word with its places filled to out, NULL: nowhere. Returns the length. */
static size_t fill(const char *word, const values *v, char *out) {
    size_t n = 0;
    for (const char *p = word; *p;) {
        const char *with = p;
        size_t len = 1, skip = 1;
        if (strncmp(p, v->place, v->n_place) == 0)
            with = v->item, len = v->n_item, skip = v->n_place;
        else if (strncmp(p, "{#}", 3) == 0)
            with = v->number, len = v->n_number, skip = 3;
        if (out) memcpy(out + n, with, len);
        n += len;
        p += skip;
    }
    return n;
}

static const char *filled(const char *word, const values *v, mp_arena *arena) {
    if (!strstr(word, v->place) && !strstr(word, "{#}")) return word;
    size_t n = fill(word, v, NULL);
    char *out = mp_arena_alloc(arena, n + 1, 1);
    if (!out) return NULL;
    fill(word, v, out);
    out[n] = 0;
    return out;
}

const char **mp_unit_words(const mp_unit_command *c, const char *item, int64_t number,
                           mp_arena *arena) {
    char digits[24];
    values v = {.place = c->place, .item = item, .number = digits};
    v.n_place = strlen(v.place);
    v.n_item = strlen(v.item);
    v.n_number = (size_t)snprintf(digits, sizeof digits, "%" PRId64, number);
    size_t n = (size_t)c->n_words;
    const char **words = mp_arena_alloc(arena, (n + 2) * sizeof *words, sizeof *words);
    if (!words) return NULL;
    for (size_t i = 0; i < n; i++) {
        words[i] = filled(c->words[i], &v, arena);
        if (!words[i]) return NULL;
    }
    if (c->append && !mp_unit_has_place(c)) words[n++] = item;
    words[n] = NULL;
    return words;
}
