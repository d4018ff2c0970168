/* command_table.c - every command with its options: the one place to add one.
 * Invariant: a command is listed when it works; a word that means something later is refused by name. */
#include <string.h>

#include "base/str.h"
#include "cli/check_split.h"
#include "cli/command_map.h"
#include "cli/h5_options.h"
#include "data/date.h"
#include "io/h5/h5_out.h"
#include "io/output/output.h"
#include "run/merge/merge.h"
#include "run/query/query_run.h"
#include "run/split/split_run.h"

#define AT(field) offsetof(mp_invocation, field)
#define COUNT_OF(a) ((int)(sizeof(a) / sizeof *(a)))

enum { INPUT_CSV, INPUT_TSV, INPUT_NDJSON, INPUT_LINES, INPUT_H5 };

static const mp_word input_formats[] = {
    {"csv", INPUT_CSV, NULL},     {"tsv", INPUT_TSV, NULL}, {"ndjson", INPUT_NDJSON, NULL},
    {"lines", INPUT_LINES, NULL}, {"h5", INPUT_H5, NULL},   {NULL, 0, NULL}};
static const mp_word output_formats[] = {{"csv", MP_FORMAT_CSV, NULL},
                                         {"tsv", MP_FORMAT_TSV, NULL},
                                         {"ndjson", MP_FORMAT_NDJSON, NULL},
                                         {"h5", MP_FORMAT_H5, NULL},
                                         {NULL, 0, NULL}};
static const mp_word h5_layouts[] = {
    {"compound", MP_H5_OUT_TABLE, NULL}, {"columns", MP_H5_OUT_COLUMNS, NULL}, {NULL, 0, NULL}};
static const mp_word packings[] = {
    {"gzip", MP_PACK_GZIP, NULL}, {"zstd", MP_PACK_ZSTD, NULL}, {NULL, 0, NULL}};
static const mp_word h5_compressions[] = {{"deflate", MP_H5_PACK_DEFLATE, NULL},
                                          {"lzf", MP_H5_PACK_LZF, NULL},
                                          {"none", MP_H5_PACK_NONE, NULL},
                                          {NULL, 0, NULL}};
static const mp_word tab_word[] = {{"tab", '\t', NULL}, {"\\t", '\t', NULL}, {NULL, 0, NULL}};
static const mp_word none_word[] = {{"none", 0, NULL}, {"", 0, NULL}, {NULL, 0, NULL}};
static const mp_word bad_rows[] = {{"fail", MP_BAD_ROW_FAIL, NULL},
                                   {"skip", MP_BAD_ROW_SKIP, NULL},
                                   {"null", MP_BAD_ROW_NULL, NULL},
                                   {NULL, 0, NULL}};
static const mp_word scatters[] = {{"auto", MP_SCATTER_AUTO, NULL},
                                   {"paths", MP_SCATTER_PATHS, NULL},
                                   {"data", MP_SCATTER_DATA, NULL},
                                   {NULL, 0, NULL}};
static const mp_word switches[] = {
    {"auto", MP_AUTO, NULL}, {"on", MP_ON, NULL}, {"off", MP_OFF, NULL}, {NULL, 0, NULL}};

/* clang-format off */
static const mp_option query_options[] = {
    {.name = "where", .kind = MP_OPT_TEXT, .arg = "EXPR", .at = AT(spec.query.where),
     .help = "rows to keep: 'price > 10 and region == \"EU\"'"},
    {.name = "select", .kind = MP_OPT_TEXT, .arg = "LIST", .at = AT(spec.query.select),
     .help = "columns to make: 'id, price*qty as total'; * is all"},
    {.name = "by", .kind = MP_OPT_TEXT, .arg = "KEYS", .at = AT(spec.query.by),
     .help = "group rows: 'region, year(day) as y'"},
    {.name = "agg", .kind = MP_OPT_TEXT, .arg = "LIST", .at = AT(spec.query.agg),
     .help = "what to work out for each group (or for all rows):\n"
             "count() count(x) count_distinct(x) sum mean min max var std\n"
             "median quantile(x,q) first last top(x,k) bottom(x,k) corr(x,y),\n"
             "and expressions of them: 'max(v1) - min(v2) as r'"},
    {.name = "having", .kind = MP_OPT_TEXT, .arg = "EXPR", .at = AT(spec.query.having),
     .help = "groups to keep: 'total > 100'"},
    {.name = "distinct", .kind = MP_OPT_FLAG, .at = AT(spec.query.distinct),
     .help = "drop repeated rows of the answer"},
    {.name = "sort", .kind = MP_OPT_TEXT, .arg = "KEYS", .at = AT(spec.query.sort),
     .help = "order of the answer: '-total, region' (minus: descending;\nnulls last)"},
    {.name = "offset", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(spec.query.offset_rows),
     .help = "leave out the first N rows of the answer"},
    {.name = "limit", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(spec.query.limit_rows),
     .help = "at most N rows"},
};

