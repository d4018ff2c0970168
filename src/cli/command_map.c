/* command_map.c - `mpart map` on the command line. */
#include "cli/command_map.h"

#include <string.h>

#include "run/map.h"

#define AT(field) offsetof(mp_invocation, field)

static const mp_word halts[] = {{"never", MP_HALT_NEVER, NULL},
                                {"soon", MP_HALT_SOON, NULL},
                                {"now", MP_HALT_NOW, NULL},
                                {NULL, 0, NULL}};

/* clang-format off */
static const mp_option map_options[] = {
    {.name = "items", .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(map.items),
     .help = "the list: an item a line, blank lines skipped; -: standard input"},
    {.name = "nul", .letter = '0', .kind = MP_OPT_FLAG, .at = AT(map.nul),
     .help = "items end with NUL, as find -print0 writes them"},
    {.name = "replace", .letter = 'I', .kind = MP_OPT_TEXT, .arg = "STR", .at = AT(map.place),
     .help = "what stands for the item in the command, instead of {}"},
    {.name = "output", .letter = 'o', .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(spec.output.path),
     .help = "what the commands print, in the order of the list (default, and\n"
             "-: standard output)"},
    {.name = "results", .kind = MP_OPT_TEXT, .arg = "DIR", .at = AT(map.results),
     .help = "keep what item N prints as N.out and N.err instead"},
    {.name = "force", .kind = MP_OPT_FLAG, .at = AT(map.force),
     .help = "use a folder for --results that is not empty"},
    {.name = "retries", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(map.retries),
     .help = "further tries of what failed, 0.25 s later, then 0.5 s, ..."},
    {.name = "timeout", .kind = MP_OPT_SECONDS, .arg = "SECONDS", .at = AT(map.timeout_ns), .least = 1,
     .help = "end a command that takes longer, with all its processes"},
    {.name = "halt", .kind = MP_OPT_WORD, .arg = "never|soon|now", .at = AT(map.halt), .words = halts,
     .help = "after a failure: finish the rest and write it, exit 3 (never);\n"
             "begin no more (soon), end what runs (now), exit 1"},
    {.name = "per-host", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(map.per_host), .least = 1,
     .help = "at most N items of one URL host at a time"},
    {.name = "joblog", .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(map.joblog),
     .help = "a line for each item, in GNU parallel's columns"},
    {.name = "run-dir", .kind = MP_OPT_TEXT, .arg = "DIR", .at = AT(map.run_dir),
     .help = "journal and results until the run is done (default:\n"
             "OUT.mpart-run, where OUT is -o or --results)"},
    {.name = "resume", .kind = MP_OPT_FLAG, .at = AT(map.resume),
     .help = "go on from the journal: what is done is not done again"},
    {.name = "explain", .kind = MP_OPT_FLAG, .at = AT(map.explain),
     .help = "say what --resume would keep and what it would do again, and why"},
};
/* clang-format on */

const mp_option_group mp_map_group = {"commands on items", map_options,
                                      (int)(sizeof map_options / sizeof *map_options)};

/* The command line with --resume behind the command's name, as a shell reads it. */
static mp_status resume_command(mp_invocation *inv, mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    for (int i = 0; i < inv->argc; i++) {
        if (i > 0) mp_buf_u8(&b, ' ');
        mp_map_quote(inv->argv[i], &b);
        if (i == inv->command_at && !inv->map.resume) mp_buf_printf(&b, " --resume");
    }
    mp_buf_u8(&b, 0);
    mp_status st = mp_buf_check(&b, err);
    char *copy = st == MP_OK ? mp_arena_alloc(inv->arena, b.len, 1) : NULL;
    if (copy) inv->map.resume_command = memcpy(copy, b.data, b.len);
    if (st == MP_OK && !copy) st = mp_error_nomem(err, (int64_t)b.len, 0);
    mp_buf_release(&b);
    return st;
}

static mp_status wrong(mp_error *err, const char *hint, const char *why) {
    mp_error_set(err, MP_USAGE, NULL, "%s", why);
    if (hint) mp_error_hint(err, "%s", hint);
    return MP_USAGE;
}

mp_status mp_command_map_check(mp_invocation *inv, mp_error *err) {
    static const char example[] = "mpart map --items list.txt -o out.txt -- command {}";
    mp_map_spec *map = &inv->map;
    const mp_operands *o = &inv->operands;
    if (!map->items) return wrong(err, example, "option '--items' is missing");
    if (o->n_before > 0) {
        mp_error_set(err, MP_USAGE, NULL, "'%s' stands before --, where no operand belongs",
                     o->operands[0]);
        mp_error_hint(err, "%s", example);
        return MP_USAGE;
    }
    map->n_words = o->n_operands - o->n_before;
    map->words = o->operands + o->n_before;
    if (map->n_words == 0) return wrong(err, example, "no command behind --");
    if (!map->words[0][0]) return wrong(err, NULL, "the name of the command is empty");
    if (!map->place) map->place = "{}";
    if (map->results && inv->spec.output.path)
        return wrong(err, "-o joins what is printed, --results keeps it apart",
                     "-o and --results exclude each other");
    return resume_command(inv, err);
}
