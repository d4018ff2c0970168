/* option_value.c - the values of options: counts, sizes, bytes, words, lists.
 * Invariant: a value that is not wholly understood is a usage error that shows it; nothing overflows. */
#include <inttypes.h>
#include <string.h>

#include "cli/options.h"
#include "plan/spec.h"

/* digits[.digits], with the fraction's length; false where there is no digit or too many. */
static bool read_number(const char **at, int64_t *digits, int *n_fraction) {
    const char *p = *at;
    int64_t v = 0;
    int n = 0, fraction = -1;
    for (;; p++) {
        if (*p == '.' && fraction < 0) {
            fraction = 0;
            continue;
        }
        if (*p < '0' || *p > '9') break;
        if (v > (INT64_MAX - (*p - '0')) / 10 || fraction == 18) return false;
        v = v * 10 + (*p - '0');
        n++;
        if (fraction >= 0) fraction++;
    }
    *at = p;
    *digits = v;
    *n_fraction = fraction < 0 ? 0 : fraction;
    return n > 0;
}

bool mp_count_parse(const char *text, int64_t *out) {
    int64_t v;
    int fraction, exponent = 0;
    if (!read_number(&text, &v, &fraction)) return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+') text++;
        if (*text < '0' || *text > '9') return false;
        for (; *text >= '0' && *text <= '9'; text++)
            if (exponent < 1000) exponent = exponent * 10 + (*text - '0');
    }
    if (*text) return false;
    for (; fraction > 0 && v % 10 == 0; fraction--)
        v /= 10;
    for (exponent -= fraction; exponent > 0 && v > 0; exponent--) {
        if (v > INT64_MAX / 10) return false;
        v *= 10;
    }
    if (exponent < 0 && v > 0) return false;
    *out = v;
    return true;
}

bool mp_size_parse(const char *text, int64_t *out) {
    static const char units[] = "KMGT";
    int64_t v, scale = 1;
    int fraction, shift = 0;
    if (!read_number(&text, &v, &fraction)) return false;
    if (*text) {
        char c = *text >= 'a' && *text <= 'z' ? (char)(*text - 32) : *text;
        const char *unit = strchr(units, c);
        if (unit) {
            shift = 10 * (int)(unit - units + 1);
            text++;
            if (text[0] == 'i' && text[1] == 'B') text++;
        }
        if (*text == 'B' || *text == 'b') text++;
        if (*text) return false;
    }
    for (int i = 0; i < fraction; i++)
        scale *= 10;
    __int128 bytes = ((__int128)v << shift) / scale;
    if (bytes > INT64_MAX) return false;
    *out = (int64_t)bytes;
    return true;
}

bool mp_seconds_parse(const char *text, int64_t *out) {
    int64_t v;
    int fraction;
    if (!read_number(&text, &v, &fraction) || *text || fraction > 9) return false;
    __int128 ns = v;
    for (int i = fraction; i < 9; i++)
        ns *= 10;
    if (ns > INT64_MAX) return false;
    *out = (int64_t)ns;
    return true;
}

static mp_status bad_value(const mp_option *o, const char *value, const char *wanted,
                           mp_error *err) {
    return mp_error_set(err, MP_USAGE, NULL, "option '--%s': '%s' is not %s", o->name, value,
                        wanted);
}

static mp_status store_number(const mp_option *o, const char *value, int64_t *to, mp_error *err) {
    bool size = o->kind == MP_OPT_SIZE;
    int64_t v;
    if (!(size ? mp_size_parse(value, &v) : mp_count_parse(value, &v)))
        return bad_value(o, value, size ? "a size (like 512M, 1.5G)" : "a whole number >= 0", err);
    if (v < o->least)
        return mp_error_set(err, MP_USAGE, NULL, "option '--%s': %s is less than %" PRId64 "%s",
                            o->name, value, o->least, size ? " bytes" : "");
    *to = v;
    return MP_OK;
}

static mp_status store_seconds(const mp_option *o, const char *value, int64_t *to, mp_error *err) {
    int64_t v;
    if (!mp_seconds_parse(value, &v) || v < o->least)
        return bad_value(o, value, "a time in seconds (like 90, 0.5)", err);
    *to = v;
    return MP_OK;
}

