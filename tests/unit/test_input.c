/* test_input.c - lists of inputs, streams. Packed data is made with zlib and zstd
 * themselves, so that the bytes to be read are known without the code under test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "input_folder.h"

static mp_input *list(const char *arg, int *n) {
    mp_input *in = NULL;
    *n = -1;
    assert_int_equal(mp_input_list(&arg, 1, &arena, &in, n, &err), MP_OK);
    return in;
}

static void refused(const char *arg, mp_status want, const char *what, const char *hint) {
    mp_input *in = NULL;
    int n;
    char text[2048];
    mp_error_init(&err);
    assert_int_equal(mp_input_list(&arg, 1, &arena, &in, &n, &err), want);
    assert_int_equal(err.status, want);
    assert_string_equal(err.file, arg);
    mp_error_format(&err, text, sizeof text);
    if (!strstr(text, what)) fail_msg("'%s' is not in: %s", what, text);
    if (hint && !strstr(err.hint, hint)) fail_msg("'%s' is not in the hint: %s", hint, err.hint);
    assert_null(in);
    mp_error_init(&err);
}

static void list_files(void **state) {
    (void)state;
    char *a = put_text("a.csv", "x\n1\n");
    char *odd = put_text("odd.ending", "x\n1\n");
    put_text("b[1].csv", "x\n");
    int n;
    mp_input *in = list(a, &n);
    assert_int_equal(n, 1);
    assert_string_equal(in->path, a);
    assert_int_equal(in->kind, MP_INPUT_FILE);
    assert_int_equal(in->packing, MP_PACK_NONE);
    assert_int_equal(in->size_bytes, 4);
    struct stat st;
    assert_int_equal(stat(a, &st), 0);
    assert_int_equal(in->mtime_ns, st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
    const char *three[] = {odd, "-", a};
    assert_int_equal(mp_input_list(three, 3, &arena, &in, &n, &err), MP_OK);
    assert_int_equal(n, 3);
    assert_string_equal(in[0].path, odd);
    assert_string_equal(in[1].path, "-");
    assert_int_equal(in[1].kind, MP_INPUT_STREAM);
    assert_int_equal(in[1].size_bytes, -1);
    assert_string_equal(in[2].path, a);
    /* a name that exists is no pattern */
    in = list(at("b[1].csv"), &n);
    assert_int_equal(n, 1);
    assert_string_equal(in->path, at("b[1].csv"));
    assert_int_equal(mp_input_list(NULL, 0, &arena, &in, &n, &err), MP_OK);
    assert_int_equal(n, 0);
}

static void list_sorted(void **state) {
    (void)state;
    static const char *const names[] = {"b.csv",  "a.tsv", "c.csv.gz",   "B.CSV",
                                        "10.csv", "9.csv", "rows.ndjson"};
    static const char *const want[] = {"10.csv", "9.csv",    "B.CSV",      "a.tsv",
                                       "b.csv",  "c.csv.gz", "rows.ndjson"};
    for (int i = 0; i < 7; i++)
        put_text(names[i], "x\n");
    put_text(".hidden.csv", "x\n");
    put_text("notes.md", "x\n");
    int n;
    mp_input *in = list(folder, &n);
    assert_int_equal(n, 7);
    for (int i = 0; i < 7; i++)
        assert_string_equal(in[i].path, at(want[i]));
    in = list(at("?.csv"), &n);
    assert_int_equal(n, 2);
    assert_string_equal(in[0].path, at("9.csv"));
    assert_string_equal(in[1].path, at("b.csv"));
    /* folders with a known ending inside a folder are not inputs, and as a match of a pattern they
     * are folders */
    assert_int_equal(mkdir(at("z.csv"), 0700), 0);
    list(folder, &n);
    assert_int_equal(n, 7);
    refused(at("*.parquet"), MP_IO, "no file matches this pattern", NULL);
    put_text("z.csv/in.csv", "x\n");
    in = list(at("*.csv"), &n);
    assert_int_equal(n, 4);
    assert_string_equal(in[3].path, at("z.csv/in.csv"));
}

