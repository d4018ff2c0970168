/* test_options.c - command lines become invocations: values, lists, suggestions, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "io/output/output.h"

enum { ARGS_MAX = 64 };

typedef struct {
    mp_arena arena;
    mp_invocation inv;
    mp_error err;
    char *argv[ARGS_MAX];
    int argc;
} parsed;

/* args: the arguments, separated by single newlines. Each is in a block of its own, so that a read past its end is seen. */
static mp_status parse(parsed *p, const char *args) {
    memset(p, 0, sizeof *p);
    mp_arena_init(&p->arena, NULL);
    mp_error_init(&p->err);
    p->argv[p->argc++] = strdup("mpart");
    while (*args) {
        size_t n = strcspn(args, "\n");
        p->argv[p->argc++] = strndup(args, n);
        args += n + (args[n] == '\n');
    }
    return mp_command_parse(p->argc, (const char *const *)p->argv, &p->arena, &p->inv, &p->err);
}

static void release(parsed *p) {
    for (int i = 0; i < p->argc; i++)
        free(p->argv[i]);
    mp_arena_release(&p->arena);
}

static void expect_ok(parsed *p, const char *args) {
    mp_status st = parse(p, args);
    if (st != MP_OK) print_error("%s\n%s\n", args, p->err.why);
    assert_int_equal(st, MP_OK);
    assert_int_equal(p->err.status, MP_OK);
}

static void refuse(const char *args, const char *why, const char *hint) {
    parsed p;
    mp_status st = parse(&p, args);
    if (st != MP_USAGE || !strstr(p.err.why, why) || (hint && !strstr(p.err.hint, hint)))
        print_error("%s\nwhy: %s\nhint: %s\n", args, p.err.why, p.err.hint);
    assert_int_equal(st, MP_USAGE);
    assert_int_equal(p.err.status, MP_USAGE);
    assert_non_null(strstr(p.err.why, why));
    if (hint) assert_non_null(strstr(p.err.hint, hint));
    release(&p);
}

static void test_defaults(void **state) {
    (void)state;
    parsed p;
    expect_ok(&p, "query\na.csv");
    const mp_spec *s = &p.inv.spec;
    assert_int_equal(p.inv.ask, MP_ASK_RUN);
    assert_string_equal(p.inv.command->name, "query");
    assert_int_equal(s->input.n_paths, 1);
    assert_string_equal(s->input.paths[0], "a.csv");
    assert_int_equal(s->input.quote, '"');
    assert_int_equal(s->input.delimiter, 0);
    assert_false(s->input.is_csv);
    assert_int_equal(s->input.on_bad_row, MP_BAD_ROW_FAIL);
    assert_int_equal(s->query.limit_rows, -1);
    assert_int_equal(s->query.offset_rows, 0);
    assert_null(s->query.where);
    assert_null(s->output.path);
    assert_int_equal(s->output.format, -1);
    assert_int_equal(s->run.memory_bytes, 0);
    assert_int_equal(s->run.scatter, MP_SCATTER_AUTO);
    assert_int_equal(s->run.progress, MP_AUTO);
    release(&p);
}

static void test_every_option(void **state) {
    (void)state;
    parsed p;
    expect_ok(&p, "query\na.csv\n--where\na > 1\n--select=a, "
                  "b\n--by\nc\n--agg\nsum(a)\n--having\ns > 2\n--distinct\n--sort\n-a"
                  "\n--offset\n5\n--limit=1e3\nb.csv\n-o\nx.tsv\n--memory\n1.5G\n--scratch\n/"
                  "t\n--scatter\ndata\n--plan\n--progress"
                  "\non\n-qv\n--stats\ns.json\n--delimiter\ntab\n--quote\n'\n--no-header\n--"
                  "comment\n#\n--skip-lines\n2\n"
                  "--decimal-comma\n--thousands\n.\n--date-format\n%d.%m.%Y\n--union\n--"
                  "filename\nf\n--on-bad-row\nskip\n"
                  "--rejects\nr.csv");
    const mp_spec *s = &p.inv.spec;
    assert_string_equal(s->query.where, "a > 1");
    assert_string_equal(s->query.select, "a, b");
    assert_string_equal(s->query.by, "c");
    assert_string_equal(s->query.agg, "sum(a)");
    assert_string_equal(s->query.having, "s > 2");
    assert_string_equal(s->query.sort, "-a");
    assert_true(s->query.distinct);
    assert_int_equal(s->query.offset_rows, 5);
    assert_int_equal(s->query.limit_rows, 1000);
    assert_int_equal(s->input.n_paths, 2);
    assert_string_equal(s->input.paths[1], "b.csv");
    assert_string_equal(s->output.path, "x.tsv");
    assert_int_equal(s->output.format, MP_FORMAT_TSV);
    assert_int_equal(s->run.memory_bytes, 3LL << 29);
    assert_string_equal(s->run.scratch, "/t");
    assert_int_equal(s->run.scatter, MP_SCATTER_DATA);
    assert_true(s->run.plan_only && s->run.quiet && s->run.verbose);
    assert_int_equal(s->run.progress, MP_ON);
    assert_string_equal(s->run.stats, "s.json");
    assert_int_equal(s->input.delimiter, '\t');
    assert_int_equal(s->input.quote, '\'');
    assert_true(s->input.no_header && s->input.decimal_comma && s->input.union_columns);
    assert_true(s->input.is_csv);
    assert_int_equal(s->input.comment, '#');
    assert_int_equal(s->input.skip_lines, 2);
    assert_int_equal(s->input.thousands, '.');
    assert_string_equal(s->input.date_format, "%d.%m.%Y");
    assert_string_equal(s->input.filename_column, "f");
    assert_int_equal(s->input.on_bad_row, MP_BAD_ROW_SKIP);
    assert_string_equal(s->input.rejects, "r.csv");
    release(&p);
}

