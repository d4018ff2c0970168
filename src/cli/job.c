/* job.c - from rank 0's arguments to the agreed end of the job.
 * Invariant: whatever fails on one rank is agreed on before the next collective call; all ranks return the same status. */
#include "cli/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/about.h"
#include "cli/budget.h"
#include "cli/commands.h"
#include "io/output/output.h"
#include "run/fault.h"
#include "run/progress.h"

/* Read by tests and by the SIMD choice: rank 0's values hold everywhere. */
static const char *const shared_variables[] = {"MPART_GUESS", "MPART_TEST_SPLITS",
                                               "MPART_TEST_FAIL", "MPART_SIMD"};
enum { N_SHARED = (int)(sizeof shared_variables / sizeof *shared_variables) };

/* ---- before MPI_Init ---- */

bool mp_job_early(int argc, const char *const *argv, mp_buf *out) {
    const char *fail = getenv("MPART_TEST_FAIL");
    if (fail && strcmp(fail, "list") == 0) {
        for (const mp_fault_phase *p = mp_fault_phases(); p->name; p++)
            mp_buf_printf(out, "%-10s %s\n", p->name, p->words);
        return true;
    }
    mp_arena arena;
    mp_arena_init(&arena, NULL);
    mp_invocation inv;
    bool text = mp_command_parse(argc, argv, &arena, &inv, NULL) == MP_OK && inv.ask != MP_ASK_RUN;
    if (text) mp_command_answer(&inv, out);
    mp_arena_release(&arena);
    return text;
}

/* ---- rank 0's arguments on every rank ---- */

typedef struct {
    mp_arena arena;
    int argc;
    const char **argv;
    mp_invocation inv;
} job;

static void pack_arguments(int argc, const char *const *argv, mp_buf *b) {
    char folder[4096];
    mp_buf_text(b, getcwd(folder, sizeof folder));
    for (int i = 0; i < N_SHARED; i++)
        mp_buf_text(b, getenv(shared_variables[i]));
    mp_buf_u32(b, (uint32_t)argc);
    for (int i = 0; i < argc; i++)
        mp_buf_text(b, argv[i]);
}

/* A folder that does not exist on this host is no error here: with --scatter data a rank needs none. */
static void enter_folder(const char *folder) {
    char here[4096];
    if (!folder || (getcwd(here, sizeof here) && strcmp(here, folder) == 0)) return;
    if (chdir(folder) != 0) errno = 0;
}

static mp_status unpack_arguments(job *j, bool is_root, const mp_buf *b, mp_error *err) {
    mp_rd rd = mp_rd_of(b->data, b->len);
    const char *text = NULL;
    bool ok = mp_rd_text(&rd, &j->arena, &text);
    if (ok && !is_root) enter_folder(text);
    for (int i = 0; ok && i < N_SHARED; i++) {
        ok = mp_rd_text(&rd, &j->arena, &text);
        if (!ok || is_root) continue;
        if (text)
            ok = setenv(shared_variables[i], text, 1) == 0;
        else
            unsetenv(shared_variables[i]);
    }
    j->argc = (int)mp_rd_u32(&rd);
    if (rd.bad) j->argc = 0;
    size_t bytes = ((size_t)j->argc + 1) * sizeof *j->argv;
    j->argv = mp_arena_alloc(&j->arena, bytes, sizeof(char *));
    if (!j->argv) return mp_error_nomem(err, (int64_t)bytes, 0);
    for (int i = 0; ok && i < j->argc; i++)
        ok = mp_rd_text(&rd, &j->arena, &j->argv[i]);
    return ok ? MP_OK : mp_error_nomem(err, (int64_t)b->len, 0);
}

/* Collective. */
static mp_status share_arguments(job *j, mp_comm *c, int argc, const char *const *argv,
                                 mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    bool is_root = mp_comm_rank(c) == 0;
    if (is_root) pack_arguments(argc, argv, &b);
    mp_status st = mp_buf_check(&b, err);
    mp_status sent = mp_comm_bcast(c, &b, err);
    if (st == MP_OK && sent == MP_OK) (void)unpack_arguments(j, is_root, &b, err);
    mp_buf_release(&b);
    return mp_comm_agree(c, err);
}

