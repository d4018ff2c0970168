/* map_priv.h - the state of one map on one rank, shared by the map_*.c files. */
#ifndef MP_RUN_MAP_PRIV_H
#define MP_RUN_MAP_PRIV_H

#include "io/output/output.h"
#include "op/unit_args.h"
#include "run/journal/run_dir.h"
#include "run/journal/run_facts.h"
#include "run/map/map.h"
#include "run/map/map_table.h"
#include "run/split/split_run.h"
#include "run/stop.h"

/* Where the result of a unit is. */
typedef struct {
    int64_t offset, len;
    uint64_t head_hash;
    int32_t head_len;
    int32_t run, rank;
    int32_t tries;
    int32_t code;
    int64_t reject_len; /* bytes behind the result: rows that --bisect rejected */
    int64_t n_rejected;
    uint8_t outcome; /* mp_unit_outcome; MP_UNIT_OUTCOMES: not done */
} mp_map_result;

/* --bisect: rows [low, low + n) of a shard, or, --by, its keys in the order of their hashes. */
typedef struct {
    int64_t low, n;
} mp_map_range;

typedef struct {
    mp_map_range todo[128]; /* a stack; halving comes to an end long before */
    int n;
} mp_map_ranges;

typedef enum {
    MP_CUT_PARTS, /* runs of rows or keys, whose results are kept */
    MP_CUT_TRIAL, /* of some rows of one key: what comes out is dropped */
    MP_CUT_REST   /* of the key without the rows that it cannot be run with */
} mp_cut_stage;

/* --bisect: the parts of the unit under way. */
typedef struct {
    const uint8_t *desc; /* of the unit */
    size_t len;
    mp_map_range now;
    mp_map_ranges parts;
    bool used;    /* the shard was halved */
    bool headed;  /* a part has given a header */
    int64_t from; /* where the result of the part begins in the log */
    int64_t head_len;
    uint64_t head_hash;
    mp_buf rejects; /* lines for --rejects */
    int64_t n_rejected;
    /* --by */
    mp_cut_stage stage;
    mp_buf keys;             /* uint64_t: hashes of the shard's keys, ascending */
    mp_map_range rows;       /* of the key now.low, on trial */
    mp_map_ranges row_parts; /* likewise */
    int64_t n_rows;          /* of that key */
    mp_buf bad_rows;         /* int64_t, ascending: numbers among them that cannot be run */
    mp_buf bad_results;      /* mp_work_result of each */
    mp_work_result whole;    /* of the run of all rows of that key */
} mp_map_cut;

typedef enum {
    MP_CUT_OVER,  /* the result of the run is that of the unit */
    MP_CUT_AGAIN, /* cut.now is to be run */
    MP_CUT_DONE,  /* all parts are done, the unit has ended well */
    MP_CUT_BAD,   /* the header of a part is another one */
    MP_CUT_NO_TABLE
} mp_cut_step;

/* Why a unit's output cannot be used (mp_unit_record.bad). */
typedef enum {
    MP_BAD_NONE,
    MP_BAD_LONG_HEADER,
    MP_BAD_ROW, /* with other fields than the header */
    MP_BAD_OPEN_QUOTE,
    MP_BAD_NUL
} mp_unit_bad;

/* The records of a result under way. */
typedef struct {
    mp_csv_state state;
    bool filled;          /* the record has a byte */
    int64_t n_commas;     /* of the record so far */
    int64_t width;        /* fields of the header; 0: it has not ended */
    int64_t n_rows;       /* behind it */
    int64_t ragged;       /* the first bad row, from 1; 0: none */
    int64_t ragged_width; /* its fields; 0: they are not what is wrong with it */
    bool nul;             /* there is a NUL byte */
    int64_t nul_row;      /* in this row; 0: the header */
} mp_map_rows;

typedef enum {
    MP_MAP_ITEMS,  /* a word for each unit */
    MP_MAP_SHARDS, /* rows that are read from the inputs for each unit */
    MP_MAP_FILES   /* files that hold the rows of their keys */
} mp_map_mode;

