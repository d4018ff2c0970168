/* map_work.c - a rank's units: commands started on items, their outputs to the rank's result log or to
 * files of their own, their messages to standard error.
 * Invariant: the log holds the results of finished units one behind the other; what a failed try left
 * there is overwritten. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "run/map/map_priv.h"

enum { LOG_BYTES = 1 << 18, LINE_BYTES = 1 << 16, NAME_BYTES = 64 };

/* ---- result log ---- */

static mp_status log_error(const mp_map_job *j, int errnum, mp_error *err) {
    mp_error_errno(err, errnum, "cannot write results", j->folder);
    mp_error_hint(err, j->journalled ? "--run-dir DIR names a place with room for them"
                                     : "--scratch DIR names a place with room for them");
    return MP_IO;
}

static mp_status flush_log(mp_map_job *j, mp_error *err) {
    for (size_t at = 0; at < j->log.len;) {
        ssize_t n =
            pwrite(j->log_fd, j->log.data + at, j->log.len - at, (off_t)(j->log_end + (int64_t)at));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return log_error(j, n < 0 ? errno : ENOSPC, err);
        at += (size_t)n;
    }
    j->log_end += (int64_t)j->log.len;
    mp_buf_clear(&j->log);
    return MP_OK;
}

static mp_status put_log(mp_map_job *j, const uint8_t *bytes, size_t n, mp_error *err) {
    mp_buf_put(&j->log, bytes, n);
    mp_status st = mp_buf_check(&j->log, err);
    return st == MP_OK && j->log.len >= LOG_BYTES ? flush_log(j, err) : st;
}

static mp_status write_file(int fd, const uint8_t *bytes, size_t n, const char *folder,
                            mp_error *err) {
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return mp_error_errno(err, put < 0 ? errno : ENOSPC, "cannot write", folder);
        bytes += put;
        n -= (size_t)put;
    }
    return MP_OK;
}

mp_status mp_map_take_out(void *ctx, const uint8_t *bytes, size_t n, mp_error *err) {
    mp_map_job *j = ctx;
    if (j->out_fd >= 0) return write_file(j->out_fd, bytes, n, j->map->results, err);
    size_t before = j->head.len;
    mp_map_head_take(j, bytes, n);
    /* of the parts of a shard only the first writes its header */
    size_t head = j->cut.headed ? j->head.len - before : 0;
    return put_log(j, bytes + head, n - head, err);
}

/* ---- standard error ---- */

static mp_status write_lines(mp_map_job *j, mp_error *err) {
    bool closed;
    mp_status st = mp_buf_check(&j->lines, err);
    if (st == MP_OK && j->lines.len > 0)
        st = mp_stdout_write(STDERR_FILENO, j->lines.data, j->lines.len, &closed, NULL);
    mp_buf_clear(&j->lines);
    return mp_buf_check(&j->lines, err); /* a standard error that cannot be written fails nothing */
}

static void end_line(mp_map_job *j) {
    mp_buf_printf(&j->lines, "[%lld] ", (long long)j->number);
    mp_buf_put(&j->lines, j->line.data, j->line.len);
    mp_buf_u8(&j->lines, '\n');
    mp_buf_clear(&j->line);
}

mp_status mp_map_take_err(void *ctx, const uint8_t *bytes, size_t n, mp_error *err) {
    mp_map_job *j = ctx;
    if (j->err_fd >= 0) {
        mp_status st = write_file(j->err_fd, bytes, n, j->map->results, err);
        if (st != MP_OK) return st;
    }
    while (n > 0) {
        const uint8_t *end = memchr(bytes, '\n', n);
        size_t len = end ? (size_t)(end - bytes) : n;
        if (len > LINE_BYTES - j->line.len) len = LINE_BYTES - j->line.len, end = NULL;
        mp_buf_put(&j->line, bytes, len);
        if (end || j->line.len >= LINE_BYTES) end_line(j);
        bytes += len + (end != NULL);
        n -= len + (end != NULL);
    }
    return write_lines(j, err);
}

/* ---- files of their own ---- */

