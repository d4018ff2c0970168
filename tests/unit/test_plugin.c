/* test_plugin.c - plug-ins in a process of their own and in this one: what comes out, and what is left of a shard, and of
 * this process, when they misbehave. The program is its own worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/output/output.h"
#include "op/plugin/plugin_serve.h"
#include "op/plugin/plugin_worker.h"

static mp_spawner *spawner;
static int epoll_fd;
static char plugins[4096], test_plugins[4096];
static mp_buf out, said;

static int begin(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    /* crashes are to be signals in the sanitized build, too */
    setenv("ASAN_OPTIONS", "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_abort=0", 1);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    mp_buf_init(&out, NULL);
    mp_buf_init(&said, NULL);
    return mp_spawner_new(NULL, &spawner, NULL) == MP_OK ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    mp_spawner_free(&spawner);
    mp_buf_release(&out);
    mp_buf_release(&said);
    close(epoll_fd);
    return 0;
}

/* ---- a table to work on: lines, and their numbers ---- */

static const mp_field input_fields[] = {{"line", MP_STRING, 0, 0}, {"i", MP_INT64, 0, 0}};
static const mp_schema input = {.n = 2, .fields = (mp_field *)(uintptr_t)input_fields};
enum { ROWS = 1000 };
static char texts[ROWS][24];
static mp_str strs[ROWS];
static int64_t numbers[ROWS];

static mp_batch rows(int64_t first) {
    static mp_col cols[2];
    for (int i = 0; i < ROWS; i++) {
        int n = snprintf(texts[i], sizeof texts[i], "line %lld of a text", (long long)(first + i));
        strs[i] = mp_str_of(texts[i], (size_t)n);
        numbers[i] = first + i;
    }
    cols[0] = (mp_col){.type = MP_STRING, .str = strs};
    cols[1] = (mp_col){.type = MP_INT64, .i64 = numbers};
    return (mp_batch){.n_rows = ROWS, .n_cols = 2, .cols = cols};
}

/* ---- one shard ---- */

static mp_status take_rows(void *ctx, const mp_batch *batch, mp_error *err) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    mp_text_args a = {
        .format = MP_FORMAT_CSV, .delimiter = ',', .n_cols = batch->n_cols, .names = names};
    (void)ctx;
    mp_text_rows(&a, batch, &out, NULL);
    return mp_buf_check(&out, err);
}

static mp_status take_errors(void *ctx, const uint8_t *bytes, size_t n, mp_error *err) {
    (void)ctx;
    mp_buf_put(&said, bytes, n);
    return mp_buf_check(&said, err);
}

static mp_worker_args args_of(const char *plugin, const char *const *args, int n) {
    return (mp_worker_args){.spawner = spawner,
                            .program = "/proc/self/exe",
                            .plugin = plugin,
                            .n_args = n,
                            .args = args,
                            .input = &input,
                            .epoll_fd = epoll_fd,
                            .rows = take_rows,
                            .err = take_errors};
}

static bool step(mp_worker *w) {
    bool did = false, done = false;
    mp_error err = MP_ERROR_INIT;
    assert_int_equal(mp_worker_step(w, &did, &done, &err), MP_OK);
    struct pollfd p = {.fd = epoll_fd, .events = POLLIN};
    if (!did && !done) (void)poll(&p, 1, (int)(mp_worker_patience(w) / 1000000) + 1);
    return done;
}

/* n_batches of rows as shard number `shard`. */
static const mp_worker_result *run_shard(mp_worker *w, int64_t shard, int n_batches,
                                         double timeout_s) {
    mp_error err = MP_ERROR_INIT;
    bool done = false;
    mp_buf_clear(&out);
    mp_buf_clear(&said);
    assert_int_equal(mp_worker_begin(w, shard, (int64_t)(timeout_s * 1e9), &err), MP_OK);
    for (int i = 0; i < n_batches; i++) {
        mp_batch batch = rows((int64_t)i * ROWS);
        assert_int_equal(mp_worker_push(w, &batch, &err), MP_OK);
        while (mp_worker_full(w))
            step(w);
    }
    assert_int_equal(mp_worker_finish(w, false, &err), MP_OK);
    while (!done)
        done = step(w);
    return mp_worker_result_of(w);
}