static const mp_option input_options[] = {
    {.name = "input-format", .kind = MP_OPT_WORD, .arg = "F", .at = AT(input_format), .words = input_formats,
     .help = "csv, tsv, ndjson (one object a line, its keys are the\n"
             "columns), lines (one column, line) or h5; default: from the\n"
             "name (.ndjson .jsonl .txt .h5 .hdf5 ...), else csv"},
    {.name = "delimiter", .kind = MP_OPT_BYTE, .arg = "C", .at = AT(spec.input.delimiter), .words = tab_word,
     .help = "between fields, one byte or 'tab' (default: found out among\n, ; | tab)"},
    {.name = "quote", .kind = MP_OPT_BYTE, .arg = "C", .at = AT(spec.input.quote), .words = none_word,
     .help = "around fields (default \"), or 'none'"},
    {.name = "no-header", .kind = MP_OPT_FLAG, .at = AT(spec.input.no_header),
     .help = "the first line is data; columns are c1, c2, ..."},
    {.name = "names", .kind = MP_OPT_NAMES, .arg = "A,B,...", .at = AT(spec.input.names), .count_at = AT(spec.input.n_names),
     .help = "names of the columns, in place of the header's"},
    {.name = "null", .kind = MP_OPT_TEXTS, .arg = "TEXT", .at = AT(spec.input.nulls), .count_at = AT(spec.input.n_nulls),
     .help = "a field with this text is null, like an empty one (repeatable)"},
    {.name = "comment", .kind = MP_OPT_BYTE, .arg = "C", .at = AT(spec.input.comment),
     .help = "skip lines that start with this byte"},
    {.name = "skip-lines", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(spec.input.skip_lines),
     .help = "skip N lines before the header"},
    {.name = "types", .kind = MP_OPT_TYPES, .arg = "NAME:TYPE,...", .at = AT(spec.input.types), .count_at = AT(spec.input.n_types),
     .help = "int64 float64 decimal bool date timestamp string; a value that\n"
             "does not fit makes a bad row (default: found out from all rows)"},
    {.name = "decimal-comma", .kind = MP_OPT_FLAG, .at = AT(spec.input.decimal_comma),
     .help = "numbers are written 3,14"},
    {.name = "thousands", .kind = MP_OPT_BYTE, .arg = "C", .at = AT(spec.input.thousands),
     .help = "byte between thousands in numbers"},
    {.name = "date-format", .kind = MP_OPT_TEXT, .arg = "FMT", .at = AT(spec.input.date_format),
     .help = "form of dates, as of strptime: %d.%m.%Y"},
    {.name = "union", .kind = MP_OPT_FLAG, .at = AT(spec.input.union_columns),
     .help = "a column that one of the files lacks is null there"},
    {.name = "filename", .kind = MP_OPT_TEXT, .arg = "NAME", .at = AT(spec.input.filename_column),
     .help = "add a column of this name with the file's name"},
    {.name = "on-bad-row", .kind = MP_OPT_WORD, .arg = "fail|skip|null", .at = AT(on_bad_row), .words = bad_rows,
     .help = "a row with too few or too many fields, or a value that does not\n"
             "fit --types: fail (default), skip the row (exit 3), or make\n"
             "what is missing null"},
    {.name = "rejects", .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(spec.input.rejects),
     .help = "collect bad rows there: file, row, offset, reason (exit 3);\n"
             "without --on-bad-row they are skipped"},
};

