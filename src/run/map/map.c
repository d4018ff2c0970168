/* map.c - `mpart map`: what the units are, the unit phase, the output. See map.h.
 * Invariant: the run's folder goes away only when all units have ended well and the output has its
 * name. */
#include "run/map/map.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/fault.h"
#include "run/map/map_priv.h"
#include "run/shard_verify.h"

static bool is_head(const mp_map_job *j) {
    return mp_comm_rank(j->c) == 0;
}

static mp_status agree(mp_map_job *j, mp_status st, const mp_error *mine, mp_error *err) {
    return mp_comm_agree_on(j->c, st, mine, err);
}

/* ---- rank 0: what is to be done ---- */

/* A command that cannot be run on any item is known before the first. */
static mp_status check_command(mp_map_job *j, mp_error *err) {
    const char *path;
    if (j->map->plugin) return mp_map_plugin_look(j, err);
    if (mp_unit_first_has_place(&j->command)) return MP_OK;
    int errnum = mp_child_find(j->command.words[0], &j->arena, &path);
    if (!errnum) return MP_OK;
    mp_error_set(err, MP_FAILED, "cannot run the command", "%s",
                 errnum == ENOENT && !strchr(j->command.words[0], '/') ? "command not found"
                                                                       : strerror(errnum));
    mp_error_file(err, j->command.words[0]);
    if (errnum == EACCES) mp_error_hint(err, "chmod +x makes a file executable");
    return MP_FAILED;
}

static bool is_empty_folder(const char *path) {
    return rmdir(path) == 0; /* it is made again at once */
}

static mp_status make_results(mp_map_job *j, bool again, mp_error *err) {
    const char *path = j->map->results;
    struct stat st;
    if (!path) return MP_OK;
    bool is_there = stat(path, &st) == 0;
    if (is_there && S_ISDIR(st.st_mode) && (again || j->map->force)) return MP_OK;
    if (is_there && S_ISDIR(st.st_mode) && !is_empty_folder(path)) {
        mp_error_set(err, MP_USAGE, "cannot write", "the folder is not empty");
        mp_error_file(err, path);
        mp_error_hint(err, "--force uses it all the same");
        return MP_USAGE;
    }
    return mkdir(path, 0777) == 0 ? MP_OK : mp_error_errno(err, errno, "cannot write", path);
}

static bool names_file(const char *out) {
    return out && strcmp(out, "-") != 0 && mp_out_is_file(out);
}

/* OUT.mpart-run; NULL: no output is a regular file, and no folder was named. */
static mp_status choose_folder(mp_map_job *j, const char **path, mp_error *err) {
    static const char ending[] = ".mpart-run";
    const char *out = j->map->results ? j->map->results : j->spec->output.path;
    *path = j->map->run_dir;
    if (*path) return MP_OK;
    if (!names_file(out)) out = j->map->dict_out;
    if (!names_file(out)) {
        if (!j->map->resume && !j->map->explain) return MP_OK;
        mp_error_set(err, MP_USAGE, NULL, "there is no journal to resume from");
        mp_error_hint(err, "--run-dir DIR names its folder; with -o FILE it is FILE.mpart-run");
        return MP_USAGE;
    }
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    char *name = mp_arena_alloc(&j->arena, n + sizeof ending, 1);
    if (!name) return mp_mem_error(j->mem, n, err);
    memcpy(name, out, n);
    memcpy(name + n, ending, sizeof ending);
    *path = name;
    return MP_OK;
}

static mp_status open_run(mp_map_job *j, mp_error *err) {
    const char *path = NULL;
    mp_buf facts;
    mp_buf_init(&facts, j->mem);
    mp_map_facts(j, &facts);
    mp_buf_u8(&facts, 0);
    mp_status st = mp_buf_check(&facts, err);
    if (st == MP_OK) st = choose_folder(j, &path, err);

    mp_run_dir_args args = {.path = path,
                            .scratch = j->spec->run.scratch,
                            .resume = j->map->resume || j->map->explain,
                            .look_only = j->map->explain,
                            .facts = (const char *)facts.data,
                            .n_ranks = mp_comm_size(j->c),
                            .mem = j->mem,
                            .ctx = j,
                            .on_record = mp_map_record,
                            .on_lost = j->map->dict ? mp_map_record_lost : NULL};
    if (st == MP_OK) st = mp_run_dir_open(&args, &j->dir, err);
    mp_buf_release(&facts);
    if (st != MP_OK) return st;
    j->folder = mp_run_dir_path(j->dir);
    j->run = mp_run_dir_run(j->dir);
    j->journalled = mp_run_dir_is_kept(j->dir);
    return MP_OK;
}