static const char *text_of(mp_buf *b) {
    mp_buf_u8(b, 0);
    return (const char *)b->data;
}

static const char *path(const char *name) {
    static char text[8192];
    snprintf(text, sizeof text, "%s/%s.so", plugins, name);
    return text;
}

/* Rows as they should come back. */
static void assert_same_rows(int n_batches) {
    mp_buf want;
    mp_buf_init(&want, NULL);
    for (int i = 0; i < n_batches * ROWS; i++)
        mp_buf_printf(&want, "line %d of a text,%d\n", i, i);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.data, want.data, want.len);
    mp_buf_release(&want);
}

/* ---- what works ---- */

static void test_pass(void **state) {
    (void)state;
    for (int inside = 0; inside < 2; inside++) {
        mp_worker *w;
        int n_keys = -1;
        mp_worker_args a = args_of(path("hostile"), NULL, 0);
        a.in_process = inside;
        assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
        assert_null(mp_worker_output(w, &n_keys));
        static const int sizes[] = {0, 1, 3, 200};
        for (int i = 0; i < 4; i++) {
            const mp_worker_result *r = run_shard(w, i, sizes[i], 0);
            assert_int_equal(r->outcome, MP_WORKER_OK);
            assert_int_equal(r->error.status, MP_OK);
            assert_same_rows(sizes[i]);
        }
        const mp_schema *s = mp_worker_output(w, &n_keys);
        assert_non_null(s);
        assert_int_equal(n_keys, 0);
        assert_int_equal(s->n, 2);
        assert_string_equal(s->fields[0].name, "line");
        assert_int_equal(s->fields[1].type, MP_INT64);
        mp_worker_free(&w);
    }
}

static void test_cancel(void **state) {
    (void)state;
    for (int inside = 0; inside < 2; inside++) {
        mp_worker *w;
        int n_keys = -1;
        mp_error err = MP_ERROR_INIT;
        mp_worker_args a = args_of(path("wordcount"), NULL, 0);
        a.in_process = inside;
        assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
        assert_int_equal(mp_worker_begin(w, 0, 0, &err), MP_OK);
        assert_int_equal(mp_worker_finish(w, true, &err), MP_OK);
        while (!step(w))
            ;
        const mp_schema *s = mp_worker_output(w, &n_keys);
        assert_non_null(s);
        assert_int_equal(n_keys, 1);
        assert_string_equal(s->fields[0].name, "word");
        assert_string_equal(s->fields[1].name, "count");
        mp_worker_free(&w);
    }
}

static void test_wordcount(void **state) {
    (void)state;
    mp_worker *w;
    mp_worker_args a = args_of(path("wordcount"), NULL, 0);
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    for (int64_t shard = 0; shard < 2; shard++) {
        assert_int_equal(run_shard(w, shard, 20, 0)->outcome, MP_WORKER_OK);
        static const char begins[] = "line,20000\n0,1\nof,20000\na,20000\ntext,20000\n1,1\n2,1\n";
        assert_memory_equal(out.data, begins, sizeof begins - 1);
        int lines = 0;
        for (size_t i = 0; i < out.len; i++)
            lines += out.data[i] == '\n';
        assert_int_equal(lines, 20004);
    }
    mp_worker_free(&w);
}

/* The rows of a shard, given as the rows of two shards to a combining instance. */
static void test_combine(void **state) {
    (void)state;
    static const mp_field counted_fields[] = {{"word", MP_STRING, 0, 0}, {"count", MP_INT64, 0, 0}};
    static const mp_schema counted = {.n = 2, .fields = (mp_field *)(uintptr_t)counted_fields};
    mp_worker *w;
    mp_worker_args a = args_of(path("wordcount"), NULL, 0);
    a.input = &counted;
    a.role = MPART_COMBINE;
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    mp_str words[] = {mp_str_c("a"), mp_str_c("a word of more than 16 bytes"), mp_str_c("a"),
                      mp_str_c("a word of more than 16 bytes"), mp_str_c("")};
    int64_t counts[] = {1, 2, 40, 500, 7};
    mp_col cols[] = {{.type = MP_STRING, .str = words}, {.type = MP_INT64, .i64 = counts}};
    mp_batch batch = {.n_rows = 5, .n_cols = 2, .cols = cols};
    mp_error err = MP_ERROR_INIT;
    mp_buf_clear(&out);
    assert_int_equal(mp_worker_begin(w, 0, 0, &err), MP_OK);
    assert_int_equal(mp_worker_push(w, &batch, &err), MP_OK);
    assert_int_equal(mp_worker_finish(w, false, &err), MP_OK);
    while (!step(w))
        ;
    assert_int_equal(mp_worker_result_of(w)->outcome, MP_WORKER_OK);
    assert_string_equal(text_of(&out), "a,41\na word of more than 16 bytes,502\n\"\",7\n");
    mp_worker_free(&w);
}