/* While it is written, a file has a hidden name. */
static void own_name(char *out, int64_t number, const char *ending, bool hidden) {
    snprintf(out, NAME_BYTES, "%s%lld.%s%s", hidden ? "." : "", (long long)number, ending,
             hidden ? ".part" : "");
}

static mp_status open_own(mp_map_job *j, const char *ending, int *fd, mp_error *err) {
    char name[NAME_BYTES];
    own_name(name, j->number, ending, true);
    *fd = openat(j->results_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return *fd >= 0 ? MP_OK : mp_error_errno(err, errno, "cannot write", j->map->results);
}

static mp_status name_own(mp_map_job *j, const char *ending, int *fd, mp_error *err) {
    char from[NAME_BYTES], to[NAME_BYTES];
    own_name(from, j->number, ending, true);
    own_name(to, j->number, ending, false);
    close(*fd);
    *fd = -1;
    if (renameat(j->results_fd, from, j->results_fd, to) == 0) return MP_OK;
    return mp_error_errno(err, errno, "cannot write", j->map->results);
}

static void close_own(mp_map_job *j) {
    if (j->out_fd >= 0) close(j->out_fd);
    if (j->err_fd >= 0) close(j->err_fd);
    j->out_fd = j->err_fd = -1;
}

/* ---- begin ---- */

static const char *variable(mp_map_job *j, const char *name, int64_t value) {
    char text[64];
    int n = snprintf(text, sizeof text, "%s=%lld", name, (long long)value);
    char *out = mp_arena_alloc(&j->unit_arena, (size_t)n + 1, 1);
    return out ? memcpy(out, text, (size_t)n + 1) : NULL;
}

/* A file in the folder of the run, with a number in its name. */
static char *shard_file(mp_map_job *j, const char *stem, int64_t number) {
    size_t n = strlen(j->folder) + 64;
    char *path = mp_arena_alloc(&j->unit_arena, n, 1);
    if (path) snprintf(path, n, "%s/%s-%05lld%s", j->folder, stem, (long long)number, j->ending);
    return path;
}

/* The rows of the unit in a file of their own. */
static mp_status make_shard_file(mp_map_job *j, mp_error *err) {
    j->shard_path = shard_file(j, "shard", j->number);
    if (!j->shard_path) return mp_mem_error(j->mem, 64, err);
    int fd = open(j->shard_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return log_error(j, errno, err);
    mp_status st = MP_OK;
    for (size_t n = 1; st == MP_OK && n > 0;) {
        const uint8_t *bytes;
        st = mp_map_shard_next(&j->table, &bytes, &n, err);
        if (st == MP_OK) st = write_file(fd, bytes, n, j->folder, err);
    }
    if (close(fd) != 0 && st == MP_OK) st = log_error(j, errno, err);
    return st;
}

/* What stands for the unit in the command, and what its standard input is. */
static mp_status open_input(mp_map_job *j, mp_rd *rd, const char **item, int *stream,
                            mp_error *err) {
    bool by_path = mp_unit_has_place(&j->command);
    *item = "";
    *stream = MP_CHILD_EMPTY;
    if (j->mode == MP_MAP_ITEMS) {
        if (mp_rd_text(rd, &j->unit_arena, item) && !rd->bad && *item) return MP_OK;
        return mp_error_set(err, MP_FAILED, "broken unit", "its description is cut short");
    }
    if (j->mode == MP_MAP_FILES) {
        *item = shard_file(j, "part", j->number - 1);
        if (!*item) return mp_mem_error(j->mem, 64, err);
        if (by_path) return MP_OK;
        j->in_fd = *stream = open(*item, O_RDONLY | O_CLOEXEC);
        return j->in_fd >= 0 ? MP_OK : mp_error_errno(err, errno, "cannot read a shard", *item);
    }
    mp_status st = mp_map_shard_begin(&j->table, rd, err);
    mp_map_cut_pick(j);
    if (st != MP_OK || !by_path) {
        *stream = MP_CHILD_PIPE;
        return st;
    }
    st = make_shard_file(j, err);
    *item = j->shard_path;
    return st;
}

static void close_input(mp_map_job *j) {
    if (j->in_fd >= 0) close(j->in_fd);
    j->in_fd = -1;
    if (j->mode == MP_MAP_SHARDS) mp_map_shard_end(&j->table);
    if (j->shard_path) (void)unlink(j->shard_path);
    j->shard_path = NULL;
}

static mp_status give_in(void *ctx, const uint8_t **bytes, size_t *n, bool *of_file,
                         mp_error *err) {
    mp_map_job *j = ctx;
    mp_status st = mp_map_shard_next(&j->table, bytes, n, err);
    *of_file = j->table.raw.of_file;
    return st;
}

static void begin_command(mp_map_job *j, const char **words, const char **extra, int stream) {
    mp_child_args args = {
        .argv = words, .extra = extra, .streams = {stream, MP_CHILD_PIPE, MP_CHILD_PIPE}};
    int errnum = mp_child_find(words[0], &j->unit_arena, &args.path);
    if (errnum)
        mp_work_refuse(j->work, errnum);
    else
        mp_work_start(j->work, &args, j->map->timeout_ns);
}

static mp_status begin_plugin(mp_map_job *j, int64_t unit, mp_rd *rd, mp_error *err) {
    mp_status st = MP_OK;
    if (j->results_fd >= 0) {
        st = open_own(j, "out", &j->out_fd, err);
        if (st == MP_OK) st = open_own(j, "err", &j->err_fd, err);
    }
    if (st == MP_OK) st = mp_map_plugin_begin(j, unit, rd, err);
    if (st == MP_OK) mp_map_cut_pick(j);
    if (st != MP_OK) {
        close_own(j);
        close_input(j);
    }
    return st;
}

static mp_status start_command(mp_map_job *j, int64_t unit, const char *item, int stream,
                               mp_error *err) {
    mp_status st = MP_OK;
    const char **words = mp_unit_words(&j->command, item, j->number, &j->unit_arena);
    const char *extra[] = {variable(j, "MPART_SHARD", unit),
                           variable(j, "MPART_SHARDS", j->n_units),
                           variable(j, "MPART_RANK", mp_comm_rank(j->c)),
                           variable(j, "MPART_RANKS", mp_comm_size(j->c)),
                           mp_map_dict_variable(j),
                           NULL};
    if (!words || !extra[0] || !extra[1] || !extra[2] || !extra[3])
        return mp_mem_error(j->mem, strlen(item), err);
    if (j->results_fd >= 0 && j->out_fd < 0) {
        st = open_own(j, "out", &j->out_fd, err);
        if (st == MP_OK) st = open_own(j, "err", &j->err_fd, err);
    }
    if (st == MP_OK) begin_command(j, words, extra, stream);
    return st;
}

/* The unit under way, or the part of it that is next. rd: its description. */
static mp_status begin_run(mp_map_job *j, mp_rd rd, mp_error *err) {
    const char *item = NULL;
    int stream;
    int64_t unit = j->number - 1;
    mp_arena_reset(&j->unit_arena);
    mp_map_head_begin(j);
    if (j->plugin) return begin_plugin(j, unit, &rd, err);
    mp_status st = open_input(j, &rd, &item, &stream, err);
    if (st != MP_OK)
        close_input(j);
    else
        st = start_command(j, unit, item, stream, err);
    return st;
}

mp_status mp_map_begin(void *ctx, int64_t unit, const uint8_t *desc, size_t len, mp_error *err) {
    mp_map_job *j = ctx;
    j->number = unit + 1;
    j->unit_from = j->log_end;
    j->stopping = false;
    mp_buf_clear(&j->line);
    mp_buf_clear(&j->log);
    mp_map_cut_begin(j, desc, len);
    return begin_run(j, mp_rd_of(desc, len), err);
}

/* The last line of a table gets its newline, so that the next one can follow. */
static mp_status end_result(mp_map_job *j, mp_unit_record *r, mp_error *err) {
    mp_status st = MP_OK;
    if (j->last_byte != '\n') st = mp_map_take_out(j, (const uint8_t *)"\n", 1, err);
    int64_t len = j->log_end + (int64_t)j->log.len - j->cut.from; /* of this part */
    if (st != MP_OK || mp_map_head_end(j, len, r)) return st;
    mp_map_head_why(j, r, &j->line);
    end_line(j);
    return write_lines(j, err);
}

static mp_work_result run_result(mp_map_job *j, mp_error *why) {
    return j->plugin ? mp_map_plugin_result(j, why) : mp_work_result_of(j->work);
}

/* A run has ended: with --bisect there may be more of its unit. */
static mp_status next_part(mp_map_job *j, bool *done, mp_error *err) {
    mp_error why = MP_ERROR_INIT;
    mp_work_result result = run_result(j, &why);
    mp_unit_record part = {.outcome = MP_UNIT_OK};
    mp_cut_step step;
    bool kept = result.outcome == MP_UNIT_OK && mp_map_cut_keeps(j);
    mp_status st = MP_OK;
    close_input(j);
    if (kept) st = end_result(j, &part, err);
    if (part.outcome != MP_UNIT_OK) { /* it was told */
        j->cut_step = MP_CUT_NO_TABLE;
        return st;
    }
    if (st == MP_OK) st = mp_map_cut_next(j, &result, &part, &step, err);
    if (st != MP_OK) return st;
    j->cut_step = step;
    if (step != MP_CUT_AGAIN) return MP_OK;
    if (kept) st = flush_log(j, err);
    j->cut.from = j->log_end;
    *done = false;
    return st == MP_OK ? begin_run(j, mp_rd_of(j->cut.desc, j->cut.len), err) : st;
}

/* What --bisect made of the unit. */
static mp_status end_parts(mp_map_job *j, mp_unit_record *r, mp_error *err) {
    if (j->cut_step == MP_CUT_BAD || j->cut_step == MP_CUT_NO_TABLE) {
        r->outcome = MP_UNIT_BAD;
        if (j->cut_step == MP_CUT_NO_TABLE) return MP_OK;
        mp_buf_printf(&j->line, "mpart: parts of the shard gave different headers");
        end_line(j);
        return write_lines(j, err);
    }
    r->outcome = MP_UNIT_OK;
    r->code = 0;
    r->head_len = j->cut.head_len;
    r->head_hash = j->cut.head_hash;
    mp_status st = flush_log(j, err);
    r->len = j->log_end - j->unit_from;
    r->reject_len = (int64_t)j->cut.rejects.len;
    r->n_rejected = j->cut.n_rejected;
    return st == MP_OK ? put_log(j, j->cut.rejects.data, j->cut.rejects.len, err) : st;
}

mp_status mp_map_step(void *ctx, bool *did, bool *done, mp_error *err) {
    mp_map_job *j = ctx;
    mp_status st =
        j->plugin ? mp_map_plugin_step(j, did, done, err) : mp_work_step(j->work, did, done, err);
    if (st == MP_OK && *done && j->map->bisect && !mp_map_is_combining(j))
        st = next_part(j, done, err);
    if (st != MP_OK) {
        close_own(j);
        close_input(j);
    }
    return st;
}

/* "mpart: ...", on one line. */
static size_t error_line(const mp_error *why, char *text, size_t cap) {
    size_t n = (size_t)snprintf(text, cap, "mpart: ");
    n += mp_error_format(why, text + n, cap - n);
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n') text[i] = ' ';
    return n;
}

/* A file that was there a moment ago: the program that its first line names is not. */
static const char *why_not_run(mp_map_job *j, int errnum) {
    const char *path;
    bool script =
        errnum == ENOENT && mp_child_find(j->command.words[0], &j->unit_arena, &path) == 0;
    return script ? "the interpreter that it names is not there" : strerror(errnum);
}

/* Said where the command itself could not: as a shell says it. */
static void say_not_run(mp_map_job *j, const mp_work_result *result, const mp_error *why) {
    char text[4096];
    if (why->status != MP_OK)
        mp_buf_put(&j->line, text, error_line(why, text, sizeof text));
    else if (result->outcome == MP_UNIT_NO_RUN)
        mp_buf_printf(&j->line, "mpart: cannot run the command: %s", why_not_run(j, result->code));
    else if (result->outcome == MP_UNIT_TIMEOUT)
        mp_buf_printf(&j->line, "mpart: ended: its time limit is over");
}

mp_status mp_map_end(void *ctx, mp_unit_record *r, mp_error *err) {
    mp_map_job *j = ctx;
    mp_error why = MP_ERROR_INIT;
    mp_work_result result = run_result(j, &why);
    /* a part that ended well while its unit was being ended is not the unit */
    if (j->stopping && j->cut.used && result.outcome == MP_UNIT_OK) {
        result.outcome = MP_UNIT_SIGNAL;
        result.code = SIGTERM;
    }
    bool parts = j->map->bisect && !j->stopping &&
                 (j->cut_step == MP_CUT_NO_TABLE || (j->cut.used && j->cut_step >= MP_CUT_DONE));
    mp_status st = MP_OK;
    close_input(j);
    if (j->line.len > 0) end_line(j);
    if (!parts) say_not_run(j, &result, &why);
    if (j->line.len > 0) end_line(j);
    st = write_lines(j, err);
    r->outcome = (int32_t)result.outcome;
    r->code = result.code;
    r->start_ms = result.start_ms;
    r->run_ns = result.run_ns;
    r->run = j->run;
    r->rank = mp_comm_rank(j->c);
    if (j->results_fd >= 0) {
        if (st == MP_OK) st = name_own(j, "out", &j->out_fd, err);
        if (st == MP_OK) st = name_own(j, "err", &j->err_fd, err);
        close_own(j);
        return st;
    }
    if (parts && st == MP_OK)
        st = end_parts(j, r, err);
    else if (result.outcome == MP_UNIT_OK && st == MP_OK)
        st = end_result(j, r, err);
    if (r->outcome != MP_UNIT_OK) {
        j->log_end = j->unit_from;
        mp_buf_clear(&j->log);
        return st;
    }
    if (st == MP_OK) st = flush_log(j, err);
    r->offset = j->unit_from;
    if (!parts) r->len = j->log_end - j->unit_from;
    return st;
}

int64_t mp_map_patience(void *ctx) {
    mp_map_job *j = ctx;
    return j->plugin ? mp_map_plugin_patience(j) : mp_work_patience(j->work);
}

void mp_map_stop(void *ctx) {
    mp_map_job *j = ctx;
    j->stopping = true;
    if (j->plugin)
        mp_map_plugin_stop(j);
    else
        mp_work_stop(j->work);
}

mp_status mp_map_sync(void *ctx, mp_error *err) {
    mp_map_job *j = ctx;
    if (j->results_fd >= 0) {
        /* thousands of small files: one call for all is cheaper than one for each */
        if (syncfs(j->results_fd) == 0) return MP_OK;
        return mp_error_errno(err, errno, "cannot write", j->map->results);
    }
    return fdatasync(j->log_fd) == 0 ? MP_OK : log_error(j, errno, err);
}

/* ---- open and close ---- */

mp_status mp_map_work_open(mp_map_job *j, mp_error *err) {
    mp_status st = mp_run_log_create(j->folder, j->run, mp_comm_rank(j->c), &j->log_fd, err);
    if (st == MP_OK) st = mp_spawner_new(j->mem, &j->spawner, err);
    if (st != MP_OK) return st;
    j->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (j->epoll_fd < 0) return mp_error_errno(err, errno, "cannot wait for commands", NULL);
    if (j->map->results) {
        j->results_fd = open(j->map->results, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (j->results_fd < 0) return mp_error_errno(err, errno, "cannot write", j->map->results);
    }
    mp_work_args args = {.spawner = j->spawner,
                         .epoll_fd = j->epoll_fd,
                         .mem = j->mem,
                         .ctx = j,
                         .out = mp_map_take_out,
                         .err = mp_map_take_err,
                         .in = j->mode == MP_MAP_SHARDS ? give_in : NULL};
    return mp_work_new(&args, &j->work, err);
}

void mp_map_work_close(mp_map_job *j) {
    mp_map_plugin_close(j);
    mp_work_free(&j->work);
    mp_spawner_free(&j->spawner);
    close_own(j);
    close_input(j);
    if (j->epoll_fd >= 0) close(j->epoll_fd);
    if (j->results_fd >= 0) close(j->results_fd);
    if (j->log_fd >= 0) close(j->log_fd);
    j->epoll_fd = j->results_fd = j->log_fd = -1;
}