static void print_plan(mp_map_job *j) {
    if (j->mode == MP_MAP_ITEMS)
        mp_buf_printf(j->text, "items:      %" PRId64 "\n", j->n_units);
    else
        mp_buf_printf(j->text, "inputs:     %d\n", j->spec->input.n_paths);
    mp_buf_printf(j->text, "command:    ");
    for (int i = 0; i < j->command.n_words; i++) {
        if (i > 0) mp_buf_u8(j->text, ' ');
        mp_facts_quote(j->command.words[i], j->text);
    }
    mp_buf_printf(j->text, "\nat a time:  %d, one on each rank\n", mp_comm_size(j->c));
    if (j->map->run_dir) mp_buf_printf(j->text, "run folder: %s\n", j->map->run_dir);
}

static mp_status plan(mp_map_job *j, mp_error *err) {
    mp_status st = mp_fault_check(0, "plan", err);
    if (st == MP_OK) st = check_command(j, err);
    if (st == MP_OK && j->mode == MP_MAP_ITEMS) st = mp_map_read_items(j, err);
    if (st == MP_OK && j->spec->run.plan_only) {
        print_plan(j);
        return MP_OK;
    }
    if (st == MP_OK && names_file(j->map->dict_out)) st = mp_out_try(j->map->dict_out, err);
    if (st == MP_OK) st = open_run(j, err);
    if (st == MP_OK && j->map->explain) return MP_OK;
    if (st == MP_OK) st = mp_map_open_target(j, err);
    if (st == MP_OK) st = make_results(j, j->map->resume && j->run > 1, err);
    return st == MP_OK ? mp_map_open_joblog(j, err) : st;
}

/* ---- what all ranks need to know ---- */

static mp_status share(mp_map_job *j, mp_error *err) {
    mp_buf b;
    mp_error mine = MP_ERROR_INIT;
    mp_buf_init(&b, NULL);
    if (is_head(j)) {
        mp_buf_text(&b, j->folder);
        mp_buf_u32(&b, (uint32_t)j->run);
        mp_buf_u8(&b, j->journalled);
    }
    mp_status st = mp_comm_bcast(j->c, &b, &mine);
    if (st == MP_OK && !is_head(j)) {
        mp_rd rd = mp_rd_of(b.data, b.len);
        if (!mp_rd_text(&rd, &j->arena, &j->folder)) st = mp_mem_error(j->mem, b.len, &mine);
        j->run = (int)mp_rd_u32(&rd);
        j->journalled = mp_rd_u8(&rd) != 0;
    }
    mp_buf_release(&b);
    return agree(j, st, &mine, err);
}

/* The units, what is to be done of them, and what does it. Collective. */
static mp_status share_units(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = j->mode == MP_MAP_ITEMS ? MP_OK : mp_map_make_shards(j, err);
    if (st != MP_OK) return st;
    if (is_head(j)) st = mp_map_keep(j, &mine);
    if (is_head(j) && st == MP_OK && j->map->explain) mp_map_explain(j, j->text);
    if (is_head(j) && j->n_lost > 0 && !j->map->explain)
        snprintf(j->report->note, sizeof j->report->note,
                 "%" PRId64 " units that were done are done again: the dictionary was last kept "
                 "before they ended",
                 j->n_lost);
    st = agree(j, st, &mine, err);
    if (st == MP_OK) st = mp_comm_allreduce(j->c, &j->n_units, 1, MP_MAX, err);
    if (st != MP_OK || j->map->explain) return st;
    st = mp_map_work_open(j, &mine);
    st = agree(j, st, &mine, err);
    if (st == MP_OK) st = mp_map_dict_open(j, err);
    return st == MP_OK && j->map->plugin ? mp_map_plugin_open(j, err) : st;
}

