/* commands.c - from arguments to an invocation: which command, which options, what it asks for. */
#include "cli/commands.h"

#include <string.h>

#include "base/str.h"

enum { COMMANDS_MAX = 32 };

static const mp_command *find_command(const char *name) {
    for (const mp_command *c = mp_commands(); c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

static mp_status unknown_command(const char *name, mp_error *err) {
    const char *names[COMMANDS_MAX];
    int n = 0;
    for (const mp_command *c = mp_commands(); c->name && n < COMMANDS_MAX; c++)
        names[n++] = c->name;
    mp_error_set(err, MP_USAGE, NULL, "unknown command '%s'", name);
    int near = mp_str_nearest(name, names, n);
    if (near >= 0)
        mp_error_hint(err, "did you mean '%s'?", names[near]);
    else
        mp_error_hint(err, "'mpart --help' lists the commands");
    return MP_USAGE;
}

/* Does the option at argv[i] take the next argument as its value, in any command? */
static bool takes_next(const char *arg) {
    for (const mp_command *c = mp_commands(); c->name; c++) {
        const mp_option *o = arg[1] == '-' ? mp_option_find(&c->options, arg + 2, strlen(arg + 2))
                                           : mp_option_letter(&c->options, arg[1]);
        if (o) return o->kind != MP_OPT_FLAG && (arg[1] == '-' || !arg[2]);
    }
    return false;
}

/* The place of the command's name: the first argument that is neither an option nor an option's value; argc: none. */
static int command_at(int argc, const char *const *argv) {
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || !argv[i][1]) return i;
        if (strcmp(argv[i], "--") == 0) return i + 1 < argc ? i + 1 : argc;
        if (takes_next(argv[i])) i++;
    }
    return argc;
}

static bool has_arg(int argc, const char *const *argv, const char *name, const char *letter) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0 || (letter && strcmp(argv[i], letter) == 0)) return true;
    return false;
}

static mp_status without_command(int argc, const char *const *argv, mp_invocation *inv,
                                 mp_error *err) {
    if (has_arg(argc, argv, "--version", NULL)) {
        inv->ask = MP_ASK_VERSION;
        return MP_OK;
    }
    inv->ask = MP_ASK_OVERVIEW;
    if (argc == 1 || has_arg(argc, argv, "--help", "-h")) return MP_OK;
    mp_error_set(err, MP_USAGE, NULL, "no command given, only '%s'", argv[1]);
    mp_error_hint(err, "'mpart --help' lists the commands");
    return MP_USAGE;
}

/* mpart help [COMMAND] */
static mp_status help_command(int argc, const char *const *argv, int at, mp_invocation *inv,
                              mp_error *err) {
    inv->ask = MP_ASK_OVERVIEW;
    for (int i = at + 1; i < argc; i++) {
        if (argv[i][0] == '-' || strcmp(argv[i], "help") == 0) continue;
        inv->ask = MP_ASK_HELP;
        inv->command = find_command(argv[i]);
        return inv->command ? MP_OK : unknown_command(argv[i], err);
    }
    return MP_OK;
}

static void set_defaults(mp_invocation *inv) {
    *inv = (mp_invocation){0};
    inv->spec.input.quote = '"';
    inv->spec.query.limit_rows = -1;
    inv->map.dict_keep_ns = -1;
    inv->spec.output.format = -1;
    inv->spec.output.h5_layout = -1;
    inv->spec.output.h5_compress = -1;
    inv->spec.output.h5_level = -1;
    inv->gen.n_rows = -1;
    inv->gen.n_groups = 100;
    inv->gen.seed = 1;
    inv->input_format = -1;
    inv->on_bad_row = -1;
    inv->split_by.format = -1;
}

mp_status mp_command_parse(int argc, const char *const *argv, mp_arena *arena, mp_invocation *inv,
                           mp_error *err) {
    set_defaults(inv);
    int at = command_at(argc, argv);
    if (at >= argc) return without_command(argc, argv, inv, err);
    if (strcmp(argv[at], "help") == 0) return help_command(argc, argv, at, inv, err);
    const mp_command *command = find_command(argv[at]);
    if (!command) return unknown_command(argv[at], err);
    inv->command = command;
    inv->argc = argc;
    inv->argv = argv;
    inv->command_at = at;
    inv->arena = arena;
    /* The arguments without the program's and the command's name. */
    size_t bytes = (size_t)argc * sizeof *argv;
    const char **rest = mp_arena_alloc(arena, bytes, sizeof(char *));
    if (!rest) return mp_error_nomem(err, (int64_t)bytes, 0);
    int n = 0;
    for (int i = 1; i < argc; i++)
        if (i != at) rest[n++] = argv[i];
    mp_status st = mp_options_parse(&command->options, n, rest, inv, arena, &inv->operands, err);
    inv->ask = inv->help ? MP_ASK_HELP : inv->version ? MP_ASK_VERSION : MP_ASK_RUN;
    if (st != MP_OK || inv->ask != MP_ASK_RUN) return st;
    return command->check(inv, err);
}
