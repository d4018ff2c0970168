/* test_order.c - the ordered sink: whoever makes the pieces, in whatever order they come, the bytes
 * are those of the pieces laid end to end, cut at the rows that were asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/output/output_pack.h"
#include "on_ranks.h"
#include "run/order/order.h"

static mp_comm *comm;
static uint32_t pass;

/* A job: what the pieces are and who makes them. The same on every rank. */
typedef struct {
    int64_t n_pieces;
    uint32_t seed;      /* of owners and sizes */
    bool stream, gated; /* gated: a busy rank submits nothing */
    bool backwards;     /* each rank submits its last piece first */
    bool no_ends;
    int64_t big_rows; /* rows of every seventh piece, 0: as the others */
    int64_t missing;  /* piece that nobody makes, -1: none */
    int64_t skip, limit, budget;
    int slow; /* this rank waits a little before each piece, -1: none */
    int fd;   /* stream: write here instead of a spool, -1: spool */
    mp_packing packing;
    int64_t file_limit; /* rank 1 % size may not write files longer than this, 0: none */
} job;

/* What came of it; text is on rank 0. */
typedef struct {
    mp_buf text;
    mp_status status; /* of this rank */
    mp_error error;
    int64_t rows, bytes;
    bool enough, ever_busy;
} outcome;

static const job PLAIN = {
    .n_pieces = 23, .seed = 1, .missing = -1, .limit = -1, .budget = 1 << 30, .slow = -1, .fd = -1};

static uint32_t mix(uint32_t seed, int64_t piece) {
    uint64_t x = ((uint64_t)seed << 32 | (uint32_t)piece) * 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    return (uint32_t)((x * 0xBF58476D1CE4E5B9u) >> 32);
}

static int owner_of(const job *j, int64_t piece) {
    return (int)(mix(j->seed, piece) % (uint32_t)mp_comm_size(comm));
}

static int64_t rows_of(const job *j, int64_t piece) {
    if (j->big_rows && piece % 7 == 3) return j->big_rows;
    return (int64_t)(mix(j->seed + 1000, piece) % 4); /* none of them, too */
}

static void make_piece(const job *j, int64_t piece, mp_buf *text, mp_buf *ends) {
    for (int64_t r = 0; r < rows_of(j, piece); r++) {
        mp_buf_printf(text, "piece %lld row %lld%.*s\n", (long long)piece, (long long)r,
                      (int)(r % 5), "xxxxx");
        mp_buf_i64(ends, (int64_t)text->len);
    }
}

static void must(mp_status s, mp_error *err) {
    char text[2048];
    if (s == MP_OK) return;
    mp_error_format(err, text, sizeof text);
    fprintf(stderr, "rank %d: %s\n", mp_comm_rank(comm), text);
    abort();
}

/* What text is packed, block by block. */
static void pack(mp_packing packing, mp_buf *text) {
    mp_error e = MP_ERROR_INIT;
    mp_packer *packer = NULL;
    mp_buf out;
    mp_buf_init(&out, NULL);
    must(mp_packer_new(packing, NULL, &packer, &e), &e);
    size_t block = mp_packer_block_bytes(packing);
    for (size_t at = 0; at < text->len; at += block) {
        size_t n = text->len - at < block ? text->len - at : block;
        must(mp_packer_put(packer, text->data + at, n, &out, &e), &e);
    }
    must(mp_packer_end(packer, text->len == 0, &out, &e), &e);
    mp_packer_free(&packer);
    mp_buf_release(text);
    *text = out;
}

/* The answer by definition. */
static void expected(const job *j, mp_buf *want, int64_t *n_rows) {
    int64_t no = 0;
    *n_rows = 0;
    if (j->packing) mp_buf_put(want, "head\n", 5);
    for (int64_t p = 0; p < j->n_pieces; p++)
        for (int64_t r = 0; r < rows_of(j, p); r++, no++) {
            if (no < j->skip || (j->limit >= 0 && no >= j->skip + j->limit)) continue;
            mp_buf_printf(want, "piece %lld row %lld%.*s\n", (long long)p, (long long)r,
                          (int)(r % 5), "xxxxx");
            (*n_rows)++;
        }
    if (j->packing) pack(j->packing, want);
}

