/* map_head.c - rank 0's books: what the run is, which results there are, the job log. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "run/map/map_priv.h"

mp_status mp_map_describe(void *ctx, int64_t unit, mp_buf *desc, mp_error *err) {
    mp_map_job *j = ctx;
    (void)err;
    if (j->mode == MP_MAP_ITEMS) mp_buf_text(desc, mp_map_item(j, unit));
    if (j->mode == MP_MAP_SHARDS && !j->shard_results) mp_map_table_describe(&j->table, unit, desc);
    return MP_OK;
}

mp_status mp_map_commit(void *ctx, const mp_buf *lines, mp_error *err) {
    mp_map_job *j = ctx;
    return mp_run_dir_commit(j->dir, lines, err);
}

static void set_result(mp_map_job *j, const mp_unit_record *r) {
    j->results[r->unit] = (mp_map_result){.offset = r->offset,
                                          .len = r->len,
                                          .head_hash = r->head_hash,
                                          .head_len = (int32_t)r->head_len,
                                          .run = r->run,
                                          .rank = r->rank,
                                          .tries = r->tries,
                                          .code = r->code,
                                          .reject_len = r->reject_len,
                                          .n_rejected = r->n_rejected,
                                          .outcome = (uint8_t)r->outcome};
}

void mp_map_record(void *ctx, const mp_unit_record *r) {
    mp_buf_put(&((mp_map_job *)ctx)->records, r, sizeof *r);
}

void mp_map_record_lost(void *ctx, const mp_unit_record *r) {
    mp_unit_record lost = *r;
    lost.outcome = r->outcome == MP_UNIT_OK ? MP_UNIT_LOST : r->outcome;
    mp_map_record(ctx, &lost);
}

const char *mp_map_unit_name(const mp_map_job *j, int64_t unit, char *out, size_t cap) {
    if (j->mode == MP_MAP_ITEMS) return mp_map_item(j, unit);
    if (j->mode == MP_MAP_FILES)
        snprintf(out, cap, "part-%05" PRId64, unit);
    else
        snprintf(out, cap, "shard %" PRId64, unit + 1);
    return out;
}

/* ---- words for people and shells ---- */

static void put_words(const char *const *words, int n, mp_buf *out) {
    for (int i = 0; n < 0 ? words[i] != NULL : i < n; i++) {
        if (i > 0) mp_buf_u8(out, ' ');
        mp_facts_quote(words[i], out);
    }
}

void mp_map_outcome_text(const mp_map_result *r, char *out, size_t cap) {
    switch ((mp_unit_outcome)r->outcome) {
    case MP_UNIT_OK:
        snprintf(out, cap, "done");
        break;
    case MP_UNIT_EXIT:
        snprintf(out, cap, "exit code %d", r->code);
        break;
    case MP_UNIT_SIGNAL:
        snprintf(out, cap, "ended by signal %d (%s)", r->code, strsignal(r->code));
        break;
    case MP_UNIT_TIMEOUT:
        snprintf(out, cap, "its time limit was over");
        break;
    case MP_UNIT_NO_RUN:
        snprintf(out, cap, "cannot be run: %s", strerror(r->code));
        break;
    case MP_UNIT_BAD:
        snprintf(out, cap, "its output is no table");
        break;
    case MP_UNIT_FAILED:
        snprintf(out, cap, "the plug-in failed");
        break;
    case MP_UNIT_LOST:
        snprintf(out, cap, "its part of the dictionary was not kept");
        break;
    case MP_UNIT_OUTCOMES:
        snprintf(out, cap, "not finished");
        break;
    }
}

/* ---- facts ---- */

void mp_map_facts(const mp_map_job *j, mp_buf *out) {
    mp_buf_printf(out, "command: ");
    put_words(j->command.words, j->command.n_words, out);
    if (j->map->plugin) mp_map_plugin_facts(j, out);
    mp_buf_printf(out, "\noption -I: ");
    mp_facts_quote(j->command.place, out);
    mp_buf_printf(out, "\noption --results: ");
    mp_facts_quote(j->map->results ? j->map->results : "", out);
    if (j->map->dict) mp_buf_printf(out, "\noption --dict: yes");
    mp_buf_u8(out, '\n');
    if (j->mode == MP_MAP_ITEMS)
        mp_buf_printf(out, "list of items: %" PRId64 " items, hash %016" PRIx64 "\n", j->n_units,
                      mp_hash_bytes(j->items.data, j->items.len));
    else
        mp_map_table_facts(j, out);
}

/* ---- what an earlier run has done ---- */