static void test_linreg(void **state) {
    (void)state;
    static const char *const args[] = {"x=i", "y=i"};
    static const char *const bad[] = {"x=i", "y=none"};
    mp_worker *w;
    mp_worker_args a = args_of(path("linreg"), args, 2);
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    assert_int_equal(run_shard(w, 0, 1, 0)->outcome, MP_WORKER_OK);
    const char *text = text_of(&out);
    assert_memory_equal(text, "all,1000,499.", 13);
    double m[5];
    assert_int_equal(sscanf(text + 9, "%lf,%lf,%lf,%lf,%lf", &m[0], &m[1], &m[2], &m[3], &m[4]), 5);
    assert_true(m[0] - 499.5 < 1e-9 && m[0] - 499.5 > -1e-9);
    assert_true(m[2] / 83333250.0 < 1 + 1e-12 && m[2] / 83333250.0 > 1 - 1e-12);
    mp_worker_free(&w);
    a = args_of(path("linreg"), bad, 2);
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    const mp_worker_result *r = run_shard(w, 0, 1, 0);
    assert_int_equal(r->outcome, MP_WORKER_FAILED);
    assert_string_equal(r->error.why, "there is no column 'none'");
    mp_worker_free(&w);
}

/* ---- what does not ---- */

typedef struct {
    const char *what, *where;
    mp_worker_outcome outcome;
    int code; /* -1: any */
    const char *why;
    bool inside; /* also without a process of its own */
} trouble;

static const trouble troubles[] = {
    {"crash", "process", MP_WORKER_SIGNAL, SIGSEGV, "signal 11 (Segmentation fault)", false},
    {"crash", "open", MP_WORKER_SIGNAL, SIGSEGV, "in open", false},
    {"crash", "finish", MP_WORKER_SIGNAL, SIGSEGV, "in finish", false},
    {"crash", "close", MP_WORKER_SIGNAL, SIGSEGV, "in finish or close", false},
    {"abort", "process", MP_WORKER_SIGNAL, SIGABRT, "signal 6", false},
    {"oob", "process", MP_WORKER_SIGNAL, -1, "signal 11|exit code", false},
    {"exit", "process", MP_WORKER_EXIT, 0, "exit code 0", false},
    {"exit", "open", MP_WORKER_EXIT, 0, "exit code 0, in open", false},
    {"exit", "finish", MP_WORKER_EXIT, 0, "exit code 0", false},
    {"close", "process", MP_WORKER_EXIT, 0, "exit code 0", false},
    {"error", "process", MP_WORKER_FAILED, 0, "it was told to fail", true},
    {"error", "open", MP_WORKER_FAILED, 0, "it was told to fail", true},
    {"error", "finish", MP_WORKER_FAILED, 0, "it was told to fail", true},
    {"keep", "process", MP_WORKER_FAILED, 0, "kept a part of its batch", true},
    {"nulls", "process", MP_WORKER_FAILED, 0, "no bits that say which|says 2 nulls", true},
    {"offsets", "process", MP_WORKER_FAILED, 0, "offsets that fall", true},
    {"negative", "process", MP_WORKER_FAILED, 0, "below 0", true},
    {"short", "process", MP_WORKER_FAILED, 0, "shorter than its batch", true},
    {"length", "process", MP_WORKER_FAILED, 0, "out of range", true},
    {"huge", "process", MP_WORKER_FAILED, 0, "out of range", true},
    {"offset", "process", MP_WORKER_FAILED, 0, "out of range", true},
    {"fork", "process", MP_WORKER_SIGNAL, SIGSEGV, "signal 11 (Segmentation fault), in process",
     false},
    {"memory", "process", MP_WORKER_SIGNAL, -1, "signal|exit code", false},
    {"columns", "process", MP_WORKER_FAILED, 0, "1 columns, its schema 2", true},
    {"buffers", "process", MP_WORKER_FAILED, 0, "number of buffers", true},
    {"nul", "process", MP_WORKER_FAILED, 0, "row 2: a text with a NUL byte", true},
    {"missing", "process", MP_WORKER_FAILED, 0, "values are missing", true},
    {"released", "process", MP_WORKER_FAILED, 0, "released already", true},
    {"nested", "process", MP_WORKER_FAILED, 0, "format '+l' cannot be taken", true},
    {"empty", "process", MP_WORKER_FAILED, 0, "there is none", true},
    {"keys", "process", MP_WORKER_FAILED, 0, "99 key columns", true},
    {"outside", "process", MP_WORKER_SIGNAL, -1, "signal|exit code|NUL byte",
     false}, /* or a sanitizer's exit, or what is there is no text */
};