/* The temporary, opened on every rank. */
static mp_out_file *open_file(void) {
    mp_error e = MP_ERROR_INIT;
    mp_buf name;
    mp_buf_init(&name, NULL);
    mp_out_file *f = NULL;
    if (mp_comm_rank(comm) == 0) {
        char target[64];
        snprintf(target, sizeof target, "/tmp/mpart-test-order-%d.csv", (int)getpid());
        must(mp_out_create(target, &f, &e), &e);
        must(mp_out_write_at(f, 0, "head\n", 5, &e), &e);
        mp_buf_put(&name, mp_out_temp(f), strlen(mp_out_temp(f)) + 1);
    }
    must(mp_comm_bcast(comm, &name, &e), &e);
    if (!f) must(mp_out_join("order.csv", (const char *)name.data, &f, &e), &e);
    mp_buf_release(&name);
    return f;
}

static void read_back(int fd, int64_t from, mp_buf *out) {
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < from) abort();
    size_t n = (size_t)(st.st_size - from);
    if (!mp_buf_reserve(out, n + 1)) abort();
    while (out->len < n) {
        ssize_t got = pread(fd, out->data + out->len, n - out->len, from + (int64_t)out->len);
        if (got <= 0) abort();
        out->len += (size_t)got;
    }
}

static void note(outcome *out, mp_status s, const mp_error *e) {
    if (s == MP_OK || out->status != MP_OK) return;
    out->status = s;
    out->error = *e;
}

static mp_status hear_quiet(void *ctx, int src, const uint8_t *bytes, size_t len, mp_error *err) {
    (void)src, (void)bytes, (void)len, (void)err;
    ++*(int *)ctx;
    return MP_OK;
}

static void tell_quiet(void) {
    mp_error e = MP_ERROR_INIT;
    for (int dest = 0; dest < mp_comm_size(comm); dest++)
        must(mp_comm_send(comm, dest, MP_TAG_USER, "q", 1, &e), &e);
}

/* The loop of a driver, in small: every rank pushes until all are quiet. */
static void drive(const job *j, mp_order *o, mp_mem *mem, outcome *out) {
    int64_t p = 0;
    int idle = 0, n_quiet = 0;
    bool told = false;
    mp_comm_listen(comm, MP_TAG_USER, hear_quiet, &n_quiet);
    while (n_quiet < mp_comm_size(comm)) {
        mp_error e = MP_ERROR_INIT;
        int events = 0;
        note(out, mp_comm_progress(comm, &events, &e), &e);
        mp_error_init(&e);
        bool did = false;
        note(out, mp_order_push(o, &did, &e), &e);
        if (mp_order_busy(o)) out->ever_busy = true;
        int64_t piece = j->backwards ? j->n_pieces - 1 - p : p;
        idle = events || did ? 0 : idle + 1;
        if (!told && p == j->n_pieces && mp_order_quiet(o)) {
            tell_quiet();
            told = true;
        }
        if (p < j->n_pieces && !(j->gated && mp_order_busy(o))) {
            p++;
            idle = 0;
            if (owner_of(j, piece) != mp_comm_rank(comm) || piece == j->missing) continue;
            if (j->slow == mp_comm_rank(comm)) usleep(300);
            mp_buf text, ends;
            mp_buf_init(&text, mem);
            mp_buf_init(&ends, mem);
            make_piece(j, piece, &text, &ends);
            mp_error_init(&e);
            must(mp_order_submit(o, piece, &text, rows_of(j, piece), j->no_ends ? NULL : &ends, &e),
                 &e);
            mp_buf_release(&text);
            mp_buf_release(&ends);
        }
        if (idle) mp_comm_idle(comm, idle);
    }
    mp_comm_listen(comm, MP_TAG_USER, NULL, NULL);
}