static const mp_option output_options[] = {
    {.name = "output", .letter = 'o', .kind = MP_OPT_TEXT, .arg = "FILE", .at = AT(spec.output.path),
     .help = "write there when all has gone well (default, and -: standard\n"
             "output); .csv .tsv .ndjson, and .gz or .zst behind them; .h5"},
    {.name = "format", .kind = MP_OPT_WORD, .arg = "csv|tsv|ndjson|h5", .at = AT(spec.output.format), .words = output_formats,
     .help = "form of the output (default: from the name, else csv)"},
    {.name = "h5-layout", .kind = MP_OPT_WORD, .arg = "compound|columns", .at = AT(spec.output.h5_layout), .words = h5_layouts,
     .help = "HDF5: one table (default up to 512 columns), or a dataset for\n"
             "each column (AnnData's data frame)"},
    {.name = "h5-path", .kind = MP_OPT_TEXT, .arg = "/GROUP/NAME", .at = AT(spec.output.h5_path),
     .help = "place in the HDF5 file (default /data/table, with columns /data)"},
    {.name = "h5-compress", .kind = MP_OPT_WORD, .arg = "deflate|lzf|none", .at = AT(spec.output.h5_compress), .words = h5_compressions,
     .help = "of HDF5 chunks (default deflate; lzf: quicker, for h5py)"},
    {.name = "h5-level", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(spec.output.h5_level), .least = 1,
     .help = "of deflate, 1 (default) to 9"},
    {.name = "h5-collective", .kind = MP_OPT_FLAG, .at = AT(spec.output.h5_collective),
     .help = "all ranks write the HDF5 file together through MPI-IO: for\n"
             "parallel file systems (default: one rank writes)"},
};

static const mp_option common_options[] = {
    {.name = "memory", .kind = MP_OPT_SIZE, .arg = "SIZE", .at = AT(spec.run.memory_bytes), .least = 1,
     .help = "budget of each rank: 512M, 1.5G (default: what the machine, the\n"
             "cgroup or Slurm leaves, divided by the ranks on the host)"},
    {.name = "scratch", .kind = MP_OPT_TEXT, .arg = "DIR", .at = AT(spec.run.scratch),
     .help = "folder for temporary files (default: TMPDIR or /tmp)"},
    {.name = "scatter", .kind = MP_OPT_WORD, .arg = "auto|paths|data", .at = AT(spec.run.scatter), .words = scatters,
     .help = "each rank opens the files (paths), or rank 0 reads them and\n"
             "hands out the rows (data); auto: paths where possible"},
    {.name = "plan", .kind = MP_OPT_FLAG, .at = AT(spec.run.plan_only),
     .help = "print what would be done; do nothing"},
    {.name = "progress", .kind = MP_OPT_WORD, .arg = "auto|on|off", .at = AT(spec.run.progress), .words = switches,
     .help = "a progress line on long runs (auto: on a terminal)"},
    {.name = "stats", .kind = MP_OPT_TEXT, .arg = "FILE.json", .at = AT(spec.run.stats),
     .help = "rows, bytes, seconds and memory per phase and per rank"},
    {.name = "quiet", .letter = 'q', .kind = MP_OPT_FLAG, .at = AT(spec.run.quiet),
     .help = "no notes and no progress line; errors are still shown"},
    {.name = "verbose", .letter = 'v', .kind = MP_OPT_FLAG, .at = AT(spec.run.verbose),
     .help = "at the end, what each phase and rank did, on standard error"},
    {.name = "help", .letter = 'h', .kind = MP_OPT_FLAG, .at = AT(help), .help = "this text"},
    {.name = "version", .kind = MP_OPT_FLAG, .at = AT(version), .help = "version of mpart and of what it is made of"},
};

static const mp_option info_options[] = {
    {.name = "json", .kind = MP_OPT_FLAG, .at = AT(json), .help = "as JSON"},
};