static bool says(const char *text, const char *alternatives) {
    char one[128];
    for (const char *p = alternatives; *p;) {
        size_t n = strcspn(p, "|");
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        if (strstr(text, one)) return true;
        p += n + (p[n] == '|');
    }
    return false;
}

/* In shard 1 of 0, 1, 2: the others are as they should be, by the same worker. */
static void try_trouble(const trouble *t, bool inside) {
    char what[64], where[64];
    bool own_rows = t->outcome == MP_WORKER_FAILED && strcmp(t->where, "process") == 0 &&
                    strcmp(t->what, "error") != 0 && strcmp(t->what, "keep") != 0;
    snprintf(what, sizeof what, "do=%s", t->what);
    snprintf(where, sizeof where, "in=%s", t->where);
    const char *args[] = {what, where, "shard=1"};
    mp_worker *w;
    mp_worker_args a = args_of(path("hostile"), args, 3);
    a.in_process = inside;
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    for (int64_t shard = 0; shard < 3; shard++) {
        const mp_worker_result *r = run_shard(w, shard, 30, 20);
        bool fine = shard != 1;
        if (!strcmp(t->what, "nested") || !strcmp(t->what, "keys") || !strcmp(t->what, "empty"))
            fine = false;
        if (fine) {
            if (r->outcome != MP_WORKER_OK)
                fail_msg("%s in %s, shard %d: %s", t->what, t->where, (int)shard, r->error.why);
            if (!own_rows && strcmp(t->what, "outside") != 0) assert_same_rows(30);
            continue;
        }
        bool open = t->code < 0 && r->outcome != MP_WORKER_OK; /* how it ends depends */
        if ((r->outcome != t->outcome && !open) || (t->code >= 0 && r->code != t->code) ||
            !says(r->error.why, t->why))
            fail_msg("%s in %s: outcome %d, code %d, '%s': %s", t->what, t->where, r->outcome,
                     r->code, r->error.what, r->error.why);
        assert_string_equal(r->error.file, a.plugin);
    }
    mp_worker_free(&w);
}

static void test_trouble(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        try_trouble(&troubles[i], false);
        if (troubles[i].inside) try_trouble(&troubles[i], true);
    }
}

static void test_hang(void **state) {
    (void)state;
    static const char *const kinds[] = {"do=hang", "do=spin", "do=forever"};
    for (int i = 0; i < 3; i++) {
        const char *args[] = {kinds[i], "shard=1"};
        mp_worker *w;
        mp_worker_args a = args_of(path("hostile"), args, 2);
        assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
        const mp_worker_result *r = run_shard(w, 1, 30, 0.3);
        assert_int_equal(r->outcome, MP_WORKER_TIMEOUT);
        assert_non_null(strstr(r->error.why, "0.3 s were over, in process"));
        assert_true(r->run_ns >= 300000000 && r->run_ns < 10000000000);
        assert_int_equal(run_shard(w, 2, 30, 20)->outcome, MP_WORKER_OK);
        mp_worker_free(&w);
    }
}