static void test_forms_of_options(void **state) {
    (void)state;
    parsed p;
    expect_ok(&p, "-ox.csv\nquery\n--\n--limit\n-");
    assert_string_equal(p.inv.spec.output.path, "x.csv");
    assert_int_equal(p.inv.spec.input.n_paths, 2);
    assert_string_equal(p.inv.spec.input.paths[0], "--limit");
    assert_string_equal(p.inv.spec.input.paths[1], "-");
    release(&p);
    expect_ok(&p,
              "--scratch\nquery\ninfo\na.csv\n--json"); /* the value of an option is no command */
    assert_string_equal(p.inv.command->name, "info");
    assert_true(p.inv.json);
    release(&p);
}

static void test_formats(void **state) {
    (void)state;
    parsed p;
    expect_ok(&p, "query\n-\n--input-format\ntsv");
    assert_true(p.inv.spec.input.tsv && p.inv.spec.input.is_csv);
    release(&p);
    expect_ok(&p, "query\na\n--names\na,b");
    assert_true(!p.inv.spec.input.tsv && p.inv.spec.input.is_csv);
    release(&p);
    expect_ok(&p, "query\na\n--quote\nnone");
    assert_int_equal(p.inv.spec.input.quote, 0);
    assert_true(p.inv.spec.input.is_csv);
    release(&p);
    expect_ok(&p, "query\na\n-o\nx.parquet\n--format\nndjson");
    assert_int_equal(p.inv.spec.output.format, MP_FORMAT_NDJSON);
    release(&p);
    expect_ok(&p, "query\na\n-o\nx");
    assert_int_equal(p.inv.spec.output.format, MP_FORMAT_CSV);
    release(&p);
    refuse("query\na\n-o\nx.parquet", "names no format", "--format");
    expect_ok(&p, "query\na\n-o\nx.tsv.gz");
    assert_int_equal(p.inv.spec.output.format, MP_FORMAT_TSV);
    release(&p);
    refuse("query\na\n-o\nx.parquet.gz", "names no format", "--format");
    refuse("query\na\n--format\nh5", "HDF5 cannot be written to standard output", "-o x.h5");
    refuse("query\na\n-o\nx.gz\n--format\nh5", "packed inside", NULL);
    refuse("query\na\n-o\nx.csv\n--h5-level\n3", "the output is not HDF5", "--format h5");
    refuse("query\na\n-o\nx.h5\n--h5-level\n10", "levels 1 to 9", NULL);
    refuse("query\na\n-o\nx.h5\n--h5-level\n1\n--h5-compress\nlzf", "for deflate alone", NULL);
    refuse("query\na\n-o\nx.h5\n--h5-path\ndata", "does not begin with a slash", NULL);
    refuse("query\na\n-o\nx.h5\n--h5-path\n/a//b", "a part of it is empty", NULL);
    expect_ok(&p, "query\na\n--input-format\nlines");
    assert_int_equal(p.inv.spec.input.format, MP_READ_LINES);
    assert_false(p.inv.spec.input.is_csv);
    release(&p);
    refuse("query\na\n--input-format\nndjson\n--names\na", "are for CSV alone", NULL);
    expect_ok(&p, "query\na\n--input-format\nh5");
    assert_int_equal(p.inv.spec.input.format, MP_READ_H5);
    release(&p);
}