typedef struct {
    int32_t run, rank;
    int fd;
} mp_map_log;

typedef struct {
    mp_comm *c;
    const mp_spec *spec;
    const mp_map_spec *map;
    mp_mem *mem;
    mp_report *report;
    mp_buf *text; /* rank 0: for standard output at the end */
    mp_arena arena;
    mp_stop stop;
    mp_unit_command command;
    int64_t n_units;
    mp_map_mode mode;
    bool headed; /* results are tables: each has a header, which is checked and written once */
    mp_map_table table;   /* FILES: its input alone */
    mp_split_part *parts; /* FILES: rows and bytes of each, on every rank */
    const char *ending;   /* of files that hold shards */
    mp_buf records;       /* rank 0: of an earlier run, until the number of units is known */
    struct mp_map_plugin *plugin; /* NULL: a command */
    int64_t n_shards;             /* behind the phase that combines: of the one before */
    mp_map_result *shard_results; /* rank 0: likewise */

    /* Rank 0. */
    mp_buf items;   /* texts, each with a NUL behind it */
    mp_buf starts;  /* int64_t: where each begins in items */
    int32_t *group; /* by item: its host; NULL: no --per-host */
    int n_groups;
    mp_run_dir *dir;
    mp_map_result *results; /* by unit */
    uint8_t *kept;          /* by unit: done by an earlier run */
    int64_t n_kept;
    int64_t n_lost; /* done by an earlier run, but not in the dictionary that it kept */
    bool cut_short; /* units that had begun were ended */
    char **hosts;   /* by rank */
    int joblog_fd;
    mp_buf joblog;
    mp_arena log_arena; /* of its line under way */
    mp_out_file *file;
    int stream_fd;
    bool streams, closed;
    int64_t front;     /* the first unit whose result was not written to the stream */
    int64_t front_at;  /* bytes of it that were */
    int64_t headed_by; /* the unit whose header was written; -1 */
    mp_map_log *logs;  /* for reading */
    int n_logs, cap_logs;

    /* Every rank. */
    const char *folder; /* of the run */
    int run;
    bool journalled;
    mp_spawner *spawner;
    mp_work *work;
    int epoll_fd;
    mp_arena unit_arena;
    int log_fd;
    mp_buf log;         /* bytes not written yet */
    int64_t log_end;    /* bytes written and kept */
    int64_t unit_from;  /* where the unit's result begins */
    int64_t number;     /* of the unit under way, from 1 */
    mp_buf line;        /* of standard error, unfinished */
    mp_buf lines;       /* whole lines for standard error */
    int results_fd;     /* folder of --results; -1 */
    int out_fd, err_fd; /* N.out and N.err under way; -1 */
    int in_fd;          /* the file that is standard input; -1 */
    char *shard_path;   /* of a file that was made for the unit under way; NULL */
    mp_buf head;        /* the header of the result under way */
    bool head_done;
    mp_map_rows rows;
    uint8_t last_byte;        /* of the result */
    struct mp_map_dict *dict; /* NULL: none */
    mp_map_cut cut;
    mp_cut_step cut_step;
    bool stopping; /* what runs is being ended */

} mp_map_job;

/* map_dict.c: the dictionary beside the units, if it was asked for. */
/* Collective: on every rank dictionary and socket, and what --dict-in has. */
mp_status mp_map_dict_open(mp_map_job *j, mp_error *err);
/* --dict-in is HDF5, so open makes a file in the run's folder. */
bool mp_map_dict_is_h5(const mp_map_job *j);
/* MPART_DICT=...; NULL: there is no dictionary. */
const char *mp_map_dict_variable(const mp_map_job *j);
/* Its socket, and itself; NULL: there is none. */
const char *mp_map_dict_socket(const mp_map_job *j);
struct mp_dict *mp_map_dict_of(const mp_map_job *j);
/* For mp_units.beside. */
mp_status mp_map_dict_round(void *ctx, bool *did, mp_error *err);
/* For mp_units.keep: what clients that are gone have sent is carried out, then the dictionary is kept for --resume. Where
 * it cannot be, that is a note. */
