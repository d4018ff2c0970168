/* options.h - one table of options per command: it parses, validates and prints the help.
 * Invariant: what is not in a command's table is an error there, and the help names exactly what is in it. */
#ifndef MP_CLI_OPTIONS_H
#define MP_CLI_OPTIONS_H

#include "base/buf.h"

typedef enum {
    MP_OPT_FLAG,    /* bool: true when given */
    MP_OPT_TEXT,    /* const char *, not empty */
    MP_OPT_TEXTS,   /* repeatable: const char ** and int count */
    MP_OPT_NAMES,   /* a,b,c with `odd, names` in backticks: const char ** and int count */
    MP_OPT_TYPES,   /* name:type,...: mp_type_choice * and int count; repeatable */
    MP_OPT_COUNT,   /* int64_t >= least; 1000000, 1e6, 1.5e6 */
    MP_OPT_SIZE,    /* int64_t bytes >= least; 512M, 1.5G */
    MP_OPT_SECONDS, /* int64_t nanoseconds >= least; 90, 0.5 */
    MP_OPT_BYTE,    /* char: one byte, or one of words */
    MP_OPT_WORD     /* int: one of words */
} mp_option_kind;

typedef struct {
    const char *word; /* NULL ends the list */
    int value;
    const char *
        not_yet; /* the word is known but does nothing yet: the error that says so ("not read yet"), and it is not listed */
} mp_word;

typedef struct {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    mp_option_kind kind;
    const char *arg;      /* of the value, for the help; NULL: a flag */
    const char *help;     /* lines separated by \n */
    size_t at;            /* offset of the target in the object that parsing fills */
    size_t count_at;      /* TEXTS, NAMES, TYPES: offset of the int count */
    int64_t least;        /* COUNT, SIZE, SECONDS */
    const mp_word *words; /* BYTE, WORD */
} mp_option;

typedef struct {
    const char *heading;
    const mp_option *options;
    int n_options;
} mp_option_group;

typedef struct {
    const mp_option_group *const *groups; /* NULL at the end */
} mp_option_set;

/* What stands on the command line beside the options. */
typedef struct {
    int n_operands;
    const char **operands;
    int n_before; /* of them, those before "--"; all where there is none */
} mp_operands;

/* The option of that name (len bytes), or of that letter; NULL: none. */
const mp_option *mp_option_find(const mp_option_set *set, const char *name, size_t len);
const mp_option *mp_option_letter(const mp_option_set *set, char letter);

/* Parse argv[0 .. argc) into target (defaults already there). Options stand anywhere, "--" ends them; the last of two wins. Texts stay
 * where argv has them, lists are in the arena. Returns MP_USAGE (with the nearest name as hint) or MP_NOMEM. */
MP_MUST_CHECK mp_status mp_options_parse(const mp_option_set *set, int argc,
                                         const char *const *argv, void *target, mp_arena *arena,
                                         mp_operands *operands, mp_error *err);

/* The groups with their headings and options, aligned. */
void mp_options_help(const mp_option_set *set, mp_buf *out);

/* One value, as mp_options_parse stores it (option_value.c). */
MP_MUST_CHECK mp_status mp_option_store(const mp_option *o, const char *value, void *target,
                                        mp_arena *arena, mp_error *err);
/* "1000000", "1e6", "2.5e3": a whole number, >= 0. */
bool mp_count_parse(const char *text, int64_t *out);
/* "90", "0.5": nanoseconds. */
bool mp_seconds_parse(const char *text, int64_t *out);
/* "4096", "512M", "1.5G", "64KiB": bytes, powers of 1024. */
bool mp_size_parse(const char *text, int64_t *out);

#endif