static void test_lists(void **state) {
    (void)state;
    parsed p;
    expect_ok(&p, "info\na\n--null\nNA\n--null\n\n--null\n-\n--names\na, b c ,`d,``e`,,f"
                  "\n--types\na:int64, b c : string ,`x:y,z`:date\n--types\nq:bool");
    const mp_input_spec *in = &p.inv.spec.input;
    assert_int_equal(in->n_nulls, 3);
    assert_string_equal(in->nulls[0], "NA");
    assert_string_equal(in->nulls[1], "");
    assert_string_equal(in->nulls[2], "-");
    static const char *const names[] = {"a", "b c", "d,`e", "", "f"};
    assert_int_equal(in->n_names, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(in->names[i], names[i]);
    assert_int_equal(in->n_types, 4);
    assert_string_equal(in->types[0].name, "a");
    assert_int_equal(in->types[0].type, MP_INT64);
    assert_string_equal(in->types[1].name, "b c");
    assert_int_equal(in->types[1].type, MP_STRING);
    assert_string_equal(in->types[2].name, "x:y,z");
    assert_int_equal(in->types[2].type, MP_DATE);
    assert_string_equal(in->types[3].name, "q");
    assert_int_equal(in->types[3].type, MP_BOOL);
    release(&p);
    refuse("info\na\n--names\n`a", "not a list of names", "backticks");
    refuse("info\na\n--names\n`a`b", "not a list of names", "backticks");
    refuse("info\na\n--types\na", "not a list like", "backticks");
    refuse("info\na\n--types\na:int64,b", "not a list like", NULL);
    refuse("info\na\n--types\na:", "'' is not a type", "int64");
    refuse("info\na\n--types\na:strin", "'strin' is not a type", "'string'");
    refuse("info\na\n--types\na:null", "is not a type", NULL);
    /* the last list of names wins */
    expect_ok(&p, "info\na\n--names\na,b,c\n--names\nd");
    assert_int_equal(p.inv.spec.input.n_names, 1);
    assert_string_equal(p.inv.spec.input.names[0], "d");
    release(&p);
}

static void test_long_lists(void **state) {
    (void)state;
    enum { N = 5000 };
    char *args = malloc(N * 8 + 64), *at = args;
    at += snprintf(at, 32, "info\na\n--names\n");
    for (int i = 0; i < N; i++)
        at += snprintf(at, 16, "%sc%d", i ? "," : "", i);
    parsed p;
    expect_ok(&p, args);
    assert_int_equal(p.inv.spec.input.n_names, N);
    for (int i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        assert_string_equal(p.inv.spec.input.names[i], name);
    }
    release(&p);
    free(args);
}

static void test_counts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t v;
    } good[] = {{"0", 0},
                {"7", 7},
                {"007", 7},
                {"1e6", 1000000},
                {"1E+6", 1000000},
                {"2.5e3", 2500},
                {"1.50e1", 15},
                {"3.0", 3},
                {"9223372036854775807", INT64_MAX},
                {"9e18", 9000000000000000000},
                {"0e999999", 0},
                {"1e0", 1},
                {"0.5e1", 5}};
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      "1.5",
                                      "1e",
                                      "e5",
                                      "1e-3",
                                      "9223372036854775808",
                                      "1e19",
                                      "1 ",
                                      " 1",
                                      "1k",
                                      "0x10",
                                      "1..2",
                                      ".",
                                      "1.2.3",
                                      "nan",
                                      "1e6x",
                                      "1_0",
                                      "2.55e1",
                                      "1e99999999999",
                                      "18446744073709551617"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t v = -1;
        assert_true(mp_count_parse(good[i].text, &v));
        assert_int_equal(v, good[i].v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t v = -1;
        if (mp_count_parse(bad[i], &v)) print_error("'%s' was read\n", bad[i]);
        assert_int_equal(v, -1);
    }
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t v;
    } good[] = {
        {"4096", 4096},          {"512M", 512LL << 20}, {"2G", 2LL << 30}, {"1.5G", 3LL << 29},
        {"1638M", 1638LL << 20}, {"1k", 1024},          {"3T", 3LL << 40}, {"0.5K", 512},
        {"64KiB", 65536},        {"64KB", 65536},       {"10b", 10},       {"1.1K", 1126}};
    static const char *const bad[] = {"",
                                      "G",
                                      "-1G",
                                      "1P",
                                      "1GG",
                                      "1 G",
                                      "1e3",
                                      "12Q",
                                      "9000000T",
                                      "1.5.5G",
                                      "0.0000000000000000000001G"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t v = -1;
        assert_true(mp_size_parse(good[i].text, &v));
        assert_int_equal(v, good[i].v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t v = -1;
        if (mp_size_parse(bad[i], &v)) print_error("'%s' was read\n", bad[i]);
        assert_int_equal(v, -1);
    }
}