static const mp_option gen_options[] = {
    {.name = "rows", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(gen.n_rows),
     .help = "rows to make: 1000000, 1e6"},
    {.name = "output", .letter = 'o', .kind = MP_OPT_TEXT, .arg = "FILE|DIR", .at = AT(gen.path),
     .help = "the file (.csv .tsv .ndjson .h5; -: standard output),\nor with join the folder"},
    {.name = "groups", .kind = MP_OPT_COUNT, .arg = "K", .at = AT(gen.n_groups), .least = 1,
     .help = "groupby: different values of the small keys (default 100)"},
    {.name = "seed", .kind = MP_OPT_COUNT, .arg = "S", .at = AT(gen.seed),
     .help = "another seed, other data (default 1)"},
    {.name = "force", .kind = MP_OPT_FLAG, .at = AT(gen.force),
     .help = "use a folder that is not empty"},
};

static const mp_option split_options[] = {
    {.name = "output", .letter = 'o', .kind = MP_OPT_TEXT, .arg = "DIR", .at = AT(split.folder),
     .help = "the folder of the shards; it appears when all has gone well"},
    {.name = "by", .kind = MP_OPT_NAMES, .arg = "KEYS", .at = AT(split_by.by), .count_at = AT(split_by.n_by),
     .help = "rows with equal values in these columns share a shard, which\n"
             "depends on the values and the number of parts alone"},
    {.name = "range", .kind = MP_OPT_NAMES, .arg = "KEY", .at = AT(split_by.range), .count_at = AT(split_by.n_range),
     .help = "shards are ranges of this column, in its order and of about\n"
             "the same number of rows"},
    {.name = "parts", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(split.n_parts), .least = 1,
     .help = "shards to make, with --by (default 64) or --range"},
    {.name = "rows", .kind = MP_OPT_COUNT, .arg = "N", .at = AT(split.n_rows), .least = 1,
     .help = "N rows a shard, in input order"},
    {.name = "each", .kind = MP_OPT_NAMES, .arg = "KEYS", .at = AT(split_by.each), .count_at = AT(split_by.n_each),
     .help = "a folder for each value: region=EU/part-00000.csv"},
    {.name = "format", .kind = MP_OPT_WORD, .arg = "csv|tsv|ndjson|h5", .at = AT(split_by.format), .words = output_formats,
     .help = "form of the shards (default csv)"},
    {.name = "compress", .kind = MP_OPT_WORD, .arg = "gzip|zstd", .at = AT(split_by.packing), .words = packings,
     .help = "shards of text are packed: part-00000.csv.gz, part-00000.csv.zst"},
    {.name = "force", .kind = MP_OPT_FLAG, .at = AT(split.force),
     .help = "put the shards in place of those of a folder that is not empty"},
    {.name = "run-dir", .kind = MP_OPT_TEXT, .arg = "DIR", .at = AT(split.run_dir),
     .help = "journal of a run that takes longer than some seconds, until it\n"
             "is done (default: OUT.mpart-run, where OUT is -o)"},
    {.name = "resume", .kind = MP_OPT_FLAG, .at = AT(split.resume),
     .help = "go on from the journal: rows that are in their shards are not\n"
             "dealt again"},
    {.name = "explain", .kind = MP_OPT_FLAG, .at = AT(split.explain),
     .help = "say what --resume would keep and what it would do again, and why"},
};

static const mp_option merge_options[] = {
    {.name = "sort", .kind = MP_OPT_TEXT, .arg = "KEYS", .at = AT(spec.query.sort),
     .help = "put the rows in this order: '-total, region'; inputs that are\n"
             "in it already are merged as they are read"},
    {.name = "virtual", .kind = MP_OPT_FLAG, .at = AT(is_virtual),
     .help = "HDF5 files: the output refers to them, no row is copied"},
};
/* clang-format on */

#define GROUP(title, table)                                                                        \
    { title, table, COUNT_OF(table) }
static const mp_option_group query_group = GROUP("what to work out", query_options);
static const mp_option_group input_group = GROUP("input", input_options);
static const mp_option_group output_group = GROUP("output", output_options);
static const mp_option_group common_group = GROUP("common options", common_options);
static const mp_option_group info_group = GROUP("info", info_options);
static const mp_option_group map_output_group = {"form of a table's results", output_options + 1,
                                                 COUNT_OF(output_options) - 1};
static const mp_option_group gen_group = GROUP("sample data", gen_options);
static const mp_option_group merge_group = GROUP("merging", merge_options);
static const mp_option_group split_group = GROUP("shards", split_options);