static void list_refusals(void **state) {
    (void)state;
    put_text("orders.csv", "x\n");
    refused(at("ordres.csv"), MP_IO, strerror(ENOENT), at("orders.csv"));
    refused(at("none/x.csv"), MP_IO, strerror(ENOENT), at("none"));
    refused(at("orders.csv/x"), MP_IO, strerror(ENOTDIR), NULL);
    assert_int_equal(mkdir(at("empty"), 0700), 0);
    refused(at("empty"), MP_IO, ".csv, .tsv, .ndjson", "any ending");
    refused(put("p.csv", "PAR1\x15\0\0\0....PAR1", 16), MP_USAGE, "Parquet", "duckdb");
    refused(put_text("empty.parquet", ""), MP_USAGE, "Parquet", "duckdb");
    refused(put("book.xlsx", "PK\3\4", 4), MP_USAGE, "Excel", "csv");
    refused(put("old.csv", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8), MP_USAGE, "Excel", NULL);
    refused(put("x.zip", "PK\3\4", 4), MP_USAGE, "zip", "unzip");
    refused(put("x.csv.xz",
                "\xfd"
                "7zXZ\0..",
                8),
            MP_USAGE, "xz", "xz -dc");
    refused(put("x.csv.bz2", "BZh91AY&SY", 10), MP_USAGE, "bzip2", NULL);
    /* header lines that begin as those forms do */
    int n;
    list(put_text("par.csv", "PAR1,b\n1,2\n"), &n);
    list(put_text("bz.csv", "BZh,b\n1,2\n"), &n);
}

/* HDF5 is told by its signature, wherever a user block lets it stand, and its object by a colon. */
static void list_h5(void **state) {
    (void)state;
    static const char signature[] = "\x89HDF\r\n\x1a\n....";
    char behind[2048 + 12] = {0};
    int n;
    assert_true(list(put("a.h5", signature, 12), &n)->is_h5);
    assert_true(list(put("renamed.csv", signature, 12), &n)->is_h5);
    for (int at_byte = 512; at_byte <= 2048; at_byte *= 2) {
        memset(behind, 0, sizeof behind);
        memcpy(behind + at_byte, signature, 12);
        assert_true(list(put("block.bin", behind, (size_t)at_byte + 12), &n)->is_h5);
    }
    memset(behind, 0, sizeof behind);
    memcpy(behind + 700, signature, 12);
    assert_false(list(put("none.bin", behind, sizeof behind), &n)->is_h5);
    char *object = mp_arena_alloc(&arena, 100, 1);
    snprintf(object, 100, "%s:/data/table", at("a.h5"));
    mp_input *in = list(object, &n);
    assert_int_equal(n, 1);
    assert_string_equal(in->path, at("a.h5"));
    assert_string_equal(in->object, "/data/table");
    /* a path that exists wins over the colon */
    in = list(put("a.h5:b", "x\n1\n", 4), &n);
    assert_null(in->object);
    assert_false(in->is_h5);
}

static void list_packing(void **state) {
    (void)state;
    int n;
    assert_int_equal(list(put("a.csv", "\x1f\x8b\x08", 3), &n)->packing, MP_PACK_GZIP);
    mp_input *in = list(put("b.csv", "\x28\xb5\x2f\xfd", 4), &n);
    assert_int_equal(in->packing, MP_PACK_ZSTD);
    assert_int_equal(in->kind, MP_INPUT_STREAM);
    assert_int_equal(in->size_bytes, 4);
    in = list(put_text("plain.csv.gz", "x\n1\n"), &n);
    assert_int_equal(in->packing, MP_PACK_NONE);
    assert_int_equal(in->kind, MP_INPUT_FILE);
    /* pipes are never opened: this one has no writer, and opening it would wait for ever */
    assert_int_equal(mkfifo(at("pipe.csv.gz"), 0600), 0);
    in = list(at("pipe.csv.gz"), &n);
    assert_int_equal(in->kind, MP_INPUT_STREAM);
    assert_int_equal(in->packing, MP_PACK_GZIP);
    assert_int_equal(in->size_bytes, -1);
    in = list("/proc/self/stat", &n);
    assert_int_equal(in->kind, MP_INPUT_STREAM);
    in = list("/dev/null", &n);
    assert_int_equal(in->kind, MP_INPUT_STREAM);
}