static void test_refusals(void **state) {
    (void)state;
    refuse("qery\na.csv", "unknown command 'qery'", "'query'");
    refuse("join\na\nb", "unknown command 'join'", "--help");
    refuse("--memory\n1G", "no command", "--help");
    refuse("query", "no input", "-");
    refuse("query\n--limit\n3", "no input", NULL);
    refuse("query\na\n--lmit\n3", "unknown option '--lmit'", "'--limit'");
    refuse("query\na\n--run-dir\nx", "unknown option '--run-dir'", NULL);
    refuse("query\na\n--=3", "unknown option '--'", NULL);
    refuse("query\na\n-z", "unknown option '-z'", NULL);
    refuse("info\na\n--where\nx", "unknown option '--where'", NULL);
    refuse("query\na\n--where", "needs a value: --where EXPR", NULL);
    refuse("query\na\n-o", "option '--output' needs a value", NULL);
    refuse("query\na\n--where=", "is empty", NULL);
    refuse("query\na\n--plan=1", "takes no value", NULL);
    refuse("query\na\n--limit\n-1", "not a whole number", NULL);
    refuse("query\na\n--memory\n0", "less than 1 bytes", NULL);
    refuse("query\na\n--delimiter\n::", "not one byte or one of: tab", NULL);
    refuse("query\na\n--delimiter=", "not one byte", NULL);
    refuse("query\na\n--comment\n\xc3\xa9", "not one byte", NULL);
    refuse("query\na\n--comment\n,\n--delimiter\n,", "same as delimiter", NULL);
    refuse("query\na\n--quote\n,\n--delimiter\n,", "same byte", NULL);
    refuse("query\na\n--thousands\n,\n--decimal-comma", "another meaning", NULL);
    refuse("query\na\n--date-format\n%H", "", NULL);
    refuse("gen\norders\n-o\nx", "'--rows' is missing", "mpart gen orders");
    refuse("gen\norders\n--rows\n5", "'-o' is missing", NULL);
    refuse("gen\njoins\n--rows\n5\n-o\nx", "'joins' is not one of", "'join'");
    refuse("gen\njoin\norders\n--rows\n5\n-o\nx", "more than one kind", NULL);
    refuse("gen\norders\n--rows\n5\n-o\nx.xls", "names no format", NULL);
    refuse("help\nnosuch", "unknown command 'nosuch'", NULL);
    /* a name far longer than any message */
    char args[5000] = "query\na\n--";
    memset(args + strlen(args), 'x', 4000);
    refuse(args, "unknown option '--xxx", NULL);
}

static void test_text_alone(void **state) {
    (void)state;
    static const struct {
        const char *args;
        mp_ask ask;
        const char *text;
    } lines[] = {{"", MP_ASK_OVERVIEW, "commands:"},
                 {"--help", MP_ASK_OVERVIEW, "commands:"},
                 {"help", MP_ASK_OVERVIEW, "commands:"},
                 {"--version", MP_ASK_VERSION, "hdf5"},
                 {"query\n--version", MP_ASK_VERSION, "hdf5"},
                 {"help\ngen", MP_ASK_HELP, "usage: mpart gen"},
                 {"info\n-h", MP_ASK_HELP, "usage: mpart info"},
                 {"--help\nquery", MP_ASK_HELP, "usage: mpart query"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        parsed p;
        mp_buf out;
        mp_buf_init(&out, NULL);
        expect_ok(&p, lines[i].args);
        assert_int_equal(p.inv.ask, lines[i].ask);
        mp_command_answer(&p.inv, &out);
        mp_buf_u8(&out, 0);
        assert_false(out.failed);
        assert_non_null(strstr((const char *)out.data, lines[i].text));
        mp_buf_release(&out);
        release(&p);
    }
}

/* One table feeds everything: no name or letter stands twice in a command, and each is in its help. */
static void test_tables(void **state) {
    (void)state;
    for (const mp_command *c = mp_commands(); c->name; c++) {
        mp_buf out;
        mp_buf_init(&out, NULL);
        mp_options_help(&c->options, &out);
        mp_buf_u8(&out, 0);
        for (const mp_option_group *const *g = c->options.groups; *g; g++)
            for (int i = 0; i < (*g)->n_options; i++) {
                const mp_option *o = &(*g)->options[i];
                char label[64];
                assert_ptr_equal(mp_option_find(&c->options, o->name, strlen(o->name)), o);
                if (o->letter) assert_ptr_equal(mp_option_letter(&c->options, o->letter), o);
                assert_true((o->kind == MP_OPT_FLAG) == (o->arg == NULL));
                snprintf(label, sizeof label, "--%s%s%s", o->name, o->arg ? " " : "",
                         o->arg ? o->arg : "");
                assert_non_null(strstr((const char *)out.data, label));
            }
        mp_buf_release(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_option),
        cmocka_unit_test(test_forms_of_options),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_text_alone),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
