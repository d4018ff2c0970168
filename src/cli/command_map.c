/* command_map.c - `mpart map` on the command line. */
#include "cli/command_map.h"

#include <string.h>

#include "cli/check_split.h"
#include "cli/h5_options.h"
#include "run/journal/run_facts.h"
#include "run/map/map.h"

#define AT(field) offsetof(mp_invocation, field)

static const int64_t DICT_KEEP_NS = INT64_C(60) * 1000 * 1000 * 1000;

static const mp_word shard_formats[] = {
    {"csv", MP_FORMAT_CSV, NULL}, {"ndjson", MP_FORMAT_NDJSON, NULL}, {NULL, 0, NULL}};
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
    {.name = "by", .kind = MP_OPT_NAMES, .arg = "KEYS", .at = AT(map.by), .count_at = AT(map.n_by),
     .help = "shards by key: all rows of a key in one (64, or --parts)"},
    {.name = "parts", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(map.parts), .least = 1,
     .help = "so many shards of a table (default: one for each 8 MiB)"},
    {.name = "rows", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(map.rows), .least = 1,
     .help = "shards of N rows"},
    {.name = "per-file", .kind = MP_OPT_FLAG, .at = AT(map.per_file),
     .help = "each input file is a shard, as the parts that mpart split wrote"},
    {.name = "shard-format", .kind = MP_OPT_WORD, .arg = "csv|ndjson", .at = AT(map.shard_format), .words = shard_formats,
     .help = "what the command reads (default csv, with a header)"},
    {.name = "bisect", .kind = MP_OPT_FLAG, .at = AT(map.bisect),
     .help = "where the command or plug-in crashes or passes --timeout, find the\n"
             "rows it does so on, leave them out (--rejects), exit 3"},
    {.name = "raw", .kind = MP_OPT_FLAG, .at = AT(map.raw),
     .help = "what the commands print is bytes, not CSV with a header"},
    {.name = "plugin", .kind = MP_OPT_TEXT, .arg = "FILE.so", .at = AT(map.plugin),
     .help = "give the shards to a plug-in (mpart/plugin.h) instead of a command"},
    {.name = "arg", .kind = MP_OPT_TEXTS, .arg = "K=V", .at = AT(map.args), .count_at = AT(map.n_args),
     .help = "an argument of the plug-in (repeatable)"},
    {.name = "in-process", .kind = MP_OPT_FLAG, .at = AT(map.in_process),
     .help = "run the plug-in in mpart's own process: faster, but what it does\n"
             "wrong ends the run"},
    {.name = "replace", .letter = 'I', .kind = MP_OPT_TEXT, .arg = "STR", .at = AT(map.place),
     .help = "what stands for the item, or a shard's file, instead of {}"},
    {.name = "output", .letter = 'o', .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(spec.output.path),
     .help = "what the commands print, in the order of the list or table\n"
             "(default, and -: standard output); of a table .csv, .tsv,\n"
             ".ndjson, and .gz or .zst behind them"},
    {.name = "results", .kind = MP_OPT_TEXT, .arg = "DIR", .at = AT(map.results),
     .help = "keep what item or shard N prints as N.out and N.err instead"},
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
     .help = "journal and results until the run is done (default: OUT.mpart-run,\n"
             "where OUT is -o, --results or --dict-out)"},
    {.name = "resume", .kind = MP_OPT_FLAG, .at = AT(map.resume),
     .help = "go on from the journal: what is done is not done again"},
    {.name = "explain", .kind = MP_OPT_FLAG, .at = AT(map.explain),
     .help = "say what --resume would keep and what it would do again, and why"},
    {.name = "dict", .kind = MP_OPT_FLAG, .at = AT(map.dict),
     .help = "one dictionary for all commands ($MPART_DICT is a Unix socket that\n"
             "speaks as Redis does) or plug-ins"},
    {.name = "dict-in", .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(map.dict_in),
     .help = "what the dictionary begins with: columns key and value, as CSV,\n"
             "NDJSON or HDF5 by its name, .gz and .zst too"},
    {.name = "dict-out", .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(map.dict_out),
     .help = "what it has at the end, in the order of keys, likewise"},
    {.name = "dict-keep", .kind = MP_OPT_SECONDS, .arg = "SECONDS", .at = AT(map.dict_keep_ns), .least = 0,
     .help = "keep it beside the journal about so often (default 60, 0: only\n"
             "where the run stops by itself), so that --resume after a kill\n"
             "does again what came later, and no more; less often where that\n"
             "would take over a twentieth of the time: where units take 10 s,\n"
             "about every 200 s"},
};
/* clang-format on */

const mp_option_group mp_map_group = {"commands on items or shards", map_options,
                                      (int)(sizeof map_options / sizeof *map_options)};

mp_status mp_check_resume_command(mp_invocation *inv, bool has, const char **out, mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    for (int i = 0; i < inv->argc; i++) {
        if (i > 0) mp_buf_u8(&b, ' ');
        mp_facts_quote(inv->argv[i], &b);
        if (i == inv->command_at && !has) mp_buf_printf(&b, " --resume");
    }
    mp_buf_u8(&b, 0);
    mp_status st = mp_buf_check(&b, err);
    char *copy = st == MP_OK ? mp_arena_alloc(inv->arena, b.len, 1) : NULL;
    if (copy) *out = memcpy(copy, b.data, b.len);
    if (st == MP_OK && !copy) st = mp_error_nomem(err, (int64_t)b.len, 0);
    mp_buf_release(&b);
    return st;
}

static mp_status wrong(mp_error *err, const char *hint, const char *why) {
    mp_error_set(err, MP_USAGE, NULL, "%s", why);
    if (hint) mp_error_hint(err, "%s", hint);
    return MP_USAGE;
}