/* ---- streams ---- */

static mp_stream *open_stream(const char *path) {
    int n;
    mp_stream *s = NULL;
    assert_int_equal(mp_stream_open(list(path, &n), &s, &err), MP_OK);
    return s;
}

/* Reads all in pieces of cap bytes; returns the status of the last read. */
static mp_status read_all(mp_stream *s, size_t cap, mp_buf *out) {
    uint8_t *piece = malloc(cap);
    assert_non_null(piece);
    bool later, last = false;
    mp_status status = MP_OK;
    while (status == MP_OK && !last) {
        size_t n;
        status = mp_stream_read(s, piece, cap, &n, &later, &last, &err);
        if (status != MP_OK) break;
        assert_true(n <= cap);
        assert_true(!(n == 0 && !later && !last));
        assert_true(!(n > 0 && (later || last)));
        mp_buf_put(out, piece, n);
    }
    free(piece);
    return status;
}

/* Text that packs well here and badly there. */
static mp_buf sample_text(size_t n) {
    mp_buf b;
    mp_buf_init(&b, NULL);
    uint64_t x = 88172645463325252u;
    for (int i = 0; b.len < n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        mp_buf_printf(&b, i % 1000 < 500 ? "%d,same,row\n" : "%d,%lx\n", i, (unsigned long)x);
    }
    b.len = n;
    return b;
}

static void pack_gzip(mp_buf *out, const uint8_t *p, size_t n) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_true(mp_buf_reserve(out, deflateBound(&z, n) + 64));
    z.next_in = (Bytef *)p;
    z.avail_in = (uInt)n;
    z.next_out = out->data + out->len;
    z.avail_out = (uInt)(out->cap - out->len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd(&z);
}

static void pack_zstd(mp_buf *out, const uint8_t *p, size_t n) {
    assert_true(mp_buf_reserve(out, ZSTD_compressBound(n)));
    size_t rc = ZSTD_compress(out->data + out->len, out->cap - out->len, p, n, 3);
    assert_false(ZSTD_isError(rc));
    out->len += rc;
}

typedef void (*pack_fn)(mp_buf *, const uint8_t *, size_t);

static void same_bytes(const mp_buf *a, const mp_buf *b) {
    assert_int_equal(a->len, b->len);
    if (a->len) assert_memory_equal(a->data, b->data, a->len);
}

static void stream_packed(void **state) {
    (void)state;
    static const pack_fn packs[] = {pack_gzip, pack_zstd};
    static const size_t cuts[] = {0, 1, 65536, 700000, 700000, 1000000};
    mp_buf text = sample_text(1000000);
    for (int k = 0; k < 2; k++) {
        mp_buf packed, got;
        mp_buf_init(&packed, NULL);
        mp_buf_init(&got, NULL);
        for (int i = 0; i < 5; i++) /* members of different sizes, an empty one among them */
            packs[k](&packed, text.data + cuts[i], cuts[i + 1] - cuts[i]);
        packs[k](&packed, text.data, 0);
        char *path = put("x.csv", packed.data, packed.len);
        static const size_t caps[] = {1000, 65536, 4000000, 7};
        for (int i = 0; i < 4; i++) {
            mp_stream *s = open_stream(path);
            assert_int_equal(mp_stream_fd(s), -1);
            assert_int_equal(mp_stream_consumed(s), 0);
            assert_int_equal(read_all(s, caps[i], &got), MP_OK);
            assert_int_equal(mp_stream_consumed(s), packed.len);
            same_bytes(&got, &text);
            mp_buf_clear(&got);
            mp_stream_close(&s);
            assert_null(s);
        }
        mp_buf_release(&packed);
        mp_buf_release(&got);
    }
    mp_buf_release(&text);
}