static const mp_option_group *const query_groups[] = {&query_group, &input_group, &output_group,
                                                      &common_group, NULL};
static const mp_option_group *const info_groups[] = {&info_group, &input_group, &common_group,
                                                     NULL};
static const mp_option_group *const gen_groups[] = {&gen_group, &common_group, NULL};
static const mp_option_group *const merge_groups[] = {&merge_group, &input_group, &output_group,
                                                      &common_group, NULL};
static const mp_option_group *const split_groups[] = {&split_group, &input_group, &common_group,
                                                      NULL};

static const mp_option_group *const map_groups[] = {&mp_map_group, &input_group, &map_output_group,
                                                    &common_group, NULL};

static bool is_digit_or_sign(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+';
}

/* Bytes that cannot be told apart in the text. */
static mp_status check_bytes(const mp_input_spec *in, mp_error *err) {
    char decimal = in->decimal_comma ? ',' : '.';
    if (in->delimiter && in->delimiter == in->quote)
        return mp_error_set(err, MP_USAGE, NULL, "delimiter and quote are the same byte");
    if (in->comment && (in->comment == in->delimiter || in->comment == in->quote))
        return mp_error_set(err, MP_USAGE, NULL,
                            "the comment byte is the same as delimiter or quote");
    if (in->thousands && (in->thousands == decimal || is_digit_or_sign(in->thousands)))
        return mp_error_set(err, MP_USAGE, NULL,
                            "option '--thousands': '%c' has another meaning in a number",
                            in->thousands);
    return MP_OK;
}

mp_status mp_check_input(mp_invocation *inv, mp_error *err) {
    mp_input_spec *in = &inv->spec.input;
    bool has_time;
    if (inv->operands.n_operands == 0) {
        mp_error_set(err, MP_USAGE, NULL, "no input given");
        mp_error_hint(err, "name a file, or - for standard input: mpart %s data.csv",
                      inv->command->name);
        return MP_USAGE;
    }
    for (int i = 0; i < inv->operands.n_operands; i++)
        if (!inv->operands.operands[i][0])
            return mp_error_set(err, MP_USAGE, NULL, "the name of an input is empty");
    in->n_paths = inv->operands.n_operands;
    in->paths = inv->operands.operands;
    in->tsv = inv->input_format == INPUT_TSV;
    /* who wants the bad rows in a file wants the others read; --bisect has a use of its own for it */
    in->on_bad_row = inv->on_bad_row >= 0              ? (mp_bad_row)inv->on_bad_row
                     : in->rejects && !inv->map.bisect ? MP_BAD_ROW_SKIP
                                                       : MP_BAD_ROW_FAIL;
    bool csv_options = in->delimiter || in->quote != '"' || in->no_header || in->n_names > 0;
    bool other = inv->input_format == INPUT_NDJSON || inv->input_format == INPUT_LINES ||
                 inv->input_format == INPUT_H5;
    in->is_csv = (inv->input_format >= 0 || csv_options) && !other;
    if (other)
        in->format = inv->input_format == INPUT_LINES ? MP_READ_LINES
                     : inv->input_format == INPUT_H5  ? MP_READ_H5
                                                      : MP_READ_NDJSON;
    if (other && csv_options) {
        mp_error_set(err, MP_USAGE, NULL,
                     "--delimiter, --quote, --no-header and --names are for CSV alone");
        mp_error_hint(err, "leave them out, or leave out --input-format");
        return MP_USAGE;
    }
    if (in->date_format) {
        mp_status st = mp_date_format_check(in->date_format, &has_time, err);
        if (st != MP_OK) return st;
    }
    return check_bytes(in, err);
}

mp_status mp_check_output_name(const char *path, int *format, mp_error *err) {
    mp_text_format found;
    if (!path || strcmp(path, "-") == 0) return MP_OK;
    if (*format >= 0) return MP_OK;
    if (!mp_text_format_of(path, &found)) {
        mp_error_set(err, MP_USAGE, NULL, "output '%s': the ending names no format", path);
        mp_error_hint(err, "use .csv, .tsv, .ndjson or .h5, or say --format");
        return MP_USAGE;
    }
    *format = (int)found;
    return MP_OK;
}