/* The hosts' names to rank 0, for the job log. Collective. */
static mp_status gather_hosts(mp_map_job *j, mp_error *err) {
    mp_buf all;
    mp_error mine = MP_ERROR_INIT;
    const char *host = mp_comm_host(j->c);
    mp_buf_init(&all, j->mem);
    mp_status st = mp_comm_gather(j->c, host, strlen(host) + 1, &all, &mine);
    if (st == MP_OK && is_head(j)) {
        size_t n = (size_t)mp_comm_size(j->c);
        mp_rd rd = mp_rd_of(all.data, all.len);
        j->hosts = mp_arena_alloc(&j->arena, n * sizeof *j->hosts, sizeof(char *));
        for (size_t i = 0; j->hosts && i < n; i++) {
            size_t len = (size_t)mp_rd_u64(&rd);
            const void *name = mp_rd_raw(&rd, len);
            j->hosts[i] = mp_arena_alloc(&j->arena, len + 1, 1);
            if (!j->hosts[i] || !name)
                st = mp_mem_error(j->mem, len, &mine);
            else
                memcpy(j->hosts[i], name, len);
            if (st != MP_OK) break;
        }
        if (!j->hosts) st = mp_mem_error(j->mem, n, &mine);
        bool by_file = j->parts || j->table.copied || mp_map_combines(j) || mp_map_dict_is_h5(j) ||
                       (j->mode == MP_MAP_SHARDS && mp_unit_has_place(&j->command)) ||
                       (j->headed && !j->streams);
        if (st == MP_OK && !j->journalled && !by_file) st = mp_map_hide(j, &mine);
    }
    mp_buf_release(&all);
    return agree(j, st, &mine, err);
}

/* ---- the end ---- */

static mp_status some_failed(const mp_map_job *j, int64_t n_failed, int64_t first, mp_error *err) {
    char why[128], item[200], name[64];
    mp_map_outcome_text(&j->results[first], why, sizeof why);
    snprintf(item, sizeof item, "%s", mp_map_unit_name(j, first, name, sizeof name));
    mp_error_set(err, MP_PARTIAL,
                 j->mode == MP_MAP_ITEMS ? "some items failed" : "some shards failed",
                 "%" PRId64 " of %" PRId64 "; the first is %" PRId64 " ('%s'): %s", n_failed,
                 j->n_units, first + 1, item, why);
    if (j->journalled) mp_error_hint(err, "--resume tries them again");
    return MP_PARTIAL;
}

static int64_t n_failed(const mp_map_result *results, int64_t n_units, int64_t *first) {
    int64_t n = 0;
    *first = -1;
    for (int64_t i = 0; i < n_units; i++) {
        if (results[i].outcome == MP_UNIT_OK || results[i].outcome == MP_UNIT_OUTCOMES) continue;
        n++;
        if (*first < 0) *first = i;
    }
    return n;
}

/* Rank 0: units that failed, in this run or (not tried again) in none. */
static mp_status count_failed(mp_map_job *j, mp_error *err) {
    int64_t first, n = n_failed(j->results, j->n_units, &first);
    char why[128];
    if (!j->shard_results) return n > 0 ? some_failed(j, n, first, err) : MP_OK;
    if (n > 0) {
        mp_map_outcome_text(&j->results[first], why, sizeof why);
        mp_error_set(err, MP_PARTIAL, "some keys are not combined",
                     "%" PRId64 " of %" PRId64 " parts of the keys failed; the first: %s", n,
                     j->n_units, why);
        return MP_PARTIAL;
    }
    n = n_failed(j->shard_results, j->n_shards, &first);
    if (n == 0) return MP_OK;
    mp_map_outcome_text(&j->shard_results[first], why, sizeof why);
    mp_error_set(err, MP_PARTIAL, "some shards failed",
                 "%" PRId64 " of %" PRId64 "; the first is %" PRId64 ": %s", n, j->n_shards,
                 first + 1, why);
    if (j->journalled) mp_error_hint(err, "--resume tries them again");
    return MP_PARTIAL;
}

static void hint_resume(const mp_map_job *j, mp_error *err) {
    mp_run_dir_hint(mp_comm_size(j->c), j->map->resume_command, err);
}

/* Rank 0: a stop says how far the run has come and how to go on. */
static void explain_stop(const mp_map_job *j, mp_status st, mp_error *err) {
    int64_t done = 0;
    for (int64_t i = 0; i < j->n_units; i++)
        done += j->results[i].outcome == MP_UNIT_OK;
    mp_error_init(err);
    mp_error_set(err, st, NULL, "%" PRId64 " of %" PRId64 " units are done", done, j->n_units);
    if (!j->journalled)
        mp_error_hint(err,
                      "with -o FILE or --run-dir DIR there is a journal, and --resume goes on");
    else
        hint_resume(j, err);
}