mp_status mp_map_dict_keep_now(void *ctx, mp_error *err);
/* Collective, behind the units: likewise, where it was not for longer than --dict-keep. */
mp_status mp_map_dict_keep_behind(mp_map_job *j, mp_error *err);
/* Collective, behind the units: clients are sent away, what they have sent is carried out. */
mp_status mp_map_dict_settle(mp_map_job *j, mp_error *err);
/* Collective, behind settle: --dict-out. */
mp_status mp_map_dict_write(mp_map_job *j, mp_error *err);
/* Collective: the end of it, with the run's status. */
mp_status mp_map_dict_close(mp_map_job *j, mp_status st, mp_error *err);

/* map_items.c, rank 0: the list of items, and their hosts. */
mp_status mp_map_read_items(mp_map_job *j, mp_error *err);
static inline const char *mp_map_item(const mp_map_job *j, int64_t unit) {
    int64_t at;
    memcpy(&at, j->starts.data + (size_t)unit * sizeof at, sizeof at);
    return (const char *)j->items.data + at;
}

/* map_work.c, every rank: the callbacks of the unit phase. */
mp_status mp_map_begin(void *ctx, int64_t unit, const uint8_t *desc, size_t len, mp_error *err);
mp_status mp_map_step(void *ctx, bool *did, bool *done, mp_error *err);
mp_status mp_map_end(void *ctx, mp_unit_record *r, mp_error *err);
int64_t mp_map_patience(void *ctx);
void mp_map_stop(void *ctx);
mp_status mp_map_sync(void *ctx, mp_error *err);
mp_status mp_map_work_open(mp_map_job *j, mp_error *err);
void mp_map_work_close(mp_map_job *j);

/* Bytes of the result of the unit under way; of its standard error. */
mp_status mp_map_take_out(void *ctx, const uint8_t *bytes, size_t n, mp_error *err);
mp_status mp_map_take_err(void *ctx, const uint8_t *bytes, size_t n, mp_error *err);

/* map_plugin.c */
typedef struct mp_map_plugin mp_map_plugin;
/* Rank 0: is its file there? What the results depend on, of it. */
mp_status mp_map_plugin_look(const mp_map_job *j, mp_error *err);
void mp_map_plugin_facts(const mp_map_job *j, mp_buf *out);
/* Before the table is opened: its rows are to be batches for the plug-in. */
void mp_map_plugin_table(mp_map_table *t);
/* Collective, behind the table and mp_map_work_open: the plug-in is asked for its columns. */
mp_status mp_map_plugin_open(mp_map_job *j, mp_error *err);
void mp_map_plugin_close(mp_map_job *j);
mp_status mp_map_plugin_begin(mp_map_job *j, int64_t unit, mp_rd *rd, mp_error *err);
mp_status mp_map_plugin_step(mp_map_job *j, bool *did, bool *done, mp_error *err);
int64_t mp_map_plugin_patience(mp_map_job *j);
void mp_map_plugin_stop(mp_map_job *j);
/* Of the unit that is done; err: why it failed. */
mp_work_result mp_map_plugin_result(mp_map_job *j, mp_error *err);
/* Are the rows of all shards combined by key? Collective: the units become the parts that are combined; their joined
 * results become the output. */
bool mp_map_combines(const mp_map_job *j);
bool mp_map_is_combining(const mp_map_job *j); /* is it the second phase? */
mp_status mp_map_combine_open(mp_map_job *j, mp_error *err);
mp_status mp_map_combine_write(mp_map_job *j, mp_error *err);

/* map_head.c, rank 0. */
mp_status mp_map_describe(void *ctx, int64_t unit, mp_buf *desc, mp_error *err);
mp_status mp_map_ended(void *ctx, const mp_unit_record *r, int src, mp_error *err);
mp_status mp_map_commit(void *ctx, const mp_buf *lines, mp_error *err);
void mp_map_record(void *ctx, const mp_unit_record *r);
void mp_map_record_lost(void *ctx, const mp_unit_record *r);
/* What the results depend on, as lines. */
void mp_map_facts(const mp_map_job *j, mp_buf *out);
/* The number of units is known: what an earlier run has of them; results whose log is gone are not
 * kept. */