/* Packed data that is cut at every byte is an error or ends at a member; nothing is made up. */
static void stream_cut_off(void **state) {
    (void)state;
    static const pack_fn packs[] = {pack_gzip, pack_zstd};
    mp_buf text = sample_text(400);
    for (int k = 0; k < 2; k++) {
        mp_buf packed, got;
        mp_buf_init(&packed, NULL);
        mp_buf_init(&got, NULL);
        packs[k](&packed, text.data, 200);
        size_t first = packed.len;
        packs[k](&packed, text.data + 200, 200);
        for (size_t n = 5; n <= packed.len; n++) {
            char *path = put("cut.bin", packed.data, n);
            mp_stream *s = open_stream(path);
            mp_error_init(&err);
            mp_buf_clear(&got);
            mp_status status = read_all(s, 64, &got);
            bool whole = n == first || n == packed.len;
            assert_int_equal(status, whole ? MP_OK : MP_DATA);
            if (whole) assert_int_equal(got.len, n == first ? 200 : 400);
            if (!whole) assert_string_equal(err.file, path);
            if (got.len) assert_memory_equal(got.data, text.data, got.len);
            mp_stream_close(&s);
        }
        mp_buf_release(&packed);
        mp_buf_release(&got);
    }
    mp_buf_release(&text);
}

static void stream_corrupt(void **state) {
    (void)state;
    mp_buf text = sample_text(5000), packed, got;
    mp_buf_init(&packed, NULL);
    mp_buf_init(&got, NULL);
    pack_gzip(&packed, text.data, text.len);
    size_t n = packed.len;
    /* padding is fine, other bytes behind the data are not */
    static const uint8_t zeros[600];
    mp_buf_put(&packed, zeros, sizeof zeros);
    mp_stream *s = open_stream(put("pad.gz", packed.data, packed.len));
    assert_int_equal(read_all(s, 1000, &got), MP_OK);
    same_bytes(&got, &text);
    mp_stream_close(&s);
    mp_buf_put(&packed, "garbage", 7);
    s = open_stream(put("garbage.gz", packed.data, packed.len));
    assert_int_equal(read_all(s, 1000, &got), MP_DATA);
    assert_non_null(strstr(err.why, "gzip at byte"));
    mp_stream_close(&s);
    packed.data[n / 2] ^= 0x55; /* the checksum or the code itself tells */
    mp_error_init(&err);
    s = open_stream(put("bad.gz", packed.data, n));
    assert_int_equal(read_all(s, 1000, &got), MP_DATA);
    mp_stream_close(&s);
    mp_buf_release(&packed);
    mp_buf_release(&got);
    mp_buf_release(&text);
}