static void run_job(const job *j, outcome *out) {
    mp_error e = MP_ERROR_INIT;
    mp_mem mem;
    mp_mem_init(&mem, 0);
    bool root = mp_comm_rank(comm) == 0;
    *out = (outcome){.error = MP_ERROR_INIT};
    mp_buf_init(&out->text, NULL);
    mp_order_args args = {.skip_rows = j->skip,
                          .limit_rows = j->limit,
                          .start_offset = 5,
                          .packing = j->packing,
                          .head = "head\n",
                          .budget_bytes = j->budget,
                          .pass = ++pass,
                          .mem = &mem,
                          .stream_name = j->fd < 0 ? NULL : "/dev/full",
                          .stream_fd = -1};
    if (!j->stream) args.file = open_file();
    if (j->stream && root) {
        args.stream_fd = j->fd;
        if (j->fd < 0) must(mp_out_spool(NULL, &args.stream_fd, &e), &e);
    }
    struct rlimit old;
    bool limited = j->file_limit && mp_comm_rank(comm) == 1 % mp_comm_size(comm);
    getrlimit(RLIMIT_FSIZE, &old);
    struct rlimit few = {(rlim_t)j->file_limit, old.rlim_max};
    if (limited) setrlimit(RLIMIT_FSIZE, &few);

    mp_order *o = NULL;
    must(mp_order_new(comm, &args, &o, &e), &e);
    drive(j, o, &mem, out);
    mp_error all = out->error;
    if (mp_comm_agree(comm, &all) == MP_OK) {
        mp_error_init(&e);
        note(out, mp_order_finish(o, &e), &e);
    }
    mp_error_init(&e);
    must(mp_comm_barrier(comm, &e), &e);
    if (limited) setrlimit(RLIMIT_FSIZE, &old);
    out->rows = mp_order_rows(o);
    out->bytes = mp_order_bytes(o);
    out->enough = mp_order_enough(o);
    if (root && !j->stream) {
        int fd = open(mp_out_temp(args.file), O_RDONLY);
        read_back(fd, j->packing ? 0 : 5, &out->text);
        close(fd);
    }
    if (root && j->stream && j->fd < 0) {
        read_back(args.stream_fd, 0, &out->text);
        close(args.stream_fd);
    }
    mp_order_free(&o);
    for (int i = 0; i < 1000 && mem.used_bytes > 0; i++) { /* sends that are not finished */
        int events = 0;
        must(mp_comm_progress(comm, &events, &e), &e);
        if (!events) mp_comm_idle(comm, i + 1);
    }
    if (mem.used_bytes != 0) abort();
    must(mp_comm_barrier(comm, &e), &e); /* all have read before the file goes */
    if (args.file) mp_out_abandon(&args.file);
}

/* Reduce first, then assert on all ranks. */
static void on_all(bool ok, const char *what) {
    mp_error e = MP_ERROR_INIT;
    int64_t bad = !ok;
    must(mp_comm_allreduce(comm, &bad, 1, MP_SUM, &e), &e);
    if (bad) fail_msg("%s: wrong on %lld ranks", what, (long long)bad);
}

static bool is_right(const job *j, const outcome *out) {
    if (mp_comm_rank(comm) != 0) return true;
    mp_buf want;
    int64_t n_rows;
    mp_buf_init(&want, NULL);
    expected(j, &want, &n_rows);
    bool same = want.len == out->text.len &&
                (want.len == 0 || memcmp(want.data, out->text.data, want.len) == 0);
    bool ok = same && out->rows == n_rows && out->bytes == (int64_t)want.len;
    if (!ok)
        fprintf(stderr, "skip %lld limit %lld: %zu bytes, want %zu; %lld rows, want %lld\n",
                (long long)j->skip, (long long)j->limit, out->text.len, want.len,
                (long long)out->rows, (long long)n_rows);
    mp_buf_release(&want);
    return ok;
}

static void check(const job *j, const char *what) {
    outcome out;
    run_job(j, &out);
    bool ok = out.status == MP_OK && is_right(j, &out);
    mp_buf_release(&out.text);
    on_all(ok, what);
}

static void pieces_in_any_order(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++)
        for (int way = 0; way < 8; way++) {
            job j = PLAIN;
            j.seed = seed;
            j.stream = way & 1;
            j.backwards = way & 2;
            j.no_ends = way & 4;
            j.slow = (int)seed % mp_comm_size(comm);
            check(&j, "pieces in any order");
        }
}

static void no_pieces(void **state) {
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        job j = PLAIN;
        j.stream = stream;
        j.n_pieces = 0;
        check(&j, "no pieces");
        j.n_pieces = 200; /* more than the ring begins with, from the back */
        j.backwards = true;
        check(&j, "many pieces");
    }
}