mp_status mp_map_keep(mp_map_job *j, mp_error *err);
mp_status mp_map_open_joblog(mp_map_job *j, mp_error *err);
mp_status mp_map_flush_joblog(mp_map_job *j, mp_error *err);
/* "exit code 2", "signal 9 (Killed)", ... */
void mp_map_outcome_text(const mp_map_result *r, char *out, size_t cap);
void mp_map_explain(const mp_map_job *j, mp_buf *out);
/* A unit in messages and logs: the item, or what the shard is called, in out. */
const char *mp_map_unit_name(const mp_map_job *j, int64_t unit, char *out, size_t cap);

/* A shard without rows, which is not run. Rank 0. */
bool mp_map_is_empty(const mp_map_job *j, int64_t unit);

/* map_units.c: the units of tables. */
/* Rank 0: the inputs and how they are cut, as lines. */
/* Collective, behind the units: --rejects with the rows that --bisect found; *n_bad has all of them. */
mp_status mp_map_write_rejects(mp_map_job *j, mp_error *err);
void mp_map_table_facts(const mp_map_job *j, mp_buf *out);
/* Collective, behind the run's folder: the shards. */
mp_status mp_map_make_shards(mp_map_job *j, mp_error *err);
void mp_map_release_shards(mp_map_job *j);

/* map_result.c, every rank: the result under way as a table. */
void mp_map_head_begin(mp_map_job *j);
void mp_map_head_take(mp_map_job *j, const uint8_t *bytes, size_t n);
/* len: of the result. False: it is no table. */
bool mp_map_head_end(mp_map_job *j, int64_t len, mp_unit_record *r);
/* Then: why, for people. */
void mp_map_head_why(const mp_map_job *j, const mp_unit_record *r, mp_buf *out);

/* map_bisect.c, every rank. */
/* A unit begins. desc stays. */
void mp_map_cut_begin(mp_map_job *j, const uint8_t *desc, size_t len);
void mp_map_cut_release(mp_map_job *j);
/* Behind mp_map_shard_begin: the rows of the run that begins. */
void mp_map_cut_pick(mp_map_job *j);
/* Is what comes out of the run wanted? */
bool mp_map_cut_keeps(const mp_map_job *j);
/* A run has ended; ended: the header of its result. */
mp_status mp_map_cut_next(mp_map_job *j, const mp_work_result *result, mp_unit_record *ended,
                          mp_cut_step *step, mp_error *err);

/* map_merge.c: results into one output. */
mp_status mp_map_open_target(mp_map_job *j, mp_error *err);
/* Rank 0, while units are under way: to the stream what is next. */
mp_status mp_map_push(void *ctx, bool *did, mp_error *err);
bool mp_map_enough(void *ctx);
/* Collective: all of the output, and its name. */
mp_status mp_map_write(mp_map_job *j, mp_error *err);
int mp_map_log_fd(mp_map_job *j, int32_t run, int32_t rank, mp_error *err);
void mp_map_close_logs(mp_map_job *j);
mp_status mp_map_read_log(mp_map_job *j, int fd, uint8_t *out, size_t n, int64_t at, mp_error *err);
/* Rank 0: how much of a unit's result does not go to the output: its header, unless it is the first
 * to be written. MP_DATA: it has another header than that one. */
mp_status mp_map_check_header(mp_map_job *j, int64_t unit, int64_t *skip, mp_error *err);
/* map_write.c, collective: results into the file. */
mp_status mp_map_write_file(mp_map_job *j, mp_error *err);
/* The joined results, read as a table of these types (n 0: found out) and written as a query writes it, sorted by sort
 * (NULL: as they are). */
mp_status mp_map_convert(mp_map_job *j, const char *sort, mp_type_choice *types, int n,
                         mp_error *err);
/* Rank 0: a hidden run folder is taken away while its files are open: nothing can be left behind. */
mp_status mp_map_hide(mp_map_job *j, mp_error *err);

#endif