static void stream_pipe(void **state) {
    (void)state;
    int n_inputs, fd;
    bool later, last;
    size_t n;
    uint8_t out[256];
    char *path = at("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    mp_stream *s = NULL;
    mp_input *in = list(path, &n_inputs);
    assert_int_equal(mp_stream_open(in, &s, &err), MP_OK); /* no writer yet: must not wait */
    assert_true(mp_stream_fd(s) >= 0);
    assert_int_equal(mp_stream_read(s, out, sizeof out, &n, &later, &last, &err), MP_OK);
    assert_true(n == 0 && later && !last);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a,b\n", 4), 4);
    assert_int_equal(mp_stream_read(s, out, sizeof out, &n, &later, &last, &err), MP_OK);
    assert_true(n == 0 && later && !last); /* too short to tell what it is */
    assert_int_equal(write(fd, "1,2\n3,4\n5,6\n", 12), 12);
    assert_int_equal(mp_stream_read(s, out, 10, &n, &later, &last, &err), MP_OK);
    assert_int_equal(n, 10);
    assert_memory_equal(out, "a,b\n1,2\n3,", 10);
    assert_int_equal(mp_stream_read(s, out, sizeof out, &n, &later, &last, &err), MP_OK);
    assert_int_equal(n, 6);
    assert_int_equal(mp_stream_read(s, out, sizeof out, &n, &later, &last, &err), MP_OK);
    assert_true(n == 0 && later && !last);
    close(fd);
    assert_int_equal(mp_stream_read(s, out, sizeof out, &n, &later, &last, &err), MP_OK);
    assert_true(n == 0 && !later && last);
    assert_int_equal(mp_stream_consumed(s), 16);
    mp_stream_close(&s);
}

/* Packed bytes that trickle out of a pipe one at a time, on standard input. */
static void stream_standard_input(void **state) {
    (void)state;
    mp_buf text = sample_text(3000), packed, got;
    mp_buf_init(&packed, NULL);
    mp_buf_init(&got, NULL);
    pack_zstd(&packed, text.data, text.len);
    int p[2], keep = dup(0);
    assert_int_equal(pipe(p), 0);
    dup2(p[0], 0);
    mp_stream *s = open_stream("-");
    for (size_t i = 0; i <= packed.len; i++) {
        uint8_t out[4096];
        bool later, last;
        size_t m;
        if (i == packed.len) close(p[1]);
        if (i < packed.len) assert_int_equal(write(p[1], packed.data + i, 1), 1);
        do {
            assert_int_equal(mp_stream_read(s, out, sizeof out, &m, &later, &last, &err), MP_OK);
            mp_buf_put(&got, out, m);
        } while (m > 0);
        assert_int_equal(last, i == packed.len);
        assert_int_equal(later, i < packed.len);
    }
    same_bytes(&got, &text);
    mp_stream_close(&s);
    assert_int_equal(fcntl(0, F_GETFL) & O_NONBLOCK, 0); /* shared with others: left as it is */
    dup2(keep, 0);
    close(keep);
    close(p[0]);
    mp_buf_release(&packed);
    mp_buf_release(&got);
    mp_buf_release(&text);
}

static void stream_short(void **state) {
    (void)state;
    mp_buf got;
    mp_buf_init(&got, NULL);
    mp_input in = {.path = put_text("one", "x"), .kind = MP_INPUT_STREAM};
    mp_stream *s;
    assert_int_equal(mp_stream_open(&in, &s, &err), MP_OK);
    assert_int_equal(read_all(s, 10, &got), MP_OK);
    assert_int_equal(got.len, 1);
    mp_stream_close(&s);
    mp_stream_close(&s);
    in.path = "/dev/null";
    assert_int_equal(mp_stream_open(&in, &s, &err), MP_OK);
    assert_int_equal(read_all(s, 10, &got), MP_OK);
    assert_int_equal(got.len, 1);
    mp_stream_close(&s);
    in.path = folder;
    assert_int_equal(mp_stream_open(&in, &s, &err), MP_IO);
    mp_buf_release(&got);
}

int main(void) {
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(list_files, begin, end),
        cmocka_unit_test_setup_teardown(list_sorted, begin, end),
        cmocka_unit_test_setup_teardown(list_refusals, begin, end),
        cmocka_unit_test_setup_teardown(list_h5, begin, end),
        cmocka_unit_test_setup_teardown(list_packing, begin, end),
        cmocka_unit_test_setup_teardown(stream_packed, begin, end),
        cmocka_unit_test_setup_teardown(stream_cut_off, begin, end),
        cmocka_unit_test_setup_teardown(stream_corrupt, begin, end),
        cmocka_unit_test_setup_teardown(stream_pipe, begin, end),
        cmocka_unit_test_setup_teardown(stream_standard_input, begin, end),
        cmocka_unit_test_setup_teardown(stream_short, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