static void explain_halt(const mp_map_job *j, const mp_units_result *r, mp_error *err) {
    mp_error partial = MP_ERROR_INIT;
    if (r->first_failed < 0) return;
    (void)!some_failed(j, r->n_failed, r->first_failed, &partial);
    mp_error_init(err);
    mp_error_set(err, MP_FAILED,
                 j->mode == MP_MAP_ITEMS ? "stopped because an item failed (--halt)"
                                         : "stopped because a shard failed (--halt)",
                 "%s", partial.why);
    if (j->journalled) hint_resume(j, err);
}

/* The whole error of rank 0 on every rank. Collective. */
static mp_status share_error(mp_map_job *j, mp_status st, mp_error *err) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    if (is_head(j)) mp_buf_put(&b, err, sizeof *err);
    mp_status sent = mp_comm_bcast(j->c, &b, err);
    if (sent == MP_OK && b.len == sizeof *err) memcpy(err, b.data, sizeof *err);
    mp_buf_release(&b);
    return sent == MP_OK ? st : sent;
}

/* combining: the second phase of a map-reduce, which a resumed run does again. Collective. */
static mp_status run_units(mp_map_job *j, bool combining, mp_error *err) {
    mp_units u = {.ctx = j,
                  .mem = j->mem,
                  .n_units = j->n_units,
                  .done = combining ? NULL : j->kept,
                  .retries = j->map->retries,
                  .halt = (mp_halt)j->map->halt,
                  .group = j->group,
                  .n_groups = j->n_groups,
                  .per_group = j->map->per_host,
                  .journalled = j->journalled && !combining,
                  .stop_fd = j->stop.fd,
                  .epoll_fd = j->epoll_fd,
                  .describe = mp_map_describe,
                  .ended = mp_map_ended,
                  .commit = mp_map_commit,
                  .push = mp_map_push,
                  .enough = mp_map_enough,
                  .beside = j->dict ? mp_map_dict_round : NULL,
                  .keep_ns = j->map->dict_keep_ns,
                  .begin = mp_map_begin,
                  .step = mp_map_step,
                  .end = mp_map_end,
                  .patience = mp_map_patience,
                  .stop = mp_map_stop,
                  .sync = mp_map_sync};
    mp_units_result result;
    if (u.beside && u.journalled && u.keep_ns > 0) u.keep = mp_map_dict_keep_now;
    mp_status st = mp_units_execute(j->c, &u, &result, err);
    j->cut_short = j->cut_short || result.cut_short;
    if (st == MP_STOPPED || st == MP_INTERRUPTED) {
        if (is_head(j)) explain_stop(j, st, err);
        return share_error(j, st, err);
    }
    if (st == MP_FAILED && j->map->halt != MP_HALT_NEVER) {
        if (is_head(j)) explain_halt(j, &result, err);
        return share_error(j, st, err);
    }
    return st;
}

/* Behind the units: the output, and how it went. Collective. */
static mp_status finish(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_fault_check(mp_comm_rank(j->c), "output", &mine);
    if (st == MP_OK && is_head(j)) st = mp_map_flush_joblog(j, &mine);
    st = agree(j, st, &mine, err);
    if (st == MP_OK) st = mp_map_combines(j) ? mp_map_combine_write(j, err) : mp_map_write(j, err);
    if (st == MP_OK) st = mp_map_dict_write(j, err);
    if (st == MP_IO && j->journalled && is_head(j)) hint_resume(j, err);
    if (st != MP_OK) return st;
    if (j->map->bisect) st = mp_map_write_rejects(j, err);
    if (st != MP_OK) return st;
    if (is_head(j)) st = count_failed(j, &mine);
    st = agree(j, st, &mine, err);
    if (st == MP_OK && j->journalled) { /* all is done: nothing to go on from */
        if (is_head(j)) mp_run_dir_remove(j->dir);
        j->journalled = false;
    }
    if (j->mode == MP_MAP_ITEMS || (st != MP_OK && st != MP_PARTIAL)) return st;
    mp_status named = mp_job_name_rejects(&j->table.job, j->table.n_bad, st == MP_OK ? err : &mine);
    return st == MP_OK ? named : st;
}