static mp_status wrong_word(const mp_option *o, const char *value, mp_error *err) {
    const char *names[16];
    char list[256] = "";
    size_t len = 0;
    int n = 0;
    for (const mp_word *w = o->words; w && w->word; w++) {
        if (w->not_yet || n == 16) continue;
        names[n++] = w->word;
        int wrote = snprintf(list + len, sizeof list - len, "%s%s", n > 1 ? ", " : "", w->word);
        if (wrote > 0 && len + (size_t)wrote < sizeof list) len += (size_t)wrote;
    }
    if (o->kind == MP_OPT_BYTE)
        return mp_error_set(err, MP_USAGE, NULL, "option '--%s': '%s' is not one byte%s%s", o->name,
                            value, n ? " or one of: " : "", list);
    mp_error_set(err, MP_USAGE, NULL, "option '--%s': '%s' is not one of: %s", o->name, value,
                 list);
    int near = mp_str_nearest(value, names, n);
    if (near >= 0) mp_error_hint(err, "did you mean '%s'?", names[near]);
    return MP_USAGE;
}

static mp_status store_word(const mp_option *o, const char *value, int *to, mp_error *err) {
    for (const mp_word *w = o->words; w && w->word; w++) {
        if (strcmp(w->word, value) != 0) continue;
        if (w->not_yet)
            return mp_error_set(err, MP_USAGE, NULL, "option '--%s': '%s' is %s", o->name, value,
                                w->not_yet);
        *to = w->value;
        return MP_OK;
    }
    return wrong_word(o, value, err);
}

static mp_status store_byte(const mp_option *o, const char *value, char *to, mp_error *err) {
    if (value[0] && !value[1]) {
        if (value[0] == '\n' || value[0] == '\r')
            return bad_value(o, "a line end", "possible here", err);
        *to = value[0];
        return MP_OK;
    }
    for (const mp_word *w = o->words; w && w->word; w++)
        if (strcmp(w->word, value) == 0) {
            *to = (char)w->value;
            return MP_OK;
        }
    return wrong_word(o, value, err);
}

/* The list of element bytes at *list, one longer. Grows by doubling, at the powers of two. */
static void *list_add(void **list, int *count, size_t width, mp_arena *arena) {
    int n = *count;
    if ((n & (n - 1)) == 0) {
        size_t cap = n ? 2 * (size_t)n : 1;
        void *grown = mp_arena_alloc(arena, cap * width, 16);
        if (!grown) return NULL;
        if (n) memcpy(grown, *list, (size_t)n * width);
        *list = grown;
    }
    ++*count;
    return (char *)*list + (size_t)n * width;
}