mp_status mp_check_query(mp_invocation *inv, mp_error *err) {
    mp_status st = mp_check_input(inv, err);
    if (st == MP_OK)
        st = mp_check_output_name(inv->spec.output.path, &inv->spec.output.format, err);
    return st != MP_OK ? st : mp_check_h5_output(&inv->spec.output, err);
}

static mp_status run_query(mp_comm *c, const mp_invocation *inv, mp_mem *mem, mp_buf *out,
                           mp_report *report, mp_error *err) {
    return mp_query_run(c, &inv->spec, mem, out, report, err);
}

static mp_status run_info(mp_comm *c, const mp_invocation *inv, mp_mem *mem, mp_buf *out,
                          mp_report *report, mp_error *err) {
    return mp_info_run(c, &inv->spec, inv->json, mem, out, report, err);
}

static mp_status gen_kind(mp_invocation *inv, mp_error *err) {
    static const char *const kinds[] = {"groupby", "join", "orders"};
    if (inv->operands.n_operands == 0)
        return mp_error_set(err, MP_USAGE, NULL, "gen what? groupby, join or orders");
    if (inv->operands.n_operands > 1)
        return mp_error_set(err, MP_USAGE, NULL, "more than one kind of data: '%s'",
                            inv->operands.operands[1]);
    const char *kind = inv->operands.operands[0];
    for (int i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0) {
            inv->gen.kind = (mp_gen_kind)i;
            return MP_OK;
        }
    mp_error_set(err, MP_USAGE, NULL, "'%s' is not one of: groupby, join, orders", kind);
    int near = mp_str_nearest(kind, kinds, COUNT_OF(kinds));
    if (near >= 0) mp_error_hint(err, "did you mean '%s'?", kinds[near]);
    return MP_USAGE;
}

static mp_status check_gen(mp_invocation *inv, mp_error *err) {
    mp_status st = gen_kind(inv, err);
    int format = -1;
    if (st != MP_OK) return st;
    if (inv->gen.n_rows < 0) {
        mp_error_set(err, MP_USAGE, NULL, "option '--rows' is missing");
        mp_error_hint(err, "mpart gen %s --rows 1e6 -o %s", inv->operands.operands[0],
                      inv->gen.kind == MP_GEN_JOIN ? "folder" : "sample.csv");
        return MP_USAGE;
    }
    if (!inv->gen.path) return mp_error_set(err, MP_USAGE, NULL, "option '-o' is missing");
    if (inv->gen.kind == MP_GEN_JOIN) {
        if (strcmp(inv->gen.path, "-") == 0)
            return mp_error_set(err, MP_USAGE, NULL, "join makes four files: -o names a folder");
        return MP_OK;
    }
    st = mp_check_output_name(inv->gen.path, &format, err);
    inv->gen.format = format < 0 ? MP_FORMAT_CSV : format;
    return st;
}

static mp_status run_gen(mp_comm *c, const mp_invocation *inv, mp_mem *mem, mp_buf *out,
                         mp_report *report, mp_error *err) {
    return mp_gen_run(c, &inv->gen, &inv->spec, mem, out, report, err);
}

static mp_status run_split(mp_comm *c, const mp_invocation *inv, mp_mem *mem, mp_buf *out,
                           mp_report *report, mp_error *err) {
    return mp_split_run(c, &inv->spec, &inv->split, mem, out, report, err);
}

static mp_status run_merge(mp_comm *c, const mp_invocation *inv, mp_mem *mem, mp_buf *out,
                           mp_report *report, mp_error *err) {
    return mp_merge_run(c, &inv->spec, inv->is_virtual, mem, out, report, err);
}

static mp_status run_map(mp_comm *c, const mp_invocation *inv, mp_mem *mem, mp_buf *out,
                         mp_report *report, mp_error *err) {
    return mp_map_run(c, &inv->spec, &inv->map, mem, out, report, err);
}