/* ---- the test hooks ---- */

/* MPART_TEST_SPLITS=17,40 */
static mp_status read_test_splits(mp_run_spec *run, mp_arena *arena, mp_error *err) {
    const char *text = getenv("MPART_TEST_SPLITS");
    if (!text || !*text) return MP_OK;
    size_t n = 1;
    for (const char *p = text; *p; p++)
        n += *p == ',';
    int64_t *splits = mp_arena_alloc(arena, n * sizeof *splits, 8);
    if (!splits) return mp_error_nomem(err, (int64_t)(n * sizeof *splits), 0);
    int64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        char *end;
        errno = 0;
        long long v = strtoll(text, &end, 10);
        if (errno || end == text || *end != (i + 1 < n ? ',' : 0) || v <= last)
            return mp_error_set(err, MP_USAGE, NULL,
                                "MPART_TEST_SPLITS: not a list of ascending byte offsets");
        last = splits[i] = v;
        text = end + 1;
    }
    run->test_splits = splits;
    run->n_test_splits = (int)n;
    return MP_OK;
}

static mp_status read_arguments(job *j, const char *program, mp_error *err) {
    mp_run_spec *run = &j->inv.spec.run;
    mp_status st = mp_command_parse(j->argc, j->argv, &j->arena, &j->inv, err);
    if (st != MP_OK) return st;
    const char *guess = getenv("MPART_GUESS");
    run->inspector = program;
    run->version = mp_version();
    run->guess_wrong = guess && strcmp(guess, "wrong") == 0;
    return read_test_splits(run, &j->arena, err);
}

/* ---- the run ---- */

static void write_stats(const job *j, const mp_report *report, mp_out_file **stats, mp_error *err) {
    mp_buf json;
    mp_buf_init(&json, NULL);
    mp_report_json(report, j->inv.command->name, &json);
    if (mp_buf_check(&json, err) == MP_OK) {
        bool closed = false;
        int fd = mp_out_direct_fd(*stats);
        mp_status st = fd >= 0 ? mp_stdout_write(fd, json.data, json.len, &closed, err)
                               : mp_out_write_at(*stats, 0, json.data, json.len, err);
        if (st == MP_OK) st = mp_out_sync(*stats, err);
        if (st == MP_OK) st = mp_out_commit(stats, err);
        if (st != MP_OK) mp_error_hint(err, "the answer itself was written; this is --stats");
    }
    mp_buf_release(&json);
}

/* Collective: report is filled, statistics go where they were asked for. */
static mp_status end_run(const job *j, mp_comm *c, mp_mem *mem, mp_report *report, double seconds,
                         mp_out_file **stats, mp_buf *notes, mp_error *err) {
    if (report->n_ranks == 0) {
        mp_status st = mp_report_collect(report, c, mem, err);
        if (st != MP_OK) return st;
    }
    if (mp_comm_rank(c) == 0) {
        report->seconds = seconds;
        if (report->note[0]) mp_buf_printf(notes, "mpart: %s\n", report->note);
        if (j->inv.spec.run.verbose) mp_report_text(report, notes);
        if (*stats) write_stats(j, report, stats, err);
    }
    return mp_comm_agree(c, err);
}

/* Rank 0. Of two outputs with one name the second would replace the first. */
static mp_status check_outputs(const mp_invocation *inv, mp_error *err) {
    const struct {
        const char *option, *path;
    } out[] = {{"-o", inv->spec.output.path},
               {"-o", inv->gen.path},
               {"-o", inv->split.folder},
               {"--results", inv->map.results},
               {"--run-dir", inv->map.run_dir},
               {"--dict-out", inv->map.dict_out},
               {"--rejects", inv->spec.input.rejects},
               {"--stats", inv->spec.run.stats}};
    for (size_t b = 1; b < sizeof out / sizeof *out; b++)
        for (size_t a = 0; a < b; a++)
            if (out[a].path && out[b].path && mp_out_same(out[a].path, out[b].path))
                return mp_error_set(err, MP_USAGE, NULL, "%s and %s are the same file, '%s'",
                                    out[a].option, out[b].option, out[b].path);
    return MP_OK;
}