static bool file_there(const mp_map_job *j, int64_t unit) {
    char name[64];
    struct stat st;
    int fd = open(j->map->results, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(name, sizeof name, "%lld.out", (long long)unit + 1);
    bool there = fd >= 0 && fstatat(fd, name, &st, 0) == 0;
    if (fd >= 0) close(fd);
    return there;
}

static bool result_there(mp_map_job *j, int64_t unit) {
    const mp_map_result *r = &j->results[unit];
    struct stat st;
    if (j->map->results && !mp_map_is_empty(j, unit)) return file_there(j, unit);
    if (r->len + r->reject_len == 0) return true;
    int fd = mp_map_log_fd(j, r->run, r->rank, NULL);
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= r->offset + r->len + r->reject_len;
}

mp_status mp_map_keep(mp_map_job *j, mp_error *err) {
    size_t n = (size_t)j->n_units + 1;
    j->kept = mp_mem_calloc(j->mem, n, 1);
    j->results = mp_mem_alloc(j->mem, n * sizeof *j->results);
    if (!j->kept || !j->results) return mp_mem_error(j->mem, n * sizeof *j->results, err);
    for (int64_t i = 0; i < j->n_units; i++)
        j->results[i] = (mp_map_result){.outcome = MP_UNIT_OUTCOMES};
    mp_status st = mp_buf_check(&j->records, err);
    if (st != MP_OK) return st;
    for (mp_rd rd = mp_rd_of(j->records.data, j->records.len); mp_rd_left(&rd);) {
        mp_unit_record r;
        const void *p = mp_rd_raw(&rd, sizeof r);
        if (!p) break;
        memcpy(&r, p, sizeof r);
        bool good = r.unit >= 0 && r.unit < j->n_units && r.outcome >= 0;
        if (good && r.outcome < MP_UNIT_OUTCOMES) set_result(j, &r);
    }
    mp_buf_release(&j->records);
    for (int64_t i = 0; i < j->n_units; i++)
        if (mp_map_is_empty(j, i)) j->results[i] = (mp_map_result){.outcome = MP_UNIT_OK};
    for (int64_t i = 0; i < j->n_units; i++) {
        j->kept[i] = j->results[i].outcome == MP_UNIT_OK && result_there(j, i);
        j->n_kept += j->kept[i];
        j->n_lost += j->results[i].outcome == MP_UNIT_LOST;
        /* what is done again has no outcome yet */
        if (!j->kept[i] && !j->map->explain)
            j->results[i] = (mp_map_result){.outcome = MP_UNIT_OUTCOMES};
    }
    return MP_OK;
}

void mp_map_explain(const mp_map_job *j, mp_buf *out) {
    for (int64_t i = 0; i < j->n_units; i++) {
        char why[128], name[64];
        mp_map_outcome_text(&j->results[i], why, sizeof why);
        bool gone = j->results[i].outcome == MP_UNIT_OK && !j->kept[i];
        mp_buf_printf(out, "%lld\t%s\t%s\t", (long long)i + 1, j->kept[i] ? "kept" : "redone",
                      gone ? "its result is gone" : why);
        mp_facts_quote(mp_map_unit_name(j, i, name, sizeof name), out);
        mp_buf_u8(out, '\n');
    }
}

/* ---- job log ---- */

mp_status mp_map_open_joblog(mp_map_job *j, mp_error *err) {
    const char *path = j->map->joblog;
    struct stat st;
    if (!path) return MP_OK;
    bool go_on = j->map->resume && stat(path, &st) == 0 && st.st_size > 0;
    j->joblog_fd =
        open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (go_on ? 0 : O_TRUNC), 0666);
    if (j->joblog_fd < 0) return mp_error_errno(err, errno, "cannot write", path);
    if (!go_on)
        mp_buf_printf(&j->joblog, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal"
                                  "\tCommand\n");
    return mp_map_flush_joblog(j, err);
}

mp_status mp_map_flush_joblog(mp_map_job *j, mp_error *err) {
    bool closed;
    mp_error why = MP_ERROR_INIT;
    if (j->joblog_fd < 0 || j->joblog.len == 0) return MP_OK;
    mp_status st = mp_buf_check(&j->joblog, err);
    if (st == MP_OK) {
        st = mp_stdout_write(j->joblog_fd, j->joblog.data, j->joblog.len, &closed, &why);
        if (st != MP_OK) {
            mp_error_set(err, st, "cannot write", "%s", why.why);
            mp_error_file(err, j->map->joblog);
        }
    }
    mp_buf_clear(&j->joblog);
    return st;
}

static mp_status log_job(mp_map_job *j, const mp_unit_record *r, int src, mp_error *err) {
    bool by_signal = r->outcome == MP_UNIT_SIGNAL || r->outcome == MP_UNIT_TIMEOUT;
    int code = r->outcome == MP_UNIT_NO_RUN ? (r->code == ENOENT ? 127 : 126)
               : by_signal                  ? 0
                                            : r->code;
    if ((r->outcome == MP_UNIT_BAD || r->outcome == MP_UNIT_FAILED) && code == 0) code = 1;
    mp_buf_printf(&j->joblog, "%lld\t%s/%d\t%lld.%03d\t%10.3f\t0\t%lld\t%d\t%d\t",
                  (long long)r->unit + 1, j->hosts[src], src, (long long)(r->start_ms / 1000),
                  (int)(r->start_ms % 1000), (double)r->run_ns * 1e-9, (long long)r->len, code,
                  by_signal ? r->code : 0);
    mp_arena_reset(&j->log_arena);
    char name[64];
    const char *item = mp_map_unit_name(j, r->unit, name, sizeof name);
    const char **words = mp_unit_words(&j->command, item, r->unit + 1, &j->log_arena);
    if (!words) return mp_mem_error(j->mem, 64, err);
    put_words(words, -1, &j->joblog);
    mp_buf_u8(&j->joblog, '\n');
    return MP_OK;
}

mp_status mp_map_ended(void *ctx, const mp_unit_record *r, int src, mp_error *err) {
    mp_map_job *j = ctx;
    set_result(j, r);
    if (j->shard_results) return MP_OK; /* parts are no units of the user's */
    return j->joblog_fd < 0 ? MP_OK : log_job(j, r, src, err);
}