const mp_command *mp_commands(void) {
    static const mp_command commands[] = {
        {"query",
         "filter, compute, group, sort: from tables to one answer",
         "INPUT... [options] [-o FILE]",
         "  mpart query orders.csv --by region --agg 'sum(amount) as total' --sort -total\n"
         "  mpirun -np 4 mpart query 'logs/*.csv' --where 'status >= 500' -o errors.csv\n"
         "  zcat big.csv.gz | mpart query - --agg 'count(), mean(price)'\n"
         "\n"
         "INPUT is a file (.csv, .tsv, .ndjson, .txt, also packed: .gz, .zst; .h5, or an object\n"
         "in it, file.h5:/group/name), a glob in quotes, a folder, or - for standard input.\n"
         "Steps: where, select, by and agg, having, distinct, sort, offset and limit.\n"
         "The answer is the same for any number of ranks.\n",
         {query_groups},
         mp_check_query,
         run_query},
        {"split",
         "a table as a folder of shards: by key, range, rows or one per value",
         "INPUT... -o DIR --by KEYS|--range KEY|--rows N|--each KEYS [options]",
         "  mpirun -np 4 mpart split orders.csv -o shards --by customer --parts 100\n"
         "  mpart split big.csv.gz -o parts --rows 1e6\n"
         "  mpart split orders.csv -o by_region --each region --format ndjson\n"
         "\n"
         "DIR gets part-00000.csv ... and manifest.json, and is an input of the other commands.\n"
         "Rows of a shard keep their order; the files are the same for any number of ranks.\n",
         {split_groups},
         mp_check_split,
         run_split},
        {"merge",
         "shards, or files alike, as one output",
         "DIR|FILE... [options] -o FILE",
         "  mpirun -np 4 mpart merge shards -o all.csv\n"
         "  mpart merge jan.csv feb.csv mar.csv --sort time -o quarter.csv\n"
         "\n"
         "A folder made by split is read in the order of its manifest, and its files must\n"
         "have the manifest's checksums. Columns are matched by name.\n",
         {merge_groups},
         mp_check_merge,
         run_merge},
        {"map",
         "a command of yours on every shard of a table, or item of a list",
         "INPUT...|--items FILE [options] [-o FILE] --plugin FILE.so | -- COMMAND [ARGUMENTS]",
         "  mpirun -np 8 mpart map orders.csv --by customer -o scores.csv -- python3 score.py\n"
         "  mpirun -np 8 mpart map --items images.txt -o sizes.txt -- identify {}\n"
         "  find . -name '*.gz' -print0 | mpirun -np 4 mpart map -0 --items - -- gzip -t {}\n"
         "  mpart map big.txt --plugin build/plugins/wordcount.so\n"
         "  mpirun -np 40 mpart map --items urls.txt --results pages --per-host 2 \\\n"
         "      --retries 3 --timeout 30 -- curl -sSf {}\n"
         "\n"
         "As many commands at a time as there are ranks, no shell. A shard comes on standard "
         "input\n"
         "as CSV with its header, and CSV with a header is what the command prints; {} is a file\n"
         "with the shard. Of a list, {} is the item, also inside an argument; without {} it is "
         "the\n"
         "last one. {#} is the number of the shard or item. A plug-in gets Arrow batches\n"
         "(mpart/plugin.h), in a process of its own.\n"
         "MPART_SHARD, MPART_SHARDS, MPART_RANK and MPART_RANKS are set.\n",
         {map_groups},
         mp_command_map_check,
         run_map},
        {"info",
         "schema, rows, layout and splits of tables",
         "INPUT... [options]",
         "  mpart info orders.csv\n"
         "  mpirun -np 4 mpart info 'logs/*.csv' --json\n",
         {info_groups},
         mp_check_input,
         run_info},
        {"gen",
         "sample data, the same for any number of ranks",
         "groupby|join|orders --rows N -o FILE|DIR",
         "  mpart gen orders --rows 1000 -o orders.csv\n"
         "  mpirun -np 4 mpart gen groupby --rows 1e8 --groups 100 -o g1.csv\n"
         "  mpirun -np 4 mpart gen join --rows 1e7 -o j1\n"
         "\n"
         "groupby  db-benchmark's G1: id1..id6, v1..v3\n"
         "join     db-benchmark's J1: left.csv, small.csv, medium.csv, big.csv in a folder\n"
         "orders   orders of a shop, with nulls and quoted names\n",
         {gen_groups},
         check_gen,
         run_gen},
        {0}};
    return commands;
}
