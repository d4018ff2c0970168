/* options.c - parsing a command line by its table, and printing the table as help.
 * Invariant: every argument is read once, from left to right, as an option, as an option's value, or as an operand. */
#include "cli/options.h"

#include <string.h>

#include "base/str.h"

const mp_option *mp_option_find(const mp_option_set *set, const char *name, size_t len) {
    for (const mp_option_group *const *g = set->groups; *g; g++)
        for (int i = 0; i < (*g)->n_options; i++) {
            const mp_option *o = &(*g)->options[i];
            if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) return o;
        }
    return NULL;
}

const mp_option *mp_option_letter(const mp_option_set *set, char letter) {
    for (const mp_option_group *const *g = set->groups; *g; g++)
        for (int i = 0; i < (*g)->n_options; i++)
            if (letter && (*g)->options[i].letter == letter) return &(*g)->options[i];
    return NULL;
}

enum { NAMES_MAX = 128 };

static mp_status unknown_option(const mp_option_set *set, const char *name, size_t len,
                                mp_error *err) {
    const char *names[NAMES_MAX];
    int n = 0;
    for (const mp_option_group *const *g = set->groups; *g; g++)
        for (int i = 0; i < (*g)->n_options && n < NAMES_MAX; i++)
            names[n++] = (*g)->options[i].name;
    char given[128];
    if (len >= sizeof given) len = sizeof given - 1;
    memcpy(given, name, len);
    given[len] = 0;
    mp_error_set(err, MP_USAGE, NULL, "unknown option '--%s'", given);
    int near = mp_str_nearest(given, names, n);
    if (near >= 0)
        mp_error_hint(err, "did you mean '--%s'?", names[near]);
    else
        mp_error_hint(err, "--help lists the options");
    return MP_USAGE;
}

typedef struct {
    const mp_option_set *set;
    int argc, at;
    const char *const *argv;
    void *target;
    mp_arena *arena;
} parser;

static mp_status no_value(const mp_option *o, mp_error *err) {
    return mp_error_set(err, MP_USAGE, NULL, "option '--%s' needs a value: --%s %s", o->name,
                        o->name, o->arg);
}

static mp_status long_option(parser *p, mp_error *err) {
    const char *name = p->argv[p->at++] + 2;
    const char *equal = strchr(name, '=');
    size_t len = equal ? (size_t)(equal - name) : strlen(name);
    const mp_option *o = mp_option_find(p->set, name, len);
    if (!o) return unknown_option(p->set, name, len, err);
    if (o->kind == MP_OPT_FLAG && equal)
        return mp_error_set(err, MP_USAGE, NULL, "option '--%s' takes no value", o->name);
    const char *value = NULL;
    if (equal)
        value = equal + 1;
    else if (o->kind != MP_OPT_FLAG) {
        if (p->at == p->argc) return no_value(o, err);
        value = p->argv[p->at++];
    }
    return mp_option_store(o, value, p->target, p->arena, err);
}

/* -q, -qv, -o FILE, -oFILE, -o=FILE */
static mp_status short_options(parser *p, mp_error *err) {
    for (const char *s = p->argv[p->at++] + 1; *s; s++) {
        const mp_option *o = mp_option_letter(p->set, *s);
        if (!o) {
            mp_error_set(err, MP_USAGE, NULL, "unknown option '-%c'", *s >= ' ' ? *s : '?');
            mp_error_hint(err, "--help lists the options");
            return MP_USAGE;
        }
        const char *value = NULL;
        if (o->kind != MP_OPT_FLAG) {
            value = s[1] == '=' ? s + 2 : s + 1;
            if (!*value) {
                if (p->at == p->argc) return no_value(o, err);
                value = p->argv[p->at++];
            }
        }
        mp_status st = mp_option_store(o, value, p->target, p->arena, err);
        if (st != MP_OK || value) return st;
    }
    return MP_OK;
}

mp_status mp_options_parse(const mp_option_set *set, int argc, const char *const *argv,
                           void *target, mp_arena *arena, mp_operands *operands, mp_error *err) {
    parser p = {set, argc, 0, argv, target, arena};
    size_t bytes = ((size_t)argc + 1) * sizeof *operands->operands;
    operands->n_operands = 0;
    operands->operands = mp_arena_alloc(arena, bytes, sizeof(char *));
    if (!operands->operands) return mp_error_nomem(err, (int64_t)bytes, 0);
    bool options_end = false;
    while (p.at < argc) {
        const char *a = argv[p.at];
        mp_status st = MP_OK;
        if (options_end || a[0] != '-' || !a[1]) {
            operands->operands[operands->n_operands++] = a;
            p.at++;
        } else if (a[1] == '-' && !a[2]) {
            options_end = true;
            operands->n_before = operands->n_operands;
            p.at++;
        } else {
            st = a[1] == '-' ? long_option(&p, err) : short_options(&p, err);
        }
        if (st != MP_OK) return st;
    }
    if (!options_end) operands->n_before = operands->n_operands;
    return MP_OK;
}

static int label_of(const mp_option *o, char *out, size_t cap) {
    char letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    return snprintf(out, cap, "  %s--%s%s%s", letter, o->name, o->arg ? " " : "",
                    o->arg ? o->arg : "");
}

enum { LABEL_WIDTH = 34 };

static void option_help(const mp_option *o, mp_buf *out) {
    char label[96];
    int width = label_of(o, label, sizeof label);
    mp_buf_printf(out, "%s", label);
    if (width > LABEL_WIDTH - 2) {
        mp_buf_printf(out, "\n");
        width = 0;
    }
    for (const char *line = o->help; line;) {
        const char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) : strlen(line);
        mp_buf_printf(out, "%*s%.*s\n", LABEL_WIDTH - width, "", (int)len, line);
        line = end ? end + 1 : NULL;
        width = 0;
    }
}

void mp_options_help(const mp_option_set *set, mp_buf *out) {
    for (const mp_option_group *const *g = set->groups; *g; g++) {
        mp_buf_printf(out, "\n%s:\n", (*g)->heading);
        for (int i = 0; i < (*g)->n_options; i++)
            option_help(&(*g)->options[i], out);
    }
}