static void release(mp_map_job *j) {
    mp_map_work_close(j);
    mp_map_close_logs(j);
    if (j->mode != MP_MAP_ITEMS) mp_map_release_shards(j);
    mp_out_abandon(&j->file);
    mp_run_dir_free(&j->dir);
    mp_buf_release(&j->items);
    mp_buf_release(&j->starts);
    mp_buf_release(&j->records);
    mp_buf_release(&j->head);
    mp_map_cut_release(j);
    mp_buf_release(&j->joblog);
    mp_buf_release(&j->log);
    mp_buf_release(&j->line);
    mp_buf_release(&j->lines);
    if (j->joblog_fd >= 0) close(j->joblog_fd);
    mp_mem_free(j->mem, j->group);
    mp_mem_free(j->mem, j->results);
    mp_mem_free(j->mem, j->shard_results);
    mp_mem_free(j->mem, j->kept);
    mp_arena_release(&j->unit_arena);
    mp_arena_release(&j->log_arena);
    mp_arena_release(&j->arena);
}

static mp_status run(mp_map_job *j, mp_error *err) {
    mp_error mine = MP_ERROR_INIT;
    mp_status st = is_head(j) ? plan(j, &mine) : MP_OK;
    st = agree(j, st, &mine, err);
    if (st != MP_OK || j->spec->run.plan_only) return st;
    st = share(j, err);
    if (st == MP_OK && j->mode != MP_MAP_ITEMS && !j->map->explain)
        st = mp_shard_verify(j->c, j->spec, j->mem, err);
    if (st == MP_OK) st = share_units(j, err);
    if (j->map->explain) return st;
    if (st == MP_OK) st = gather_hosts(j, err);
    mp_stop_hold(); /* before, an interrupt costs nothing that is done */
    if (st == MP_OK) st = run_units(j, false, err);
    if (st == MP_OK) st = mp_map_dict_keep_behind(j, err);
    if (st == MP_OK && mp_map_combines(j)) {
        st = mp_map_combine_open(j, err);
        if (st == MP_OK) st = run_units(j, true, err);
    }
    if (st == MP_OK) st = mp_map_dict_settle(j, err);
    if (st == MP_OK)
        mp_stop_end(&j->stop); /* the results are there: an interrupt ends it at once */
    if (st == MP_OK)
        st = finish(j, err);
    else if (is_head(j))
        (void)!mp_map_flush_joblog(j, &mine);
    mp_map_plugin_close(j); /* it may call the dictionary once more */
    return mp_map_dict_close(j, st, err);
}

mp_status mp_map_run(mp_comm *c, const mp_spec *spec, const mp_map_spec *map, mp_mem *mem,
                     mp_buf *text, mp_report *report, mp_error *err) {
    mp_map_job j = {.c = c,
                    .spec = spec,
                    .map = map,
                    .mem = mem,
                    .report = report,
                    .text = text,
                    .joblog_fd = -1,
                    .stream_fd = -1,
                    .epoll_fd = -1,
                    .log_fd = -1,
                    .results_fd = -1,
                    .out_fd = -1,
                    .err_fd = -1,
                    .in_fd = -1,
                    .headed_by = -1,
                    .mode = map->items                                      ? MP_MAP_ITEMS
                            : map->n_by > 0 && !map->plugin && !map->bisect ? MP_MAP_FILES
                                                                            : MP_MAP_SHARDS,
                    .headed = !map->items && !map->raw,
                    .ending = map->shard_format == MP_FORMAT_NDJSON ? ".ndjson" : ".csv"};
    j.command = (mp_unit_command){map->n_words, map->words, map->place, map->items != NULL};
    mp_arena_init(&j.arena, mem);
    mp_arena_init(&j.unit_arena, mem);
    mp_arena_init(&j.log_arena, mem);
    mp_buf *const bufs[] = {&j.items,       &j.starts,   &j.joblog,       &j.log,
                            &j.line,        &j.lines,    &j.records,      &j.head,
                            &j.cut.rejects, &j.cut.keys, &j.cut.bad_rows, &j.cut.bad_results};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        mp_buf_init(bufs[i], mem);
    mp_error mine = MP_ERROR_INIT;
    mp_status st = mp_stop_begin(&j.stop, c, &mine);
    st = agree(&j, st, &mine, err);
    if (st == MP_OK) st = run(&j, err);
    mp_stop_end(&j.stop);
    release(&j);
    return st;
}