/* Values larger than a slot, in both directions. */
static void test_large_values(void **state) {
    (void)state;
    static const char *const args[] = {"do=big"};
    mp_worker *w;
    mp_worker_args a = args_of(path("hostile"), args, 1);
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    assert_int_equal(run_shard(w, 0, 2, 0)->outcome, MP_WORKER_OK);
    assert_int_equal(out.len, 2 * ((3 << 20) + 3));
    mp_worker_free(&w);

    a = args_of(path("hostile"), NULL, 0);
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    for (int64_t shard = 0; shard < 2; shard++) {
        size_t n = (size_t)5 << 20;
        char *text = malloc(n);
        memset(text, 'y', n);
        mp_str str = mp_str_of(text, n);
        mp_col cols[] = {{.type = MP_STRING, .str = &str}, {.type = MP_INT64, .i64 = numbers}};
        mp_batch large = {.n_rows = 1, .n_cols = 2, .cols = cols}, small = rows(0);
        mp_error err = MP_ERROR_INIT;
        mp_buf_clear(&out);
        assert_int_equal(mp_worker_begin(w, shard, 0, &err), MP_OK);
        for (int i = 0; i < 9; i++) {
            assert_int_equal(mp_worker_push(w, i % 3 == 1 ? &large : &small, &err), MP_OK);
            while (mp_worker_full(w))
                step(w);
        }
        assert_int_equal(mp_worker_finish(w, false, &err), MP_OK);
        while (!step(w))
            ;
        assert_int_equal(mp_worker_result_of(w)->outcome, MP_WORKER_OK);
        assert_true(out.len > 3 * n && out.len < 3 * n + 6 * ROWS * 40);
        free(text);
    }
    mp_worker_free(&w);
}

/* Text is bytes: what is no UTF-8 passes. */
static void test_bytes(void **state) {
    (void)state;
    static const char *const args[] = {"do=utf8"};
    for (int inside = 0; inside < 2; inside++) {
        mp_worker *w;
        mp_worker_args a = args_of(path("hostile"), args, 1);
        a.in_process = inside;
        assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
        assert_int_equal(run_shard(w, 0, 1, 0)->outcome, MP_WORKER_OK);
        assert_string_equal(text_of(&out), "\xFF\xC0"
                                           "c,0\nabc,1\n");
        mp_worker_free(&w);
    }
}

/* What a plug-in forked goes with its process, and the next shard does not wait for it. */
static void test_fork(void **state) {
    (void)state;
    static const char *const args[] = {"do=fork", "shard=1"};
    mp_worker *w;
    mp_worker_args a = args_of(path("hostile"), args, 2);
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    const mp_worker_result *r = run_shard(w, 1, 30, 20);
    assert_int_equal(r->outcome, MP_WORKER_SIGNAL);
    assert_true(r->run_ns < 5000000000);
    assert_int_equal(run_shard(w, 2, 30, 20)->outcome, MP_WORKER_OK);
    mp_worker_free(&w);
}

static void test_what_it_prints(void **state) {
    (void)state;
    static const char *const args[] = {"do=print", "in=open"};
    mp_worker *w;
    mp_worker_args a = args_of(path("hostile"), args, 2);
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    assert_int_equal(run_shard(w, 0, 1, 0)->outcome, MP_WORKER_OK);
    assert_same_rows(1);
    mp_worker_free(&w);
}

/* ---- what is no plug-in ---- */

static void assert_no_load(const char *file, mp_worker_outcome outcome, mp_status status,
                           const char *why, bool inside) {
    mp_worker *w;
    mp_worker_args a = args_of(file, NULL, 0);
    a.in_process = inside;
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    for (int i = 0; i < 2; i++) {
        const mp_worker_result *r = run_shard(w, i, 3, 20);
        if (r->outcome != outcome || r->error.status != (int)status || !strstr(r->error.why, why))
            fail_msg("%s: outcome %d, status %d: %s: %s", file, r->outcome, r->error.status,
                     r->error.what, r->error.why);
        assert_string_equal(r->error.file, file);
    }
    mp_worker_free(&w);
}