static mp_status list_text(const char *text, void *target, const mp_option *o, mp_arena *arena,
                           mp_error *err) {
    void *list;
    char *at = (char *)target + o->at;
    memcpy(&list, at, sizeof list);
    const char **slot =
        list_add(&list, (int *)(void *)((char *)target + o->count_at), sizeof text, arena);
    if (!slot) return mp_error_nomem(err, (int64_t)sizeof text, 0);
    *slot = text;
    memcpy(at, &list, sizeof list);
    return MP_OK;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* A name that ends at one of stops or at the end of the text; blanks around it are dropped, backticks keep everything between
 * them (a doubled one stands for one). NULL *out: out of memory; false: no closing backtick, or text behind it. */
static bool take_name(const char **at, const char *stops, mp_arena *arena, char **out) {
    const char *p = *at;
    size_t n = 0;
    while (is_blank(*p))
        p++;
    char *name = *out = mp_arena_alloc(arena, strlen(p) + 1, 1);
    if (!name) return true;
    if (*p == '`') {
        for (p++; *p && (*p != '`' || p[1] == '`'); p++) {
            if (*p == '`') p++;
            name[n++] = *p;
        }
        if (*p++ != '`') return false;
        while (is_blank(*p))
            p++;
        if (*p && !strchr(stops, *p)) return false;
    } else {
        while (*p && !strchr(stops, *p))
            name[n++] = *p++;
        while (n && is_blank(name[n - 1]))
            n--;
    }
    name[n] = 0;
    *at = p;
    return true;
}

static mp_status bad_list(const mp_option *o, const char *value, mp_error *err) {
    bad_value(o, value,
              o->kind == MP_OPT_TYPES ? "a list like name:type,name:type" : "a list of names", err);
    mp_error_hint(err, "a name with a comma, colon or backtick goes in backticks, `a,b`");
    return MP_USAGE;
}

static mp_status store_names(const mp_option *o, const char *value, void *target, mp_arena *arena,
                             mp_error *err) {
    *(int *)(void *)((char *)target + o->count_at) = 0;
    for (const char *p = value;; p++) {
        char *name;
        if (!take_name(&p, ",", arena, &name)) return bad_list(o, value, err);
        if (!name) return mp_error_nomem(err, (int64_t)strlen(value), 0);
        mp_status st = list_text(name, target, o, arena, err);
        if (st != MP_OK || !*p) return st;
    }
}

static mp_status wrong_type(const mp_option *o, mp_str word, mp_error *err) {
    const char *names[MP_TYPE_COUNT];
    char given[64];
    int n = 0;
    for (int t = MP_BOOL; t < MP_TYPE_COUNT; t++)
        names[n++] = mp_type_name((mp_type)t);
    snprintf(given, sizeof given, "%.*s", (int)(word.len < 60 ? word.len : 60), word.p);
    mp_error_set(err, MP_USAGE, NULL, "option '--%s': '%s' is not a type", o->name, given);
    int near = mp_str_nearest(given, names, n);
    if (near >= 0)
        mp_error_hint(err, "did you mean '%s'?", names[near]);
    else
        mp_error_hint(err, "types are int64 float64 decimal bool date timestamp string");
    return MP_USAGE;
}

static mp_status store_types(const mp_option *o, const char *value, mp_type_choice **list,
                             int *count, mp_arena *arena, mp_error *err) {
    for (const char *p = value;; p++) {
        char *name;
        mp_type type;
        if (!take_name(&p, ":,", arena, &name)) return bad_list(o, value, err);
        if (!name) return mp_error_nomem(err, (int64_t)strlen(value), 0);
        if (*p != ':') return bad_list(o, value, err);
        for (p++; is_blank(*p);)
            p++;
        size_t len = strcspn(p, ","), trimmed = len;
        while (trimmed && is_blank(p[trimmed - 1]))
            trimmed--;
        mp_str word = mp_str_of(p, trimmed);
        if (!mp_type_parse(word, &type) || type == MP_NULL) return wrong_type(o, word, err);
        void *grown = *list;
        mp_type_choice *slot = list_add(&grown, count, sizeof *slot, arena);
        if (!slot) return mp_error_nomem(err, (int64_t)sizeof *slot, 0);
        *list = grown;
        *slot = (mp_type_choice){name, type};
        p += len;
        if (!*p) return MP_OK;
    }
}

mp_status mp_option_store(const mp_option *o, const char *value, void *target, mp_arena *arena,
                          mp_error *err) {
    void *to = (char *)target + o->at;
    switch (o->kind) {
    case MP_OPT_FLAG:
        *(bool *)to = true;
        return MP_OK;
    case MP_OPT_TEXT:
        if (!*value)
            return mp_error_set(err, MP_USAGE, NULL, "option '--%s': the value is empty", o->name);
        *(const char **)to = value;
        return MP_OK;
    case MP_OPT_TEXTS:
        return list_text(value, target, o, arena, err);
    case MP_OPT_NAMES:
        return store_names(o, value, target, arena, err);
    case MP_OPT_TYPES:
        return store_types(o, value, to, (int *)(void *)((char *)target + o->count_at), arena, err);
    case MP_OPT_COUNT:
    case MP_OPT_SIZE:
        return store_number(o, value, to, err);
    case MP_OPT_SECONDS:
        return store_seconds(o, value, to, err);
    case MP_OPT_BYTE:
        return store_byte(o, value, to, err);
    case MP_OPT_WORD:
        return store_word(o, value, to, err);
    }
    return mp_error_set(err, MP_FAILED, NULL, "option '--%s' has no kind", o->name);
}