/* Collective: the command, between the making of the statistics' file and its end. */
static mp_status run_command(const job *j, mp_comm *c, mp_buf *out, mp_buf *notes, mp_error *err) {
    const mp_invocation *inv = &j->inv;
    mp_out_file *stats = NULL;
    mp_mem mem;
    mp_report report;
    mp_report_init(&report);
    mp_mem_init(&mem, inv->spec.run.memory_bytes > 0 ? inv->spec.run.memory_bytes
                                                     : mp_budget_default(mp_comm_host_ranks(c)));
    if (mp_comm_rank(c) == 0 && check_outputs(inv, err) == MP_OK && inv->spec.run.stats)
        (void)!mp_out_create(inv->spec.run.stats, &stats, err);
    mp_status st = mp_comm_agree(c, err), end = MP_OK;
    if (st == MP_OK) {
        double start = mp_clock_s();
        mp_progress progress = {.fd = -1};
        if (mp_comm_rank(c) == 0) mp_progress_init(&progress, &inv->spec.run);
        if (mp_progress_wanted(&progress)) {
            report.tick = mp_progress_update;
            report.tick_ctx = &progress;
        }
        st = inv->command->run(c, inv, &mem, out, &report, err);
        mp_progress_end(&progress);
        if (st == MP_OK || st == MP_PARTIAL) {
            mp_error end_error = MP_ERROR_INIT;
            end = end_run(j, c, &mem, &report, mp_clock_s() - start, &stats, notes, &end_error);
            if (end != MP_OK) *err = end_error;
        }
    }
    mp_out_abandon(&stats);
    mp_report_release(&report);
    return end != MP_OK ? end : st;
}

/* Collective: what the command has for standard output. A reader that has gone is no failure. */
static mp_status write_out(mp_comm *c, const mp_buf *out, mp_error *err) {
    mp_error wrong = MP_ERROR_INIT;
    int fd;
    bool is_terminal, closed;
    if (mp_comm_rank(c) == 0 && mp_buf_check(out, &wrong) == MP_OK && out->len &&
        mp_stdout_open(&fd, &is_terminal, &wrong) == MP_OK)
        (void)!mp_stdout_write(fd, out->data, out->len, &closed, &wrong);
    mp_status st = mp_comm_agree(c, &wrong);
    if (st != MP_OK) *err = wrong;
    return st;
}

mp_status mp_job_run(mp_comm *c, int argc, const char *const *argv, const char *program,
                     void (*give_up)(const mp_error *err, int code), mp_job_result *result) {
    job j = {0};
    mp_error *err = &result->error;
    mp_error_init(err);
    mp_buf_init(&result->notes, NULL);
    mp_arena_init(&j.arena, NULL);
    mp_status st = share_arguments(&j, c, argc, argv, err);
    if (st == MP_OK) {
        (void)read_arguments(&j, program, err);
        j.inv.spec.run.give_up = give_up;
        st = mp_comm_agree(c, err);
    }
    mp_buf out;
    mp_buf_init(&out, NULL);
    if (st == MP_OK) {
        if (j.inv.ask == MP_ASK_RUN)
            st = run_command(&j, c, &out, &result->notes, err);
        else if (mp_comm_rank(c) == 0)
            mp_command_answer(&j.inv, &out);
    }
    if (st == MP_OK || st == MP_PARTIAL) {
        mp_status written = write_out(c, &out, err);
        if (written != MP_OK) st = written;
    }
    mp_buf_release(&out);
    if (j.inv.spec.run.quiet) mp_buf_clear(&result->notes);
    mp_arena_release(&j.arena);
    return result->status = st;
}

void mp_job_release(mp_job_result *result) {
    mp_buf_release(&result->notes);
}

size_t mp_job_message(const mp_error *error, char *text, size_t cap) {
    static const char prefix[] = "mpart: ";
    size_t n = sizeof prefix - 1;
    memcpy(text, prefix, n);
    n += mp_error_format(error, text + n, cap - n - 1);
    text[n++] = '\n';
    text[n] = 0;
    return n;
}