static void every_cut(void **state) {
    (void)state;
    job j = PLAIN;
    j.n_pieces = 8;
    int64_t total = 0;
    for (int64_t p = 0; p < j.n_pieces; p++)
        total += rows_of(&j, p);
    assert_true(total > 8);
    for (j.skip = 0; j.skip <= total + 1; j.skip++)
        for (j.limit = -1; j.limit <= total - j.skip + 1; j.limit++) {
            j.stream = (j.skip + j.limit) & 1;
            check(&j, "skip and limit");
            j.stream = !j.stream;
            j.backwards = !j.backwards;
            check(&j, "skip and limit, the other way");
        }
}

static void big_pieces(void **state) {
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        job j = PLAIN;
        j.n_pieces = 12;
        j.stream = stream;
        j.big_rows = 500000; /* some 10 MB */
        j.slow = 0;
        check(&j, "big pieces");
        j.skip = 400000;
        j.limit = 300000;
        check(&j, "big pieces, cut");
    }
}

/* Pieces that end anywhere in the units: the packed bytes are those of the whole text. */
static void packed(void **state) {
    (void)state;
    for (int way = 0; way < 12; way++) {
        job j = PLAIN;
        j.packing = way & 1 ? MP_PACK_GZIP : MP_PACK_ZSTD;
        j.stream = way & 2;
        j.seed = (uint32_t)way + 1;
        j.backwards = way % 3 == 1;
        j.slow = way % mp_comm_size(comm);
        check(&j, "less than a unit");
        j.n_pieces = 0;
        check(&j, "packed nothing");
        j.n_pieces = 120;
        j.big_rows = 4000 + 999 * way; /* some 100 KB */
        check(&j, "many units");
        j.gated = true;
        j.backwards = false;
        j.budget = 0;
        j.skip = 3 * j.big_rows / 2;
        j.limit = 7 * j.big_rows;
        check(&j, "many units, cut");
        j.big_rows = 80000; /* several units a piece */
        j.n_pieces = 16;
        j.limit = 0;
        check(&j, "head alone");
        j.limit = -1;
        check(&j, "many units a piece");
    }
}

/* A rank that holds more than its budget waits, and yet everything arrives. */
static void small_budget(void **state) {
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        job j = PLAIN;
        outcome out;
        j.stream = stream;
        j.gated = true;
        j.budget = 0;
        j.big_rows = 1000;
        j.n_pieces = 60;
        j.slow = owner_of(&j, 0);
        run_job(&j, &out);
        bool ok = out.status == MP_OK && is_right(&j, &out) && out.ever_busy;
        mp_buf_release(&out.text);
        on_all(ok, "small budget");
    }
}

/* When the limit is reached nobody waits for pieces that are never made. */
static void hole_behind_the_limit(void **state) {
    (void)state;
    for (int stream = 0; stream < 2; stream++)
        for (int backwards = 0; backwards < 2; backwards++) {
            job j = PLAIN;
            outcome out;
            j.stream = stream;
            j.backwards = backwards;
            j.missing = 12;
            j.packing = backwards ? MP_PACK_GZIP : MP_PACK_NONE;
            for (int64_t p = 0; p < 6; p++)
                j.limit += rows_of(&j, p);
            j.limit++; /* from -1 */
            run_job(&j, &out);
            bool ok = out.status == MP_OK && is_right(&j, &out) &&
                      (mp_comm_rank(comm) != 0 || out.enough);
            mp_buf_release(&out.text);
            on_all(ok, "hole behind the limit");
        }
}

static void closed_stream(void **state) {
    (void)state;
    int p[2] = {-1, -1};
    job j = PLAIN;
    outcome out;
    if (mp_comm_rank(comm) == 0) {
        if (pipe(p) != 0) abort();
        close(p[0]);
    }
    j.stream = true;
    j.fd = p[1];
    j.missing = 20; /* not waited for any more */
    run_job(&j, &out);
    bool ok = out.status == MP_OK && (mp_comm_rank(comm) != 0 || (out.enough && out.bytes == 0));
    if (p[1] >= 0) close(p[1]);
    mp_buf_release(&out.text);
    on_all(ok, "closed stream");
}