static void test_no_plugins(void **state) {
    (void)state;
    char file[8192];
    for (int inside = 0; inside < 2; inside++) {
        assert_no_load("none.so", MP_WORKER_NO_LOAD, MP_IO, "No such file", inside);
        assert_no_load("/", MP_WORKER_NO_LOAD, MP_USAGE, "not a regular file", inside);
        assert_no_load("/proc/self/exe", MP_WORKER_NO_LOAD, MP_USAGE, "", inside);
        snprintf(file, sizeof file, "%s/no_symbol.so", test_plugins);
        assert_no_load(file, MP_WORKER_NO_LOAD, MP_USAGE, "no function mpart_plugin_entry", inside);
        snprintf(file, sizeof file, "%s/old_abi.so", test_plugins);
        assert_no_load(file, MP_WORKER_NO_LOAD, MP_USAGE, "has version 42 of the plug-in ABI",
                       inside);
    }
    snprintf(file, sizeof file, "%s/crash_on_load.so", test_plugins);
    assert_no_load(file, MP_WORKER_SIGNAL, MP_FAILED, "while it was loaded", false);
}

static void test_no_program(void **state) {
    (void)state;
    mp_worker *w;
    mp_worker_args a = args_of(path("hostile"), NULL, 0);
    a.program = "/nowhere/mpart";
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    const mp_worker_result *r = run_shard(w, 0, 3, 20);
    assert_int_equal(r->outcome, MP_WORKER_NO_LOAD);
    assert_int_equal(r->error.status, MP_IO);
    mp_worker_free(&w);
    a.program = "/bin/cat"; /* reads a line that says nothing to it */
    assert_int_equal(mp_worker_new(&a, &w, NULL), MP_OK);
    r = run_shard(w, 0, 3, 20);
    assert_true(r->outcome == MP_WORKER_EXIT || r->outcome == MP_WORKER_FAILED);
    mp_worker_free(&w);
}

/* No budget for the slots: an error of the shard, and nothing is counted in the end. */
static void test_memory(void **state) {
    (void)state;
    for (int64_t limit = 0; limit < 4 << 20; limit += limit ? limit / 2 : 4000) {
        mp_mem mem;
        mp_worker *w = NULL;
        mp_error err = MP_ERROR_INIT;
        bool did, done;
        mp_mem_init(&mem, limit + 1);
        mp_worker_args a = args_of(path("hostile"), NULL, 0);
        a.mem = &mem;
        mp_status st = mp_worker_new(&a, &w, &err);
        if (st == MP_OK) st = mp_worker_begin(w, 0, 0, &err);
        mp_batch batch = rows(0);
        if (st == MP_OK) st = mp_worker_push(w, &batch, &err);
        if (st == MP_OK) st = mp_worker_finish(w, false, &err);
        for (done = false; st == MP_OK && !done;)
            st = mp_worker_step(w, &did, &done, &err);
        if (st == MP_OK && mp_worker_result_of(w)->outcome != MP_WORKER_OK)
            st = (mp_status)mp_worker_result_of(w)->error.status;
        assert_true(st == MP_OK || st == MP_NOMEM);
        if (limit < 100000) assert_int_equal(st, MP_NOMEM);
        mp_worker_free(&w);
        assert_int_equal(mem.used_bytes, 0);
    }
}

int main(int argc, char **argv) {
    if (mp_plugin_is_worker(argc, argv)) return mp_plugin_serve(argc, argv);
    /* build/tests/unit/test_plugin: build/plugins, build/tests/plugins */
    char self[4000];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    for (int i = 0; i < 3 && n > 0; i++)
        while (n > 0 && self[--n] != '/')
            ;
    snprintf(plugins, sizeof plugins, "%.*s/plugins", (int)(n > 0 ? n : 0), self);
    snprintf(test_plugins, sizeof test_plugins, "%.*s/tests/plugins", (int)(n > 0 ? n : 0), self);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pass),           cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_wordcount),      cmocka_unit_test(test_combine),
        cmocka_unit_test(test_linreg),         cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_bytes),          cmocka_unit_test(test_fork),
        cmocka_unit_test(test_hang),           cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_what_it_prints), cmocka_unit_test(test_no_plugins),
        cmocka_unit_test(test_no_program),     cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