static mp_status check_dict_file(const char *option, const char *name, mp_error *err) {
    mp_text_format format;
    if (!name || (strcmp(name, "-") != 0 && mp_text_format_of(name, &format))) return MP_OK;
    mp_error_set(err, MP_USAGE, NULL,
                 "option '%s': the ending of '%s' is not one of .csv, .tsv, .ndjson, .h5", option,
                 name);
    return MP_USAGE;
}

static mp_status check_dict(mp_map_spec *map, mp_error *err) {
    if (map->dict_in || map->dict_out) map->dict = true;
    if (map->dict_keep_ns >= 0 && !map->dict)
        return wrong(err, NULL, "--dict-keep goes with --dict");
    if (map->dict_keep_ns < 0) map->dict_keep_ns = DICT_KEEP_NS;
    mp_status st = check_dict_file("--dict-in", map->dict_in, err);
    return st == MP_OK ? check_dict_file("--dict-out", map->dict_out, err) : st;
}

static const char items_example[] = "mpart map --items list.txt -o out.txt -- command {}";
static const char table_example[] = "mpart map table.csv -o out.csv -- command";

static mp_status check_items(const mp_invocation *inv, mp_error *err) {
    const mp_map_spec *map = &inv->map;
    if (inv->operands.n_operands > 0) {
        mp_error_set(err, MP_USAGE, NULL, "'%s' is an input, but --items is given",
                     inv->operands.operands[0]);
        mp_error_hint(err, "%s", items_example);
        return MP_USAGE;
    }
    if (map->n_by || map->parts || map->rows || map->per_file || map->shard_format || map->raw ||
        map->bisect)
        return wrong(err, "an item is a unit by itself",
                     "--by, --parts, --rows, --per-file, --shard-format, --raw and --bisect are "
                     "for tables");
    return MP_OK;
}

static mp_status check_table(mp_invocation *inv, mp_error *err) {
    mp_map_spec *map = &inv->map;
    if (inv->operands.n_operands == 0)
        return wrong(err, table_example, "no input given: name tables, or --items LIST");
    if (map->nul || map->per_host) return wrong(err, NULL, "-0 and --per-host go with --items");
    if (map->rows && (map->parts || map->n_by))
        return wrong(err, NULL, "--rows goes without --parts and --by");
    if (map->per_file && (map->rows || map->parts || map->n_by))
        return wrong(err, NULL, "--per-file goes without --rows, --parts and --by");
    if (map->parts > MP_SPLIT_MOST_PARTS)
        return wrong(err, NULL, "option '--parts': at most 1000000");
    if (map->n_by && inv->spec.input.rejects && (!map->bisect || inv->on_bad_row > MP_BAD_ROW_FAIL))
        return wrong(err, "with --bisect it gets the rows that a command crashes on",
                     "--rejects with --by goes with --bisect, and without --on-bad-row");
    if (map->bisect && map->results) return wrong(err, NULL, "--bisect goes without --results");
    if (map->bisect && map->in_process)
        return wrong(err, "without --in-process a plug-in that crashes costs its rows alone",
                     "--bisect goes without --in-process");
    mp_status st = mp_check_input(inv, err);
    if (st != MP_OK || map->raw || map->results) return st;
    st = mp_check_output_name(inv->spec.output.path, &inv->spec.output.format, err);
    return st != MP_OK ? st : mp_check_h5_output(&inv->spec.output, err);
}

/* The plug-in as words of a command, for messages and the journal. */
static mp_status check_plugin(mp_invocation *inv, mp_error *err) {
    mp_map_spec *map = &inv->map;
    if (!map->plugin && (map->n_args || map->in_process))
        return wrong(err, NULL, "--arg and --in-process go with --plugin");
    if (!map->plugin) return MP_OK;
    if (map->items) return wrong(err, NULL, "--plugin is for tables, not for --items");
    if (map->n_words > 0)
        return wrong(err, NULL, "--plugin takes the place of a command behind --");
    if (map->raw || map->shard_format || map->place)
        return wrong(err, NULL, "--raw, --shard-format and -I go with a command");
    for (int i = 0; i < map->n_args; i++)
        if (map->args[i][0] == '=')
            return wrong(err, "--arg name=value", "option '--arg': no name in front of '='");
    map->n_words = 2 + map->n_args;
    map->words = mp_arena_alloc(inv->arena, (size_t)map->n_words * sizeof *map->words, 8);
    if (!map->words) return mp_error_nomem(err, map->n_words * 8, 0);
    map->words[0] = "--plugin";
    map->words[1] = map->plugin;
    for (int i = 0; i < map->n_args; i++)
        map->words[2 + i] = map->args[i];
    return MP_OK;
}

mp_status mp_command_map_check(mp_invocation *inv, mp_error *err) {
    mp_map_spec *map = &inv->map;
    mp_operands *o = &inv->operands;
    map->n_words = o->n_operands - o->n_before;
    map->words = o->operands + o->n_before;
    o->n_operands = o->n_before;
    mp_status st = map->items ? check_items(inv, err) : check_table(inv, err);
    if (st == MP_OK) st = check_plugin(inv, err);
    if (st != MP_OK) return st;
    if (map->n_words == 0)
        return wrong(err, map->items ? items_example : table_example, "no command behind --");
    if (!map->words[0][0]) return wrong(err, NULL, "the name of the command is empty");
    if (!map->place) map->place = "{}";
    st = check_dict(map, err);
    if (st != MP_OK) return st;
    if (map->results && inv->spec.output.path)
        return wrong(err, "-o joins what is printed, --results keeps it apart",
                     "-o and --results exclude each other");
    return mp_check_resume_command(inv, map->resume, &map->resume_command, err);
}