/* The same when it is known only behind packing, with a piece missing in front of others. */
static void closed_packed_stream(void **state) {
    (void)state;
    int p[2] = {-1, -1};
    job j = PLAIN;
    outcome out;
    if (mp_comm_rank(comm) == 0) {
        if (pipe(p) != 0) abort();
        close(p[0]);
    }
    j.packing = MP_PACK_ZSTD;
    j.stream = true;
    j.fd = p[1];
    j.big_rows = 50000;
    j.missing = 20;
    run_job(&j, &out);
    bool ok = out.status == MP_OK && (mp_comm_rank(comm) != 0 || (out.enough && out.bytes == 0));
    if (p[1] >= 0) close(p[1]);
    mp_buf_release(&out.text);
    on_all(ok, "closed packed stream");
}

static void failing_packed_file(void **state) {
    (void)state;
    job j = PLAIN;
    outcome out;
    j.packing = MP_PACK_GZIP;
    j.big_rows = 20000;
    j.n_pieces = 60;
    j.file_limit = 10000;
    run_job(&j, &out);
    mp_error e = out.error;
    bool ok = mp_comm_agree(comm, &e) == MP_IO && strcmp(e.why, strerror(EFBIG)) == 0;
    mp_buf_release(&out.text);
    on_all(ok, "failing packed file");
}

static void failing_stream(void **state) {
    (void)state;
    job j = PLAIN;
    outcome out;
    bool root = mp_comm_rank(comm) == 0;
    j.stream = true;
    j.fd = open("/dev/full", O_WRONLY);
    run_job(&j, &out);
    bool ok = root ? out.status == MP_IO && out.enough &&
                         strcmp(out.error.why, strerror(ENOSPC)) == 0 &&
                         strcmp(out.error.file, "/dev/full") == 0
                   : out.status == MP_OK;
    close(j.fd);
    mp_buf_release(&out.text);
    on_all(ok, "failing stream");
}

static void failing_file(void **state) {
    (void)state;
    job j = PLAIN;
    outcome out;
    j.big_rows = 5000;
    j.n_pieces = 40;
    j.file_limit = 100000;
    bool limited = mp_comm_rank(comm) == 1 % mp_comm_size(comm);
    run_job(&j, &out);
    bool ok = limited ? out.status == MP_IO && out.error.file[0] &&
                            strcmp(out.error.why, strerror(EFBIG)) == 0
                      : out.status == MP_OK;
    mp_buf_release(&out.text);
    on_all(ok, "failing file");
}

/* Messages of a pass that was given up do not disturb the next one. */
static void stale_messages(void **state) {
    (void)state;
    mp_error e = MP_ERROR_INIT;
    mp_order_args args = {.limit_rows = -1, .pass = ++pass, .stream_fd = -1};
    mp_order *o = NULL;
    must(mp_order_new(comm, &args, &o, &e), &e);
    for (int64_t p = 0; p < 5; p++) {
        mp_buf text;
        mp_buf_init(&text, NULL);
        mp_buf_put(&text, "stale\n", 6);
        /* all ranks claim piece 1 and up: nothing can be written */
        must(
            mp_order_submit(o, 1 + p * mp_comm_size(comm) + mp_comm_rank(comm), &text, 1, NULL, &e),
            &e);
    }
    mp_order_free(&o);
    assert_null(o);
    mp_order_free(&o);
    for (int stream = 0; stream < 2; stream++) {
        job j = PLAIN;
        j.stream = stream;
        check(&j, "after a pass that was given up");
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    begin_on_ranks(&argc, &argv, 120);
    mp_error e = MP_ERROR_INIT;
    must(mp_comm_new(MPI_COMM_WORLD, &comm, &e), &e);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_in_any_order),
        cmocka_unit_test(no_pieces),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(big_pieces),
        cmocka_unit_test(packed),
        cmocka_unit_test(small_budget),
        cmocka_unit_test(hole_behind_the_limit),
        cmocka_unit_test(closed_stream),
        cmocka_unit_test(closed_packed_stream),
        cmocka_unit_test(failing_stream),
        cmocka_unit_test(failing_file),
        cmocka_unit_test(failing_packed_file),
        cmocka_unit_test(stale_messages),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mp_comm_free(&comm);
    return end_on_ranks(failed);
}
